"""What people do, turned into what Slack sends to the app, and what they see of the answer at once.

Used by the control API (control.py); a page would use the same. All methods run in the server's event loop.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.slack import inputs, payloads
from sandbox.slack.api import SlackError
from sandbox.slack.block_kit import check_options
from sandbox.slack.entities import Channel, Json, Message, User
from sandbox.slack.responses import compose
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.tickets import Tickets
from sandbox.slack.views import View
from sandbox.slack.workspace import Workspace

SLACKBOT = "USLACKBOT"


class NotPossibleError(Exception):
    """Slack's own client would not let the person do that; says why."""


@dataclass
class Outcome:
    """What the person saw at once: a text, or a problem in Slack's words; field errors of a modal by block_id."""

    text: str = ""
    problem: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    message: Json | None = None

    def to_json(self) -> Json:
        """For the control API."""
        return asdict(self)


@dataclass(frozen=True)
class Place:
    """Where an element is: on a message or in a view."""

    blocks: list[Json]
    state: Json  #: what this person touched there
    message: Message | None = None
    view: View | None = None


class Interactions:
    """Commands, messages, clicks and choices of people."""

    def __init__(
        self,
        workspace: Workspace,
        tickets: Tickets,
        sockets: SocketMode,
        clock: Callable[[], float],
        commands: Collection[str],
        root: Callable[[], str],
    ) -> None:
        self.workspace = workspace
        self.tickets = tickets
        self.sockets = sockets
        self._clock = clock
        self._commands = frozenset(commands)
        self._root = root

    # --- commands and messages ---

    async def command(self, user: User, channel: Channel, line: str, thread_ts: str | None = None) -> Outcome:
        """A line that begins with a slash. Slack's own /invite is known, and the app's commands."""
        self._require_member(user, channel)
        command, _, text = line.strip().partition(" ")
        if thread_ts:
            return self._slackbot(user, channel, f"{command} is not supported in threads. Sorry!", "not_in_threads")
        if command == "/invite":
            self.invite(channel, text.strip())
            return Outcome()
        if command not in self._commands:
            return self._slackbot(user, channel, f"{command} is not a valid command.", "not_a_command")
        url = self._response_url(self.tickets.response(user.id, channel.id))
        trigger = self.tickets.trigger(user.id)
        payload = payloads.slash_command(user, channel, command, text.strip(), url, trigger)
        ack = await self.sockets.deliver("slash_commands", payload, takes_answer=True)
        if ack.problem:
            return self._slackbot(user, channel, f'{command} failed with the error "{ack.problem}"', ack.problem)
        try:
            shown = compose(self.workspace, user.id, channel.id, ack.payload or {})
        except SlackError as error:
            problem = "invalid_command_response"
            text = f'{command} failed with the error "{problem}" ({error.code}: {error.extra})'
            return self._slackbot(user, channel, text, problem)
        if shown is None:
            return Outcome()
        self.workspace.post(shown)
        return Outcome(text=shown.text, message=shown.to_json())

    def say(self, user: User, channel: Channel, text: str, thread_ts: str | None = None) -> Outcome:
        """Post a message; where the bot is, a mention of it becomes an app_mention event."""
        self._require_member(user, channel)
        if channel.is_archived:
            raise NotPossibleError(f"#{channel.name} is archived.")
        parent = self.workspace.parent(channel.id, thread_ts) if thread_ts else None
        if thread_ts and parent is None:
            raise NotPossibleError(f"There is no message {thread_ts} to reply to.")
        message = Message(channel.id, self.workspace.next_ts(), user.id, self._as_sent(text))
        message.thread_ts = parent.ts if parent else None
        self.workspace.post(message)
        bot = self.workspace.bot_user
        if f"<@{bot}>" in message.text and bot in channel.members and channel.kind != "im":
            self._event(payloads.app_mention(message))
        return Outcome(message=message.to_json())

    def _as_sent(self, text: str) -> str:
        """Typed text as apps get it: escaped, `@name` resolved, host names and URLs made links."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        linked = re.sub(r"https?://[^\s<>|]+", lambda found: f"<{found[0]}>", escaped)
        host = r"(?<![\w@./<-])((?:[\w-]+\.)+(?:com|org|net|io|dev))(?![\w.-]*[\w-])"
        linked = re.sub(host, lambda found: f"<http://{found[0]}|{found[0]}>", linked)
        for person in self.workspace.users.values():
            linked = re.sub(rf"(?<![\w<])@{re.escape(person.name)}\b", f"<@{person.id}>", linked)
        return linked

    def invite(self, channel: Channel, name: str) -> None:
        """Bring somebody, say the bot, into a channel."""
        self.workspace.add_member(channel.id, self.workspace.user_named(name).id)

    def open_home(self, user: User) -> Outcome:
        """Open the app's Home tab; the app hears of it and may publish."""
        channel = self.workspace.direct_message(user.id, self.workspace.bot_user)
        view = self.workspace.views.homes.get(user.id)
        self._event(payloads.home_opened(user.id, channel.id, view, self.workspace.next_ts()))
        return Outcome()

    async def shortcut(self, user: User, callback_id: str) -> Outcome:
        """Run a global shortcut of the app."""
        trigger = self.tickets.trigger(user.id)
        payload = payloads.shortcut(user, callback_id, trigger, self.workspace.next_ts())
        return Outcome(problem=(await self.sockets.deliver("interactive", payload)).problem)

    def group_changed(self, group: str, before: list[str], after: list[str]) -> None:
        """A user group has other members now."""
        self._event(payloads.group_changed(group, before, after, self._clock()))

    # --- buttons and choices ---

    async def click(self, user: User, place: Place, name: str, confirm: bool = True) -> Outcome:
        """Press a button or an entry of an overflow menu; a confirm dialog is answered with `confirm`."""
        found = inputs.find(place.blocks, name)
        if found.element["type"] == "overflow" and found.option is None:
            raise NotPossibleError("An overflow menu only opens; name one of its entries.")
        if found.element["type"] not in ("button", "overflow"):
            raise NotPossibleError(f"{name!r} is a {found.element['type']}: choose a value instead.")
        if "confirm" in found.element and not confirm:
            return Outcome()
        return await self._act(user, place, found, None)

    async def select(self, user: User, place: Place, name: str, value: Any) -> Outcome:
        """Choose in a select, picker or group of boxes; the app hears of it unless it waits for a submit."""
        found = inputs.find(place.blocks, name)
        if found.element["type"] == "external_select":
            options = await self.options(user, place, name, str(value))
            found = inputs.Found(found.block, {**found.element, "options": options})
        state = inputs.chosen(found.element, value)
        place.state.setdefault(found.block["block_id"], {})[found.element["action_id"]] = state
        if found.block["type"] == "input" and not found.block.get("dispatch_action"):
            return Outcome()
        return await self._act(user, place, found, state)

    async def options(self, user: User, place: Place, name: str, query: str) -> list[Json]:
        """What an external select offers for what was typed (block_suggestion). Raises NotPossibleError."""
        found = inputs.find(place.blocks, name)
        payload = payloads.suggestion(user, found, query, self._whereabouts(place))
        ack = await self.sockets.deliver("interactive", payload, takes_answer=True)
        if ack.problem:
            raise NotPossibleError(f"The list stays empty: {ack.problem}.")
        if faults := check_options(ack.payload or {}):
            raise NotPossibleError(f"Slack refuses the options: {'; '.join(faults)}.")
        return inputs.offered(ack.payload or {})

    async def _act(self, user: User, place: Place, found: inputs.Found, state: Json | None) -> Outcome:
        action = payloads.action(found, state, self.workspace.next_ts())
        trigger = self.tickets.trigger(user.id)
        if place.view:
            payload = payloads.view_action(user, place.view, [action], trigger)
        else:
            payload = self._message_action(user, place, action, trigger)
        return Outcome(problem=(await self.sockets.deliver("interactive", payload)).problem)

    def _message_action(self, user: User, place: Place, action: Json, trigger: str) -> Json:
        message = place.message
        assert message is not None  # noqa: S101 - a place without a view has a message
        channel = self.workspace.channels[message.channel]
        url = self._response_url(self.tickets.response(user.id, channel.id, message.ts))
        state = inputs.state_of(place.blocks, place.state)
        return payloads.message_action(user, channel, message, state, [action], trigger, url)

    def _whereabouts(self, place: Place) -> Json:
        if place.view:
            return {"container": {"type": "view", "view_id": place.view.id}, "view": place.view.to_json()}
        message = place.message
        assert message is not None  # noqa: S101
        container = {"type": "message", "message_ts": message.ts, "channel_id": message.channel}
        return {"container": container, "channel": {"id": message.channel}, "message": message.to_json()}

    # --- places ---

    def on_message(self, user: User, channel: Channel, ts: str | None, name: str) -> Place:
        """The message with that ts; without one, the newest that has such an element. Raises NotPossibleError."""
        for message in reversed(self.workspace.visible_to(user.id, channel.id)):
            if message.deleted or (ts and message.ts != ts):
                continue
            blocks = message.blocks + [b for attached in message.attachments for b in attached.get("blocks", [])]
            if ts or _has(blocks, name):
                return Place(blocks, message.selections.setdefault(user.id, {}), message=message)
        raise NotPossibleError(
            f"{user.name} sees no message {ts or f'with {name!r}'} in #{channel.name or channel.id}."
        )

    def in_modal(self, user: User) -> Place:
        """The modal that is open. Raises NotPossibleError."""
        view = self.workspace.views.top(user.id)
        if view is None:
            raise NotPossibleError(f"{user.name} has no modal open.")
        return Place(view.content["blocks"], view.state, view=view)

    def on_home(self, user: User) -> Place:
        """The Home tab. Raises NotPossibleError."""
        view = self.workspace.views.homes.get(user.id)
        if view is None:
            raise NotPossibleError("Nothing is published on the Home tab.")
        return Place(view.content["blocks"], view.state, view=view)

    # --- small things ---

    def _require_member(self, user: User, channel: Channel) -> None:
        if user.id not in channel.members:
            raise NotPossibleError(f"{user.name} is not in #{channel.name or channel.id}.")

    def _response_url(self, secret: str) -> str:
        return f"{self._root()}/response/{secret}"

    def _slackbot(self, user: User, channel: Channel, text: str, problem: str) -> Outcome:
        """A sentence of Slack's own, for that person only."""
        message = Message(channel.id, self.workspace.next_ts(), SLACKBOT, text, visible_to=user.id)
        self.workspace.post(message)
        return Outcome(text=text, problem=problem, message=message.to_json())

    def _event(self, content: Json) -> None:
        self.sockets.send_event(payloads.event(content, self.workspace.bot_user, self._clock()))


def _has(blocks: list[Json], name: str) -> bool:
    try:
        inputs.find(blocks, name)
    except inputs.NoSuchElementError:
        return False
    return True
