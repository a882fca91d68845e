"""What all Web API methods share: the call, its arguments, Slack's errors, access to channels, pages of lists."""

import base64
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.slack.block_kit import check_message
from sandbox.slack.entities import Channel, Json, Message
from sandbox.slack.tickets import Tickets
from sandbox.slack.workspace import Workspace

T = TypeVar("T")
LONGEST_POST = 40_000  #: characters of text that chat.postMessage takes
_numbers = itertools.count(1)


class SlackError(Exception):
    """A refusal: `{"ok": false, "error": code}`, with whatever else Slack says."""

    def __init__(self, code: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.extra = extra

    def to_json(self) -> Json:
        """The body of the answer."""
        return {"ok": False, "error": self.code, **self.extra}


def refuse(code: str, messages: Sequence[str]) -> None:
    """Raise the error with JSON pointers, if there is anything to point at."""
    if messages:
        plain = [message.removeprefix("[ERROR] ") for message in messages]
        raise SlackError(code, errors=plain, response_metadata={"messages": list(messages)})


@dataclass
class Call:
    """One call of a Web API method, with what it may look at and change."""

    method: str
    args: Json
    workspace: Workspace
    tickets: Tickets
    root: str  #: where the stand-in listens, for links
    scopes: frozenset[str] | None = None

    def text(self, name: str, missing: str | None = None) -> str:
        """A string argument; if it is not there, the error `missing`, or an empty string without one."""
        value = self.args.get(name)
        if value in (None, ""):
            if missing:
                raise SlackError(missing)
            return ""
        return str(value)

    def flag(self, name: str) -> bool:
        """A boolean argument, as JSON or as a form has it."""
        return self.args.get(name) in (True, 1, "1", "true", "True")

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        try:
            return int(self.args.get(name) or default)
        except (TypeError, ValueError):
            raise SlackError("invalid_arguments") from None

    def structure(self, name: str, broken: str) -> Any:
        """A list or object, sent as JSON or as a string of JSON; None if it is not there."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError(broken) from None

    def need(self, scope: str) -> None:
        """Raise missing_scope unless the bot token has it (without a list of scopes it has all)."""
        if self.scopes is not None and scope not in self.scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    # --- channels ---

    def channel(self, by_name: bool = False) -> Channel:
        """The channel argument, as far as the bot may know of it: private ones only from within."""
        name = self.text("channel", missing="channel_not_found")
        channels = self.workspace.channels
        found = channels.get(name)
        if found is None and by_name:
            wanted = name.removeprefix("#")
            found = next((c for c in channels.values() if c.name and c.name == wanted), None)
            if found is None and name in self.workspace.users:
                found = self.workspace.direct_message(self.workspace.bot_user, name)
        if found is None or (found.kind != "public" and self.workspace.bot_user not in found.members):
            raise SlackError("channel_not_found")
        return found

    def joined_channel(self, by_name: bool = False) -> Channel:
        """The channel argument; the bot must be in it, and it must not be archived."""
        channel = self.channel(by_name)
        if channel.is_archived:
            raise SlackError("is_archived")
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def message(self, channel: Channel, argument: str = "ts") -> Message:
        """The message that an argument names; ephemeral ones cannot be named."""
        message = self.workspace.message(channel.id, self.text(argument, missing="message_not_found"))
        if message is None or message.visible_to:
            raise SlackError("message_not_found")
        return message

    # --- pages ---

    def page(self, items: Sequence[T], default: int, most: int) -> tuple[list[T], str]:
        """The page that limit and cursor ask for, and the next cursor (empty at the end)."""
        limit = self.number("limit", default)
        if not 1 <= limit <= most:
            raise SlackError("invalid_limit")
        start = _offset(self.text("cursor"))
        rest = start + limit < len(items)
        return list(items[start : start + limit]), base64.b64encode(
            b"next:%d" % (start + limit)
        ).decode() if rest else ""


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
        return {"next": int(number)}[word]
    except (ValueError, KeyError):
        raise SlackError("invalid_cursor") from None


def checked_blocks(blocks: Any) -> list[Json]:
    """The blocks of a message with ids filled in. Raises invalid_blocks or invalid_blocks_format."""
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    refuse("invalid_blocks", check_message(blocks))
    return with_ids(blocks)


def checked_attachments(attachments: Any) -> list[Json]:
    """Attachments; only the blocks in them are checked."""
    if attachments is None:
        return []
    if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
        raise SlackError("invalid_attachments")
    for index, item in enumerate(attachments):
        refuse("invalid_blocks", check_message(item.get("blocks", []), f"/attachments/{index}/blocks"))
    return [
        {**item, "id": index, "blocks": with_ids(item.get("blocks", []))} for index, item in enumerate(attachments, 1)
    ]


def checked_metadata(metadata: Any) -> Json | None:
    """Message metadata: an event type and a flat payload. An empty object removes it."""
    if not metadata:
        return None
    good = isinstance(metadata, dict) and isinstance(metadata.get("event_payload"), dict)
    if not good or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > 16_384:
        raise SlackError("metadata_too_large")
    return dict(metadata)


def with_ids(blocks: list[Json]) -> list[Json]:
    """A copy of the blocks in which, as in Slack's answers, every block and element has an id."""
    return [_with_ids(block) for block in blocks]


def _with_ids(block: Json) -> Json:
    filled = {**block, "block_id": block.get("block_id") or _short_id()}
    if block["type"] == "actions":
        filled["elements"] = [_with_action_id(element) for element in block["elements"]]
    for key in ("accessory", "element"):
        if isinstance(block.get(key), dict) and block[key].get("type") != "image":
            filled[key] = _with_action_id(block[key])
    return filled


def _with_action_id(element: Json) -> Json:
    return {**element, "action_id": element.get("action_id") or _short_id()}


def _short_id() -> str:
    return f"id{next(_numbers):04x}"
