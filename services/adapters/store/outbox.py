"""What people shall see: one card per request, edited in place, and posts, each sent once and in order."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, insert, or_, select, update

from services.adapters.store.codec import decode, encode_data, seconds
from services.adapters.store.database import Database
from services.adapters.store.tables import cards, posts
from services.model import Audience, Notice, Request, State
from services.ports import Clock
from services.storage import Card, Post

NEVER_SHOWN = "refused before it was shown"


class SqlOutbox:
    """`services.storage.Outbox` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def due_cards(self, now: datetime, limit: int = 50) -> Sequence[Card]:
        """Cards not shown as wanted, not postponed, not given up: those never posted first, then the longest stale."""
        query = (
            select(cards)
            .where(
                cards.c.wanted > cards.c.shown,
                cards.c.given_up.is_(None),
                or_(cards.c.due_at.is_(None), cards.c.due_at <= seconds(now)),
            )
            .order_by(cards.c.ts != "", cards.c.stale_since, cards.c.request_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [decode(Card, row._asdict()) for row in connection.execute(query)]

    def due_posts(self, now: datetime, limit: int = 50) -> Sequence[Post]:
        """At most one post per request, the oldest that is unsent; none if that one is postponed.

        A thread post whose card has no ts yet does not count, so that it cannot hold back a private one.
        """
        heads = (
            select(func.min(posts.c.id))
            .join(cards, cards.c.request_id == posts.c.request_id)
            .where(
                posts.c.sent_at.is_(None),
                posts.c.given_up.is_(None),
                or_(posts.c.audience != Audience.THREAD.value, cards.c.ts != ""),
            )
            .group_by(posts.c.request_id)
        )
        query = (
            select(posts)
            .where(posts.c.id.in_(heads), or_(posts.c.due_at.is_(None), posts.c.due_at <= seconds(now)))
            .order_by(posts.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [decode(Post, row._asdict()) for row in connection.execute(query)]

    def card(self, request_id: str) -> Card | None:
        """The card of a request."""
        with self._database.read() as connection:
            row = connection.execute(select(cards).where(cards.c.request_id == request_id)).first()
        return None if row is None else decode(Card, row._asdict())

    def begin_card(self, request_id: str) -> None:
        """Commit that a first post is about to be tried."""
        self._set_card(request_id, posting=True)

    def card_shown(self, request_id: str, *, ts: str, version: int) -> None:
        """The card stands at ts and shows what was wanted at `version`; it is due again if more is wanted by now."""
        self._set_card(
            request_id,
            ts=ts,
            shown=version,
            stale_since=seconds(self._clock()),
            attempts=0,
            due_at=None,
            posting=False,
            given_up=None,  # it stands: a refusal that came while it was being posted must still be shown on it
        )

    def card_lost(self, request_id: str) -> None:
        """The message is gone or cannot be edited any more: post it anew, at once."""
        now = seconds(self._clock())
        self._set_card(request_id, ts="", shown=0, stale_since=now, attempts=0, due_at=None, posting=False)

    def begin_post(self, post_id: int) -> None:
        """Commit that sending is about to be tried."""
        self._set_post(post_id, posting=True)

    def post_sent(self, post_id: int, *, ts: str, pressable: bool = False) -> None:
        """It was delivered; `pressable` with something to press in it."""
        self._set_post(post_id, ts=ts, sent_at=seconds(self._clock()), posting=False, pressable=pressable)

    def pressable_posts(self, request_id: str) -> Sequence[Post]:
        """Posts of a request that have something to press, oldest first."""
        query = select(posts).where(posts.c.request_id == request_id, posts.c.pressable).order_by(posts.c.id)
        with self._database.read() as connection:
            return [decode(Post, row._asdict()) for row in connection.execute(query)]

    def post_settled(self, post_id: int) -> None:
        """There is nothing to press in it any more."""
        self._set_post(post_id, pressable=False)

    def postpone_card(self, request_id: str, until: datetime) -> None:
        """Try again later. `posting` stays: whether the message arrived is not known here."""
        self._set_card(request_id, due_at=seconds(until), attempts=cards.c.attempts + 1)

    def postpone_post(self, post_id: int, until: datetime) -> None:
        """Try again later; the posts behind it wait too. `posting` stays, as for a card."""
        self._set_post(post_id, due_at=seconds(until), attempts=posts.c.attempts + 1)

    def give_up_card(self, request_id: str, reason: str) -> None:
        """It can never be delivered; posts to its thread are given up with it, later ones too."""
        with self._database.write() as connection:
            _give_up_card(connection, request_id, reason)

    def give_up_post(self, post_id: int, reason: str) -> None:
        """It can never be delivered."""
        self._set_post(post_id, given_up=reason, posting=False)

    def _set_card(self, request_id: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(cards).where(cards.c.request_id == request_id).values(**values))

    def _set_post(self, post_id: int, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(posts).where(posts.c.id == post_id).values(**values))


# ---- inside the transaction that changes a request


def add_card(connection: Connection, request: Request, now: datetime) -> None:
    """The card of a new request."""
    connection.execute(
        insert(cards).values(
            request_id=request.id,
            channel=request.channel,
            ts="",
            wanted=1,
            shown=0,
            stale_since=seconds(now),
            attempts=0,
            posting=False,
            given_up=NEVER_SHOWN if request.state is State.REFUSED else None,
        )
    )


def want_card(connection: Connection, request: Request, now: datetime, *, show: bool) -> None:
    """Want the card shown anew, if `show`; or never, if the request is refused before anybody could see it."""
    if request.state is State.REFUSED and _never_seen(connection, request.id):
        _give_up_card(connection, request.id, NEVER_SHOWN)
        return
    if not show:
        return
    since = case((cards.c.wanted > cards.c.shown, cards.c.stale_since), else_=seconds(now))
    connection.execute(
        update(cards).where(cards.c.request_id == request.id).values(wanted=cards.c.wanted + 1, stale_since=since)
    )


def add_posts(connection: Connection, request: Request, notices: Iterable[Notice], now: datetime) -> None:
    """One post per notice. Those for the thread of a card that was given up are kept for the record only."""
    reason = connection.execute(select(cards.c.given_up).where(cards.c.request_id == request.id)).scalar()
    rows = [
        {
            "request_id": request.id,
            "channel": request.channel,
            "audience": notice.audience.value,
            "kind": notice.kind,
            "data": encode_data(notice.data),
            "created_at": seconds(now),
            "attempts": 0,
            "posting": False,
            "ts": "",
            "pressable": False,
            "given_up": reason if notice.audience is Audience.THREAD else None,
        }
        for notice in notices
    ]
    if rows:
        connection.execute(insert(posts), rows)


def _never_seen(connection: Connection, request_id: str) -> bool:
    query = select(cards.c.request_id).where(
        cards.c.request_id == request_id, cards.c.ts == "", cards.c.posting.is_(False)
    )
    return connection.execute(query).first() is not None


def _give_up_card(connection: Connection, request_id: str, reason: str) -> None:
    connection.execute(update(cards).where(cards.c.request_id == request_id).values(given_up=reason, posting=False))
    connection.execute(
        update(posts)
        .where(
            posts.c.request_id == request_id,
            posts.c.audience == Audience.THREAD.value,
            posts.c.sent_at.is_(None),
            posts.c.given_up.is_(None),
        )
        .values(given_up=reason, posting=False)
    )
