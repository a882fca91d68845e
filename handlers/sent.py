"""What was sent already: after a crash between posting and noting it, our own messages are found by their metadata."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from slack_sdk import WebClient

from handlers.slack_errors import calling

EVENT_TYPE = "nlbtls_message"
#: Slack's clock and ours may differ by this.
_SKEW = timedelta(minutes=10)
_PAGE = 200
_MOST_PAGES = 20

Messages = list[Mapping[str, Any]]


def marked(mark: str) -> dict[str, Any]:
    """Metadata by which a message is found again. Anybody in the channel can read it: ids only."""
    return {"event_type": EVENT_TYPE, "event_payload": {"mark": mark}}


def find_card(client: WebClient, channel: str, mark: str, since: datetime) -> str:
    """The ts of the newest message with the mark in a channel; empty if there is none. Raises Transient, Permanent."""

    def page(cursor: str | None) -> Any:
        oldest = f"{(since - _SKEW).timestamp():.6f}"
        with calling("conversations.history"):
            return client.conversations_history(
                channel=channel, oldest=oldest, limit=_PAGE, cursor=cursor, include_all_metadata=True
            )

    return _find(page, mark)


def find_post(client: WebClient, channel: str, thread: str, mark: str) -> str:
    """The same in the thread under a message."""

    def page(cursor: str | None) -> Any:
        with calling("conversations.replies"):
            return client.conversations_replies(
                channel=channel, ts=thread, limit=_PAGE, cursor=cursor, include_all_metadata=True
            )

    return _find(page, mark)


def _find(page: Callable[[str | None], Any], mark: str) -> str:
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        listed = page(cursor)
        for message in listed["messages"] or []:
            metadata: Mapping[str, Any] = message.get("metadata") or {}
            if metadata.get("event_type") == EVENT_TYPE and metadata.get("event_payload", {}).get("mark") == mark:
                return str(message["ts"])
        cursor = (listed.get("response_metadata") or {}).get("next_cursor") or None
        if cursor is None:
            break
    return ""
