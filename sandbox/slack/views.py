"""Modals and Home views of each person: stacks of three, hashes, typed-in state. No rules of Block Kit here."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.slack.entities import APP_ID, BOT_ID, TEAM_ID, Json

STACK_LIMIT = 3


@dataclass
class View:
    """One modal or Home view as Slack keeps it."""

    id: str
    user: str
    content: Json  #: as the bot sent it, with block_id and action_id filled in
    root_id: str
    previous_id: str | None = None
    version: int = 1
    state: Json = field(default_factory=dict)  #: block_id -> action_id -> value

    @property
    def hash(self) -> str:
        """Changes with every update; views.update refuses an older one."""
        return f"1700000000.{self.id[1:5].lower()}{self.version:04}"

    def to_json(self) -> Json:
        """As views.open answers it and as payloads carry it."""
        optional = dict.fromkeys(("submit", "close"))
        defaults: Json = {"private_metadata": "", "callback_id": "", "external_id": "", **optional}
        flags = {"clear_on_close": False, "notify_on_close": False, "submit_disabled": False}
        return {
            **defaults,
            **flags,
            **self.content,
            "id": self.id,
            "team_id": TEAM_ID,
            "app_id": APP_ID,
            "bot_id": BOT_ID,
            "app_installed_team_id": TEAM_ID,
            "hash": self.hash,
            "root_view_id": self.root_id,
            "previous_view_id": self.previous_id,
            "state": {"values": self.state},
        }


class ViewShelf:
    """The open views: a stack of modals and one Home view per person."""

    def __init__(self, changed: Callable[[str, Json], None]) -> None:
        self.modals: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self._changed = changed
        self._numbers = itertools.count(1)

    def top(self, user: str) -> View | None:
        """The modal that the person sees."""
        stack = self.modals.get(user)
        return stack[-1] if stack else None

    def find(self, view_id: str) -> View | None:
        """An open view by its id."""
        everything = [view for stack in self.modals.values() for view in stack] + list(self.homes.values())
        return next((view for view in everything if view.id == view_id), None)

    def find_external(self, external_id: str) -> View | None:
        """An open view by the id that the bot gave it."""
        everything = [view for stack in self.modals.values() for view in stack] + list(self.homes.values())
        return next(
            (view for view in everything if external_id and view.content.get("external_id") == external_id), None
        )

    def open(self, user: str, content: Json) -> View:
        """A new modal, in place of any others of that person."""
        view_id = self._new_id()
        view = View(view_id, user, content, root_id=view_id)
        self.modals[user] = [view]
        self._changed("view", {"user": user, "how": "opened", "view": view.id})
        return view

    def push(self, user: str, content: Json) -> View | None:
        """A modal on top of the others; None if three are open."""
        stack = self.modals.setdefault(user, [])
        if len(stack) >= STACK_LIMIT:
            return None
        view_id = self._new_id()
        below = stack[-1] if stack else None
        view = View(view_id, user, content, below.root_id if below else view_id, below.id if below else None)
        stack.append(view)
        self._changed("view", {"user": user, "how": "pushed", "view": view.id})
        return view

    def update(self, view: View, content: Json) -> View:
        """New content in the same place; what the person typed into blocks that stay is kept."""
        kept = {block.get("block_id") for block in content.get("blocks", [])}
        view.content = content
        view.version += 1
        view.state = {block_id: values for block_id, values in view.state.items() if block_id in kept}
        self._changed("view", {"user": view.user, "how": "updated", "view": view.id})
        return view

    def pop(self, user: str) -> None:
        """The top modal goes away, the one below shows again."""
        if self.modals.get(user):
            gone = self.modals[user].pop()
            self._changed("view", {"user": user, "how": "closed", "view": gone.id})

    def clear(self, user: str) -> None:
        """All modals of a person go away."""
        self.modals[user] = []
        self._changed("view", {"user": user, "how": "cleared", "view": None})

    def publish(self, user: str, content: Json) -> View:
        """The person's Home view, new or updated."""
        view = self.homes.get(user)
        if view is None:
            view_id = self._new_id()
            view = self.homes[user] = View(view_id, user, content, root_id=view_id)
        else:
            view.content, view.version = content, view.version + 1
        self._changed("home", {"user": user, "view": view.id})
        return view

    def _new_id(self) -> str:
        return f"V0VIEW{next(self._numbers):05}"
