"""Delivery: what the outbox holds is brought to Slack, in order, until Slack has it.

Called by the scheduler, one run at a time. A first post is preceded by a committed mark; after a crash the message is
looked for by its metadata before it is posted again. Cards are drawn from the request as it is now, so edits coalesce.
Nothing that Slack refuses for the moment is given up, and nothing holds up what does not depend on it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from slack_sdk import WebClient

from handlers.directory import SlackDirectory
from handlers.messages.blocks import Message
from handlers.messages.card import card as draw_card
from handlers.messages.notices import render
from handlers.replies import Replies
from handlers.sent import find_card, find_post, marked
from handlers.slack_errors import MALFORMED, THREAD_GONE, UNEDITABLE, UNREACHABLE, calling
from services.errors import Permanent, ServiceError, Transient
from services.model import Audience, Request, State
from services.ports import Clock
from services.storage import Card, Outbox, Post, Store

log = structlog.get_logger()

#: A refusal within this time never shows a public card; a plan takes its place at once.
CARD_GRACE = timedelta(seconds=1.5)
RESPONSE_URL_LIFE = timedelta(minutes=29)
#: Pauses double up to five minutes, so this is a day; then a message that Slack never took is given up.
MOST_ATTEMPTS = 300
_LONGEST_PAUSE = 300.0
_ROUNDS = 20  #: a delivered card makes its posts due, a post the next one


class Delivery:
    """Brings cards and posts to Slack. `undeliverable(request_id, code)` is told when a card cannot be shown."""

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
        self._stopping = threading.Event()
        self._rests: dict[str, datetime] = {}  #: way -> until when nothing is sent on it
        self._anew: dict[str, State] = {}  #: request -> its state when its uneditable card was posted anew
        self._rethreaded: set[int] = set()  #: posts for which a card was posted anew

    def deliver(self) -> None:
        """Bring out everything that is due; nothing if another run is under way. Raises what the database raises."""
        if not self._one_at_a_time.acquire(blocking=False):
            return
        try:
            for _ in range(_ROUNDS):
                if not self._round():
                    return
        finally:
            self._one_at_a_time.release()

    def stop(self) -> None:
        """Let a run under way end after the message that it is sending."""
        self._stopping.set()

    def _round(self) -> bool:
        moved = False
        for card in self._outbox.due_cards(self._clock()):
            moved = self._show_safely(card) or moved
        for post in self._outbox.due_posts(self._clock()):
            moved = self._send_safely(post) or moved
        return moved and not self._stopping.is_set()

    # ---- cards

    def _show_safely(self, card: Card) -> bool:
        try:
            return self._show(card)
        except ServiceError:  # the database's
            raise
        except Exception:  # the boundary of one message: the others are brought out all the same
            log.exception("card broken", request=card.request_id)
            self._outbox.postpone_card(card.request_id, self._later(card.attempts))
            return False

    def _show(self, card: Card) -> bool:
        request = self._store.request(card.request_id)
        way = "edits" if card.ts else f"posts in {card.channel}"
        now = self._clock()
        if request is None or self._rests_now(way) or (not card.ts and self._too_early(request, now)):
            return False
        try:
            if not card.ts and card.posting:  # what was found may show less than is wanted now
                card = replace(card, ts=find_card(self._client, card.channel, card.request_id, request.created_at))
            message = draw_card(request, now=now, group_names=self.group_names())
            ts = self._edit(card, message) if card.ts else self._post_card(card, message)
            self._settle_posts(request)
        except Transient as error:
            self._rest(way, error)
            self._outbox.postpone_card(card.request_id, self._later(card.attempts, error.after))
            return False
        except Permanent as error:
            return self._card_refused(card, request, error)
        self._outbox.card_shown(card.request_id, ts=ts, version=card.wanted)
        return True

    @staticmethod
    def _too_early(request: Request, now: datetime) -> bool:
        return request.state is State.PLANNING and now - request.created_at < CARD_GRACE

    def _settle_posts(self, request: Request) -> None:
        """Take buttons off the thread's messages once they would not count any more. Raises Transient."""
        for post in self._outbox.pressable_posts(request.id):
            message = render(post, request, now=self._clock(), group_names=self.group_names())
            if _pressable(message):
                continue
            try:
                with calling("chat.update"):
                    mark = f"{post.request_id}/{post.id}"
                    self._client.chat_update(channel=post.channel, ts=post.ts, **_content(message, mark))
            except Permanent as error:  # gone, or not to be edited: a late click is answered in words all the same
                log.info("post not settled", request=request.id, kind=post.kind, code=error.code)
            self._outbox.post_settled(post.id)

    def _edit(self, card: Card, message: Message) -> str:
        with calling("chat.update"):
            self._client.chat_update(channel=card.channel, ts=card.ts, **_content(message, card.request_id))
        return card.ts

    def _post_card(self, card: Card, message: Message) -> str:
        self._outbox.begin_card(card.request_id)
        with calling("chat.postMessage"):
            posted = self._client.chat_postMessage(channel=card.channel, **_content(message, card.request_id), **_QUIET)
        return str(posted["ts"])

    def _card_refused(self, card: Card, request: Request, error: Permanent) -> bool:
        if card.ts and error.code in UNEDITABLE:
            return self._replace_card(card, request, error.code)
        log.warning("card refused", request=card.request_id, channel=card.channel, code=error.code)
        if error.code in UNREACHABLE:
            request = self._shut_out(request, error.code, card.attempts)
        never_seen = not card.ts and not request.state.is_open
        if (error.code in UNREACHABLE and never_seen) or card.attempts >= MOST_ATTEMPTS:
            self._outbox.give_up_card(card.request_id, error.code)
            return True
        self._outbox.postpone_card(card.request_id, self._later(card.attempts + 4))
        return False

    def _replace_card(self, card: Card, request: Request, code: str) -> bool:
        """Post it anew. Where a workspace forbids edits, that is once for each state, not for each step of progress."""
        if code not in THREAD_GONE:
            if self._anew.get(request.id) is request.state:
                self._outbox.card_shown(card.request_id, ts=card.ts, version=card.wanted)
                return True
            self._anew[request.id] = request.state
        log.info("card posted anew", request=request.id, code=code)
        self._outbox.card_lost(card.request_id)
        return True

    def _shut_out(self, request: Request, code: str, attempts: int) -> Request:
        """A person has to let us into the channel: the request ends, or, if it runs already, goes on and says so."""
        self._undeliverable(request.id, code)
        now = self._store.request(request.id) or request
        if now.state in (State.APPROVED, State.RUNNING) and attempts == 0:
            told = Post(
                0, now.id, now.channel, Audience.REQUESTER, "undeliverable", {"code": code}, self._clock(), 0, False
            )
            self._replies.reply(
                {"response_url": self._reply_to(now), "channel": now.channel, "person": now.requester},
                render(told, now, now=self._clock(), group_names={}),
            )
        return now

    # ---- posts

    def _send_safely(self, post: Post) -> bool:
        try:
            return self._send(post)
        except ServiceError:  # the database's
            raise
        except Exception:  # the boundary of one message: the others are brought out all the same
            log.exception("post broken", request=post.request_id, kind=post.kind)
            self._outbox.postpone_post(post.id, self._later(post.attempts))
            return False

    def _send(self, post: Post) -> bool:
        request = self._store.request(post.request_id)
        if request is None:
            self._outbox.give_up_post(post.id, "its request is gone")
            return True
        private = post.audience == Audience.REQUESTER
        way = "private" if private else f"posts in {post.channel}"
        if self._rests_now(way):
            return False
        message = render(post, request, now=self._clock(), group_names=self.group_names())
        try:
            ts = self._send_private(request, message) if private else self._send_to_thread(post, message)
        except Transient as error:
            self._rest(way, error)
            self._outbox.postpone_post(post.id, self._later(post.attempts, error.after))
            return False
        except Permanent as error:
            return self._post_refused(post, request, error)
        self._outbox.post_sent(post.id, ts=ts, pressable=bool(ts) and (post.posting or _pressable(message)))
        return True

    def _send_to_thread(self, post: Post, message: Message) -> str:
        card = self._outbox.card(post.request_id)
        thread = card.ts if card else ""
        mark = f"{post.request_id}/{post.id}"
        if post.posting:
            found = find_post(self._client, post.channel, thread, mark)
            if found:
                return found
        self._outbox.begin_post(post.id)
        with calling("chat.postMessage"):
            posted = self._client.chat_postMessage(
                channel=post.channel, thread_ts=thread, **_content(message, mark), **_QUIET
            )
        return str(posted["ts"])

    def _send_private(self, request: Request, message: Message) -> str:
        self._replies.send(self._reply_to(request), request.channel, request.requester, message)
        return ""

    def _post_refused(self, post: Post, request: Request, error: Permanent) -> bool:
        in_thread = post.audience == Audience.THREAD
        if in_thread and error.code in THREAD_GONE and post.id not in self._rethreaded:
            self._rethreaded.add(post.id)  # once: a new card each time would be worse than a lost post
            self._outbox.card_lost(post.request_id)
            self._outbox.postpone_post(post.id, self._clock())
            return True
        log.warning("post refused", request=post.request_id, kind=post.kind, code=error.code)
        if error.code in MALFORMED or post.attempts >= MOST_ATTEMPTS:
            self._outbox.give_up_post(post.id, error.code)
            return True
        if in_thread and error.code in UNREACHABLE:
            self._shut_out(request, error.code, post.attempts)
        self._outbox.postpone_post(post.id, self._later(post.attempts + 4))
        return False

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

    def group_names(self) -> Mapping[str, str]:
        """Slack's id by handle, for mentions; empty if Slack does not say."""
        try:
            return self._directory.group_ids()
        except ServiceError:  # only for the look of a mention: the handle as text does as well
            return {}

    def _reply_to(self, request: Request) -> str:
        fresh = self._clock() - request.created_at < RESPONSE_URL_LIFE
        return request.reply_to if fresh else ""

    def _later(self, attempts: int, after: float | None = None) -> datetime:
        pause = after if after is not None else min(2.0 ** min(attempts, 10), _LONGEST_PAUSE)
        return self._clock() + timedelta(seconds=pause)

    def _rest(self, way: str, error: Transient) -> None:
        """Whoever is told to wait stops asking on that way; if Slack fails altogether, on every way, for a second."""
        everything = error.after is None
        self._rests["" if everything else way] = self._clock() + timedelta(seconds=error.after or 1)

    def _rests_now(self, way: str) -> bool:
        now = self._clock()
        return self._stopping.is_set() or any(w in self._rests and now < self._rests[w] for w in ("", way))


def _pressable(message: Message) -> bool:
    return any(block["type"] == "actions" for block in message["blocks"])


def _content(message: Message, mark: str) -> dict[str, Any]:
    return {"text": message["text"], "blocks": cast(Any, message["blocks"]), "metadata": marked(mark)}


#: A host name in our own text must never grow a preview.
_QUIET: Mapping[str, Any] = {"unfurl_links": False, "unfurl_media": False}
