"""The gate: everything that comes in is written down before it is acknowledged, and answered in words whatever happens.

One durable insert, then the ack, then the work (design §6). What was written down and not finished, because the
process died in between, is taken up at the next start. Nothing raises after the ack: slack-bolt would take the ack
back (chatops.md §4.1).
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from slack_bolt import BoltContext, BoltResponse

from handlers.messages import replies as words
from handlers.replies import Replies
from services.errors import ServiceError
from services.ports import Clock, Inbox, InboxItem, Stale

log = structlog.get_logger()

COMMAND, ACTION = "command", "action"
Handler = Callable[[InboxItem], None]


def incoming(body: Mapping[str, Any], clock: Clock) -> InboxItem | None:
    """What a person did, with only the fields that are used; None for what is not kept (events that we ignore)."""
    if "command" in body:
        payload = {
            "person": body["user_id"],
            "channel": body["channel_id"],
            "channel_name": body.get("channel_name", ""),
            "text": body.get("text", ""),
            "response_url": body.get("response_url", ""),
        }
        return InboxItem(f"command:{body['trigger_id']}", COMMAND, payload, clock())
    if body.get("type") == "block_actions" and body.get("actions"):
        action = body["actions"][0]
        payload = {
            "person": body["user"]["id"],
            "channel": (body.get("channel") or {}).get("id", ""),
            "action_id": action["action_id"],
            "block_id": action.get("block_id", ""),
            "value": action.get("value") or (action.get("selected_option") or {}).get("value", ""),
            "response_url": body.get("response_url", ""),
        }
        return InboxItem(f"action:{body['trigger_id']}", ACTION, payload, clock())
    return None


class Guard:
    """Receives, dispatches and finishes. `handlers` by kind of item."""

    def __init__(
        self, inbox: Inbox, replies: Replies, clock: Clock, new_reference: Callable[[], str], after: Callable[[], None]
    ) -> None:
        self._inbox = inbox
        self._replies = replies
        self._clock = clock
        self._new_reference = new_reference
        self._after = after  #: called when an item was dealt with: its messages are waiting
        self._handlers: dict[str, Handler] = {}

    def register(self, kind: str, handler: Handler) -> None:
        """Say who deals with a kind of item."""
        self._handlers[kind] = handler

    def middleware(
        self, body: Mapping[str, Any], context: BoltContext, next_: Callable[[], None]
    ) -> BoltResponse | None:
        """Bolt's global middleware. A failing insert raises, so that the person is told at once and can repeat."""
        item = incoming(body, self._clock)
        if item is not None and not self._inbox.receive(item):
            return BoltResponse(status=200)  # delivered again: the first delivery is being dealt with
        context["item"] = item
        next_()
        return None

    def handle(self, item: InboxItem) -> None:
        """Deal with one item and finish it. Raises nothing."""
        structlog.contextvars.bind_contextvars(inbox=item.key, person=item.payload.get("person"))
        try:
            self._handlers[item.kind](item)
        except ServiceError as error:
            self._replies.reply(item.payload, words.refused(error.sentence, error.hint))
        except Stale:
            self._replies.reply(
                item.payload, words.refused("Others were acting on this at the same moment.", "Try again.")
            )
        except Exception:  # the boundary: told to the person with a reference that is in the log
            reference = self._new_reference()
            log.exception("handler failed", reference=reference)
            self._replies.reply(item.payload, words.unexpected(reference))
        finally:
            self._inbox.finish(item.key)
            structlog.contextvars.unbind_contextvars("inbox", "person")
            self._after()

    def take_up(self) -> int:
        """At start: deal with what an earlier process received and did not finish. Returns how many."""
        left = self._inbox.unfinished(self._clock())
        for item in left:
            log.info("taken up", inbox=item.key)
            self.handle(item)
        return len(left)
