"""The manifest asks for the scopes that are used, for all of them, and for nothing else."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from services.model import State
from tests.handlers.desk import PLATFORM, PRIVATE, REQUESTER, Desk, Died

pytestmark = pytest.mark.sandbox

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text(encoding="utf-8"))
SCOPES = frozenset(MANIFEST["oauth_config"]["scopes"]["bot"])
#: What the stand-in asks for no call: Slack gives slash commands to no app without it.
IN_THE_MANIFEST_ONLY = {"commands"}


def story(folder: Path, scopes: Collection[str]) -> bool:
    """Create, approve, status and both ways of healing in a public and a private channel; whether all of it worked."""
    desk = Desk(folder, scopes=scopes)
    try:
        return all(
            [_create_and_heal(desk, "one.example.com", PLATFORM), _create_and_heal(desk, "two.example.com", PRIVATE)]
        )
    finally:
        desk.close()


def _create_and_heal(desk: Desk, hostname: str, channel: str) -> bool:
    desk.dispatch(desk.command(f"create {hostname} --service demo/app", channel=channel))
    desk.turn()
    for _ in range(2):  # dies after the card, then after the plan
        desk.client.dies_after = "chat.postMessage"
        with suppress(Died):
            desk.deliver(minutes=1)
        desk.start()
    desk.deliver(minutes=1)
    cards = desk.shown(channel)
    plans = [plan for card in cards for plan in desk.thread(card)]
    if len(plans) != 1:
        return False
    desk.dispatch(desk.click(plans[0], "approve"))
    desk.dispatch(desk.command(f"create {hostname}", channel=channel))
    desk.dispatch(desk.command(f"status {hostname}", channel=channel))
    desk.deliver(minutes=1)
    (request,) = desk.store.requests(hostname=hostname)
    told = [m for m in desk.private(REQUESTER) if m.channel == channel]
    return request.state is State.APPROVED and len(cards) == 1 and len(told) == 2


def test_the_scopes_of_the_manifest_are_enough(tmp_path: Path) -> None:
    """No call of the whole path meets missing_scope."""
    with capture_logs() as lines:
        assert story(tmp_path, SCOPES)

    assert "missing_scope" not in str(lines)


@pytest.mark.parametrize("scope", sorted(SCOPES - IN_THE_MANIFEST_ONLY))
def test_each_scope_of_the_manifest_is_needed(tmp_path: Path, scope: str) -> None:
    """Without it the path breaks."""
    assert not story(tmp_path, SCOPES - {scope})


def test_the_scope_of_slash_commands_stands_and_falls_with_them() -> None:
    """Slack refuses a manifest with slash_commands that does not ask for it."""
    assert bool(MANIFEST["features"].get("slash_commands")) == bool(IN_THE_MANIFEST_ONLY & SCOPES)


def test_who_is_told_directly_can_see_it() -> None:
    """The last resort of a private answer is a direct message, which needs the app's Messages tab."""
    assert MANIFEST["features"]["app_home"] == {
        "home_tab_enabled": False,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": True,
    }
