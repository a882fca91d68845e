"""Delivery: what the outbox holds is brought to Slack, in order, until Slack has it.

Called by the scheduler, one run at a time. A first post is preceded by a committed mark; after a crash the message is
looked for by its metadata before it is posted again. Cards are drawn from the request as it is now, so edits coalesce.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from slack_sdk import WebClient

from handlers.directory import SlackDirectory
from handlers.messages.blocks import Message
from handlers.messages.card import card as draw_card
from handlers.messages.notices import render
from handlers.replies import Replies
from handlers.slack_errors import UNEDITABLE, UNREACHABLE, calling
from services.errors import Permanent, ServiceError, Transient
from services.model import Audience, Request, State
from services.ports import Card, Clock, Outbox, Post, Store

log = structlog.get_logger()

EVENT_TYPE = "nlbtls_message"
#: A refusal within this time never shows a public card; a plan takes its place at once.
CARD_GRACE = timedelta(seconds=1.5)
RESPONSE_URL_LIFE = timedelta(minutes=29)


class Delivery:
    """Brings cards and posts to Slack. `undeliverable(request_id, code)` is told when a card can never be shown."""

    def __init__(
        self,
        outbox: Outbox,
        store: Store,
        client: WebClient,
        directory: SlackDirectory,
        replies: Replies,
        clock: Clock,
        undeliverable: Callable[[str, str], None],
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._client = client
        self._directory = directory
        self._replies = replies
        self._clock = clock
        self._undeliverable = undeliverable
        self._one_at_a_time = threading.Lock()

    def deliver(self) -> None:
        """Bring out everything that is due. Returns at once if another run is under way. Raises no ServiceError."""
        if not self._one_at_a_time.acquire(blocking=False):
            return
        try:
            for _ in range(20):  # a delivered card makes its posts due
                if not self._round():
                    return
        finally:
            self._one_at_a_time.release()

    def _round(self) -> bool:
        moved = False
        for card in self._outbox.due_cards(self._clock()):
            moved = self._show(card) or moved
        for post in self._outbox.due_posts(self._clock()):
            moved = self._send(post) or moved
        return moved

    # ---- cards

    def _show(self, card: Card) -> bool:
        request = self._store.request(card.request_id)
        now = self._clock()
        if request is None or (not card.ts and self._too_early(request, now)):
            return False
        message = draw_card(request, now=now, group_names=self.group_names())
        try:
            ts = self._edit(card, message) if card.ts else self._post_card(card, message)
        except Transient as error:
            self._outbox.postpone_card(card.request_id, self._later(card.attempts, error.after))
            return False
        except Permanent as error:
            return self._card_refused(card, error)
        self._outbox.card_shown(card.request_id, ts=ts, version=card.wanted)
        return True

    @staticmethod
    def _too_early(request: Request, now: datetime) -> bool:
        return request.state is State.PLANNING and now - request.created_at < CARD_GRACE

    def _edit(self, card: Card, message: Message) -> str:
        with calling("chat.update"):
            self._client.chat_update(channel=card.channel, ts=card.ts, **_content(message, card.request_id))
        return card.ts

    def _post_card(self, card: Card, message: Message) -> str:
        if card.posting:
            found = self._find(card.channel, "", card.request_id)
            if found:
                return found
        self._outbox.begin_card(card.request_id)
        with calling("chat.postMessage"):
            posted = self._client.chat_postMessage(channel=card.channel, **_content(message, card.request_id), **_QUIET)
        return str(posted["ts"])

    def _card_refused(self, card: Card, error: Permanent) -> bool:
        if card.ts and error.code in UNEDITABLE:
            self._outbox.card_lost(card.request_id)
            return True
        log.warning("card refused", request=card.request_id, channel=card.channel, code=error.code)
        if error.code in UNREACHABLE:
            self._outbox.give_up_card(card.request_id, error.code)
            self._undeliverable(card.request_id, error.code)
            return True
        self._outbox.postpone_card(card.request_id, self._later(card.attempts + 4, None))
        return False

    # ---- posts

    def _send(self, post: Post) -> bool:
        request = self._store.request(post.request_id)
        if request is None:
            self._outbox.give_up_post(post.id, "its request is gone")
            return True
        message = render(post, request, now=self._clock(), group_names=self.group_names())
        try:
            private = post.audience == Audience.REQUESTER
            ts = self._send_private(post, request, message) if private else self._send_to_thread(post, message)
        except Transient as error:
            self._outbox.postpone_post(post.id, self._later(post.attempts, error.after))
            return False
        except Permanent as error:
            log.warning("post refused", request=post.request_id, kind=post.kind, code=error.code)
            self._outbox.give_up_post(post.id, error.code)
            return True
        self._outbox.post_sent(post.id, ts=ts)
        return True

    def _send_to_thread(self, post: Post, message: Message) -> str:
        card = self._outbox.card(post.request_id)
        thread = card.ts if card else ""
        mark = f"{post.request_id}/{post.id}"
        if post.posting:
            found = self._find(post.channel, thread, mark)
            if found:
                return found
        self._outbox.begin_post(post.id)
        with calling("chat.postMessage"):
            posted = self._client.chat_postMessage(
                channel=post.channel, thread_ts=thread, **_content(message, mark), **_QUIET
            )
        return str(posted["ts"])

    def _send_private(self, post: Post, request: Request, message: Message) -> str:
        fresh = self._clock() - request.created_at < RESPONSE_URL_LIFE
        self._replies.send(request.reply_to if fresh else "", request.channel, request.requester, message)
        return ""

    # ---- small things

    def permalink(self, request_id: str) -> str:
        """Address of a request's card; empty if it has none or Slack does not say."""
        card = self._outbox.card(request_id)
        if card is None or not card.ts:
            return ""
        try:
            with calling("chat.getPermalink"):
                return str(self._client.chat_getPermalink(channel=card.channel, message_ts=card.ts)["permalink"])
        except ServiceError:  # a link is a nicety; the answer is given without it
            return ""

    def _find(self, channel: str, thread: str, mark: str) -> str:
        """The ts of a message of ours that was posted just before a crash; empty if it was not."""
        with calling("conversations.history"):
            if thread:
                listed = self._client.conversations_replies(channel=channel, ts=thread, include_all_metadata=True)
            else:
                listed = self._client.conversations_history(channel=channel, limit=100, include_all_metadata=True)
        for message in listed["messages"] or []:
            metadata: Mapping[str, Any] = message.get("metadata") or {}
            if metadata.get("event_type") == EVENT_TYPE and metadata.get("event_payload", {}).get("mark") == mark:
                return str(message["ts"])
        return ""

    def group_names(self) -> Mapping[str, str]:
        """Slack's id by handle, for mentions; empty if Slack does not say."""
        try:
            return self._directory.group_ids()
        except ServiceError:  # only for the look of a mention: the handle as text does as well
            return {}

    def _later(self, attempts: int, after: float | None) -> datetime:
        return self._clock() + timedelta(seconds=after or min(2.0**attempts, 300.0))


def _content(message: Message, mark: str) -> dict[str, Any]:
    return {
        "text": message["text"],
        "blocks": cast(Any, message["blocks"]),
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"mark": mark}},
    }


#: A host name in our own text must never grow a preview.
_QUIET: Mapping[str, Any] = {"unfurl_links": False, "unfurl_media": False}
