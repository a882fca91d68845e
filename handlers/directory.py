"""User groups as services ask for them: by handle, live, remembered only for seconds, failing closed."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from slack_sdk import WebClient

from handlers.slack_errors import calling
from services.ports import Clock

#: Long enough for one click and its redraw, short enough that somebody who left a group cannot approve.
MEMBERS_MEMORY = timedelta(seconds=10)
GROUPS_MEMORY = timedelta(minutes=1)


class SlackDirectory:
    """Implements `services.ports.Directory` with usergroups.list and usergroups.users.list."""

    def __init__(self, client: WebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._groups: tuple[datetime, Mapping[str, str]] | None = None
        self._members: dict[str, tuple[datetime, frozenset[str]]] = {}

    def group_ids(self) -> Mapping[str, str]:
        """Group id by handle, of groups that are not disabled. Raises ServiceError if Slack does not say."""
        with self._lock:
            now = self._clock()
            if self._groups is None or now - self._groups[0] > GROUPS_MEMORY:
                with calling("usergroups.list"):
                    listed = self._client.usergroups_list(include_disabled=False)["usergroups"] or []
                self._groups = (now, {g["handle"]: g["id"] for g in listed if not g.get("date_delete")})
            return self._groups[1]

    def members(self, handle: str) -> frozenset[str] | None:
        """Ids of the people in the group; None if there is no such group."""
        group = self.group_ids().get(handle)
        if group is None:
            return None
        with self._lock:
            now = self._clock()
            known = self._members.get(group)
            if known is None or now - known[0] > MEMBERS_MEMORY:
                with calling("usergroups.users.list"):
                    people = self._client.usergroups_users_list(usergroup=group)["users"] or []
                known = self._members[group] = (now, frozenset(people))
            return known[1]
