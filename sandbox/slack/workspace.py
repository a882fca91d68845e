"""All that the stand-in remembers, in one object, with a feed of what changed (a page or a waiting person follows it).

Safe to use from several threads: tests reach in while the server runs. Nothing here knows of HTTP; what Slack allows or
refuses is decided in the Web API's modules, what happened is recorded here.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from sandbox.slack.entities import Change, Channel, Json, Message, User, UserGroup
from sandbox.slack.views import ViewShelf

BOT_USER = "U0NLBTLSBOT"
FEED_LENGTH = 10_000

T = TypeVar("T", User, Channel, UserGroup)


class UnknownNameError(LookupError):
    """Nobody and nothing of that name is in the workspace."""


def _people() -> list[User]:
    return [
        User(BOT_USER, "nlbtls", "nlbtls", is_bot=True),
        User("U0REQUESTER", "requester", "Rita Requester"),
        User("U0ONCALL001", "oncall", "Otto On-Call"),
        User("U0OUTSIDER1", "outsider", "Ola Outsider"),
    ]


def _channels() -> list[Channel]:
    team = {"U0REQUESTER", "U0ONCALL001"}
    everyone = {*team, "U0OUTSIDER1"}
    return [
        Channel("C0PLATFORM1", "platform", "public", {*everyone, BOT_USER}),
        Channel("C0RANDOM001", "random", "public", everyone),
        Channel("C0SECRETOPS", "secret-ops", "private", {*team}),
        Channel("C0OPSPRIV01", "ops-private", "private", {*team, BOT_USER}),
    ]


class Workspace:
    """People, channels, user groups, messages and views of one Slack team."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.bot_user = BOT_USER
        self.users = {user.id: user for user in _people()}
        self.channels = {channel.id: channel for channel in _channels()}
        self.groups = {"S0ONCALL001": UserGroup("S0ONCALL001", "oncall", "On call", ["U0ONCALL001"])}
        self.messages: list[Message] = []
        self.files: dict[str, Json] = {}
        self.views = ViewShelf(self._changed)
        self._clock = clock
        self._last_ts = 0
        self._feed: deque[Change] = deque(maxlen=FEED_LENGTH)
        self._numbered = 0
        self._listeners: list[Callable[[Change], None]] = []

    # --- the feed ---

    def changes(self, after: int = 0) -> list[Change]:
        """The changes with a number above `after`, oldest first (the last 10,000 are kept)."""
        with self.lock:
            return [change for change in self._feed if change.number > after]

    @property
    def last_change(self) -> int:
        """The number of the newest change, 0 if there is none."""
        return self._numbered

    def on_change(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call the listener, in the thread of whoever changes something; returns a function that ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self, kind: str, data: Json) -> None:
        with self.lock:
            self._numbered += 1
            change = Change(self._numbered, kind, data)
            self._feed.append(change)
        for listener in list(self._listeners):
            listener(change)

    # --- people, channels, groups ---

    def user_named(self, name: str) -> User:
        """By id or handle, with or without @. Raises UnknownNameError."""
        return _find(self.users.values(), name.removeprefix("@"), lambda user: user.name, "person")

    def channel_named(self, name: str, asker: str = "") -> Channel:
        """By id or name; `@handle` is the direct message between the asker and that person. Raises UnknownNameError."""
        if name.startswith("@"):
            return self.direct_message(asker, self.user_named(name).id)
        return _find(self.channels.values(), name.removeprefix("#"), lambda channel: channel.name, "channel")

    def group_named(self, name: str) -> UserGroup:
        """By id or handle. Raises UnknownNameError."""
        return _find(self.groups.values(), name.removeprefix("@"), lambda group: group.handle, "user group")

    def add_user(self, user: User) -> User:
        """A further person, say a guest."""
        with self.lock:
            self.users[user.id] = user
        self._changed("user", {"user": user.id})
        return user

    def direct_message(self, one: str, other: str) -> Channel:
        """The direct message between two, opened if need be."""
        with self.lock:
            for channel in self.channels.values():
                if channel.kind == "im" and channel.members == {one, other}:
                    return channel
            channel = Channel(f"D0DIRECT{len(self.channels):03}", "", "im", {one, other})
            self.channels[channel.id] = channel
        self._changed("channel", {"channel": channel.id})
        return channel

    def add_member(self, channel: str, user: str) -> None:
        """As `/invite` does."""
        with self.lock:
            self.channels[channel].members.add(user)
        self._changed("membership", {"channel": channel, "user": user, "member": True})

    def remove_member(self, channel: str, user: str) -> None:
        """As `/remove` does."""
        with self.lock:
            self.channels[channel].members.discard(user)
        self._changed("membership", {"channel": channel, "user": user, "member": False})

    def archive(self, channel: str, archived: bool = True) -> None:
        """Archive a channel, or bring it back."""
        self.channels[channel].is_archived = archived
        self._changed("channel", {"channel": channel})

    def set_group_users(self, group: str, users: list[str]) -> None:
        """Who is in a user group (an empty list is possible, as when a rota has a gap)."""
        with self.lock:
            before, self.groups[group].users = self.groups[group].users, list(users)
        self._changed("user_group", {"group": group, "before": before, "users": list(users)})

    # --- messages ---

    def next_ts(self) -> str:
        """The time now in Slack's form; every answer is larger than the one before."""
        with self.lock:
            self._last_ts = max(self._last_ts + 1, int(self._clock() * 1_000_000))
            return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"

    def post(self, message: Message) -> Message:
        """Add a message (give it a ts from next_ts())."""
        with self.lock:
            self.messages.append(message)
        self._message_changed("posted", message)
        return message

    def edit(self, message: Message, **fields: object) -> None:
        """Change fields of a message and mark it as edited."""
        with self.lock:
            for name, value in fields.items():
                setattr(message, name, value)
            message.edited_ts = self.next_ts()
        self._message_changed("edited", message)

    def delete(self, message: Message) -> None:
        """Delete a message; a parent with replies leaves a tombstone, under which the thread goes on."""
        message.deleted = True
        self._message_changed("deleted", message)

    def react(self, message: Message, name: str, user: str) -> bool:
        """Add a reaction; False if that user had already reacted so."""
        with self.lock:
            users = message.reactions.setdefault(name, [])
            if user in users:
                return False
            users.append(user)
        self._message_changed("reacted", message)
        return True

    def _message_changed(self, how: str, message: Message) -> None:
        where = {"channel": message.channel, "ts": message.ts, "thread_ts": message.thread_ts}
        self._changed("message", {"how": how, **where, "visible_to": message.visible_to})

    def message(self, channel: str, ts: str) -> Message | None:
        """The message at a place, unless it is deleted. Ephemeral ones count: people can press their buttons."""
        with self.lock:
            found = (m for m in self.messages if m.channel == channel and m.ts == ts and not m.deleted)
            return next(found, None)

    def history(self, channel: str) -> list[Message]:
        """What everyone in the channel sees at its top level, oldest first."""
        with self.lock:
            shown = (m for m in self.messages if m.channel == channel and not m.visible_to and self._is_left(m))
            return [m for m in shown if m.thread_ts is None or m.broadcast]

    def parent(self, channel: str, ts: str) -> Message | None:
        """The parent of the thread that a message is in or could begin."""
        with self.lock:
            named = (m for m in self.messages if m.channel == channel and m.ts == ts and not m.visible_to)
            found = next(named, None)
            if found and found.thread_ts:
                return self.parent(channel, found.thread_ts)
            return found if found and self._is_left(found) else None

    def replies(self, channel: str, thread_ts: str) -> list[Message]:
        """The replies of a thread, oldest first, without its parent."""
        with self.lock:
            thread = (m for m in self.messages if m.channel == channel and m.thread_ts == thread_ts)
            return [m for m in thread if not m.deleted and not m.visible_to]

    def _is_left(self, message: Message) -> bool:
        """Whether anything of it shows: the message, or its tombstone over a thread."""
        return not message.deleted or bool(self.replies(message.channel, message.ts))

    def visible_to(self, user: str, channel: str) -> list[Message]:
        """All that a person can see in a channel: threads and own ephemeral messages too, oldest first."""
        with self.lock:
            place = self.channels[channel]
            if place.kind != "public" and user not in place.members:
                return []
            return [
                m
                for m in self.messages
                if m.channel == channel and not m.hidden and m.visible_to in (None, user) and self._is_left(m)
            ]


def _find(items: Iterable[T], name: str, label: Callable[[T], str], kind: str) -> T:
    for item in items:
        if name in (item.id, label(item)):
            return item
    raise UnknownNameError(f"There is no {kind} {name!r} in this workspace.")
