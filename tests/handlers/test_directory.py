"""Who is in a group: live, by handle, remembered for seconds, failing closed."""

from dataclasses import replace

import pytest

from handlers.directory import GROUPS_MEMORY, MEMBERS_MEMORY
from sandbox.slack.entities import UserGroup
from services.errors import ServiceError
from tests.handlers.desk import GROUP, ONCALL, Desk

pytestmark = pytest.mark.sandbox


def test_members_are_those_of_now(desk: Desk) -> None:
    """Somebody who left the rota may approve for as long as the memory lasts, and no longer."""
    assert desk.directory.members("oncall") == frozenset({ONCALL})
    desk.slack.workspace.set_group_users(GROUP, ["U0OUTSIDER1"])
    assert desk.directory.members("oncall") == frozenset({ONCALL})
    desk.clock.now += MEMBERS_MEMORY
    assert desk.directory.members("oncall") == frozenset({ONCALL})
    desk.clock.forward(seconds=0.1)

    assert desk.directory.members("oncall") == frozenset({"U0OUTSIDER1"})


def test_the_memory_saves_calls(desk: Desk) -> None:
    """usergroups.* may be called twenty times a minute."""
    for _ in range(50):
        desk.directory.members("oncall")

    assert desk.calls.made == {"usergroups.list": 1, "usergroups.users.list": 1}


def test_a_group_that_is_empty_has_nobody(desk: Desk) -> None:
    """A gap in the rota is no unknown group."""
    desk.slack.workspace.set_group_users(GROUP, [])

    assert desk.directory.members("oncall") == frozenset()


def test_a_handle_that_nobody_has_is_none(desk: Desk) -> None:
    """Callers leave it out, so it allows nothing."""
    assert desk.directory.members("nobody") is None


def test_a_disabled_group_is_no_group(desk: Desk) -> None:
    """Slack lists it with the date of its end; at the latest after a minute it counts for nothing."""

    class Ended(UserGroup):
        def to_json(self, with_users: bool) -> dict[str, object]:
            return {**super().to_json(with_users), "date_delete": 1772366400}

    group = desk.slack.workspace.groups[GROUP]
    assert desk.directory.members("oncall") is not None
    desk.slack.workspace.groups[GROUP] = Ended(group.id, group.handle, group.name, group.users)
    desk.clock.now += GROUPS_MEMORY
    desk.clock.forward(seconds=1)

    assert desk.directory.members("oncall") is None


def test_a_new_handle_is_found_within_a_minute(desk: Desk) -> None:
    """Handles change hands."""
    desk.directory.group_ids()
    group = desk.slack.workspace.groups[GROUP]
    desk.slack.workspace.groups[GROUP] = replace(group, handle="duty")
    desk.clock.now += GROUPS_MEMORY
    desk.clock.forward(seconds=1)

    assert desk.directory.members("duty") == frozenset({ONCALL})
    assert desk.directory.members("oncall") is None


def test_what_was_remembered_is_not_used_when_slack_does_not_say(desk: Desk) -> None:
    """Failing closed: an error, not an old answer."""
    desk.directory.members("oncall")
    desk.clock.now += MEMBERS_MEMORY
    desk.clock.forward(seconds=1)
    with desk.fault("slack-user-groups-fail"), pytest.raises(ServiceError):
        desk.directory.members("oncall")


def test_a_failure_is_not_remembered(desk: Desk) -> None:
    """The next click asks again."""
    with desk.fault("slack-user-groups-fail"), pytest.raises(ServiceError):
        desk.directory.members("oncall")

    assert desk.directory.members("oncall") == frozenset({ONCALL})
