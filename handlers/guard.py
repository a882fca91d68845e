"""The gate: everything that comes in is written down before it is acknowledged, and answered in words whatever happens.

One durable insert, then the ack, then the work (design §6), which has threads of its own: however long Slack or AWS
take over one person's answer, the next person's ack does not wait for it. What was written down and not finished,
because the process died in between, is taken up at the next start. Nothing raises after the ack: slack-bolt would take
the ack back (chatops.md §4.1).
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from slack_bolt import BoltContext, BoltResponse

from handlers import grammar
from handlers.messages import replies as words
from handlers.replies import Replies
from services.errors import ServiceError
from services.ports import Clock
from services.storage import Inbox, InboxItem, Stale

log = structlog.get_logger()

COMMAND, ACTION = "command", "action"
Handler = Callable[[InboxItem], None]


def incoming(body: Mapping[str, Any], clock: Clock) -> InboxItem | None:
    """What a person did, with only the fields that are used; None for what nobody here deals with."""
    if body.get("command") == grammar.COMMAND:
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
    """Receives, dispatches and finishes. `after` is called when an item was dealt with: its messages are waiting."""

    def __init__(
        self,
        inbox: Inbox,
        replies: Replies,
        clock: Clock,
        new_reference: Callable[[], str],
        after: Callable[[], None],
        *,
        workers: int = 8,
    ) -> None:
        self._inbox = inbox
        self._replies = replies
        self._clock = clock
        self._new_reference = new_reference
        self._after = after
        self._handlers: dict[str, Handler] = {}
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="guard")

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

    def accept(self, item: InboxItem) -> None:
        """Have an item dealt with soon. For listeners, after their ack."""
        try:
            self._pool.submit(self.handle, item)
        except RuntimeError:  # stopping; the next process takes it up
            log.info("left for the next start", inbox=item.key)

    def handle(self, item: InboxItem) -> None:
        """Deal with one item and finish it. Raises nothing."""
        structlog.contextvars.bind_contextvars(inbox=item.key, person=item.payload.get("person"))
        try:
            self._deal(item)
            self._inbox.finish(item.key)
            self._after()
        except Exception:  # the boundary of a thread; an item that is not finished is taken up at the next start
            log.exception("failed after the ack")
        finally:
            structlog.contextvars.unbind_contextvars("inbox", "person")

    def _deal(self, item: InboxItem) -> None:
        try:
            self._handlers[item.kind](item)
        except ServiceError as error:
            log.info("refused", why=error.sentence, code=error.code, reference=error.reference)
            self._replies.reply(item.payload, words.refused(error.sentence, error.hint, reference=error.reference))
        except Stale:
            self._replies.reply(
                item.payload, words.refused("Others were acting on this at the same moment.", "Try again.")
            )
        except Exception:  # the boundary: told to the person with a reference that is in the log
            reference = self._new_reference()
            log.exception("handler failed", reference=reference)
            self._replies.reply(item.payload, words.unexpected(reference))

    def take_up(self) -> int:
        """At start: have dealt with what an earlier process received and did not finish. Returns how many."""
        left = self._inbox.unfinished(self._clock())
        for item in left:
            log.info("taken up", inbox=item.key)
            self.accept(item)
        return len(left)

    def stop(self) -> None:
        """Finish what is under way; the rest stays in the inbox for the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)
