"""Ports of the database: requests and their record, the inbox and the outbox.

Adapters implement them in one database; every method is one transaction. Errors are those of services/errors.py, and
the two below.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.model import Endpoint, Event, Notice, Request


class Stale(Exception):
    """Somebody else wrote the row in between; read it again and decide anew."""


class HostnameTaken(Exception):
    """The host name has an open request already."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.id)
        self.request = request


class Store(Protocol):
    """Durable rows. Every method is one transaction; what it returns is committed."""

    def due_groups(self, now: datetime) -> Sequence[str]:
        """Groups that have due rows."""
        ...

    def due(self, group: str, now: datetime, limit: int = 200) -> Sequence[Request]:
        """Due requests of one group, oldest first."""
        ...

    def request(self, request_id: str) -> Request | None:
        """One request."""
        ...

    def open_request(self, hostname: str) -> Request | None:
        """The open request that holds the host name."""
        ...

    def requests(self, *, hostname: str = "", open_only: bool = False, limit: int = 50) -> Sequence[Request]:
        """Requests, newest first."""
        ...

    def endpoint(self, hostname: str) -> Endpoint | None:
        """The endpoint of a host name."""
        ...

    def endpoints(self, limit: int = 200) -> Sequence[Endpoint]:
        """All endpoints by host name."""
        ...

    def create(self, request: Request, endpoint: Endpoint, events: Sequence[Event], *, inbox_key: str = "") -> None:
        """Insert a request, and its endpoint if it is new; shows its card.

        With inbox_key the inbox row is finished in the same transaction. Raises HostnameTaken.
        """
        ...

    def commit(
        self,
        request: Request,
        events: Sequence[Event] = (),
        notices: Sequence[Notice] = (),
        *,
        endpoint: Endpoint | None = None,
        inbox_key: str = "",
        show: bool = True,
    ) -> Request:
        """Write one request (and endpoint) with its events and notices; with `show` its card is shown anew.

        Returns the request with its new version. Raises Stale if `version` is not the stored one.
        """
        ...

    def wake(self, request_ids: Iterable[str], now: datetime) -> None:
        """Make open requests due now, without touching their version (a hint, not a fact)."""
        ...

    def restart(self, now: datetime) -> int:
        """At process start: make every open request due, however long it meant to wait. Returns how many."""
        ...

    def events(self, request_id: str) -> Sequence[Event]:
        """The record of one request, oldest first."""
        ...


# ---- what came in from people and what goes out to them (used by handlers/)


@dataclass(frozen=True)
class InboxItem:
    """Something a person did, kept until it was dealt with. `key` is the sender's own id of it (a trigger id, say)."""

    key: str
    kind: str  #: "command" or "action"
    payload: Mapping[str, Any]
    received_at: datetime


class Inbox(Protocol):
    """Everything that came in, once."""

    def receive(self, item: InboxItem) -> bool:
        """Insert it; False if the key was received before."""
        ...

    def unfinished(self, before: datetime) -> Sequence[InboxItem]:
        """Items received before a moment and not finished (the process died in between), oldest first."""
        ...

    def finish(self, key: str) -> None:
        """It was dealt with."""
        ...

    def forget(self, before: datetime) -> int:
        """Drop the items finished before a moment; how many. Keep them longer than the sender repeats itself."""
        ...


@dataclass(frozen=True)
class Card:
    """The one root message of a request. Shown anew whenever `wanted` > `shown`; edits coalesce, the newest wins."""

    request_id: str
    channel: str
    ts: str  #: Slack's id of the message; empty: not posted yet
    wanted: int
    shown: int
    attempts: int
    posting: bool  #: a first post was begun; after a crash: look for it before posting again


@dataclass(frozen=True)
class Post:
    """One message to a thread or, privately, to the requester. Delivered in order per request, after the card."""

    id: int
    request_id: str
    channel: str
    audience: str  #: services.model.Audience
    kind: str
    data: Mapping[str, Any]
    created_at: datetime
    attempts: int
    posting: bool
    ts: str = ""  #: Slack's id of it, once it was delivered to a thread


class Outbox(Protocol):
    """What people shall see, until they saw it."""

    def due_cards(self, now: datetime, limit: int = 50) -> Sequence[Card]:
        """Cards that are not shown as wanted, not postponed and not given up."""
        ...

    def due_posts(self, now: datetime, limit: int = 50) -> Sequence[Post]:
        """Per request the oldest unsent post, where it is not postponed or given up.

        A thread post is due only once its card has a ts; a private one at once.
        """
        ...

    def card(self, request_id: str) -> Card | None:
        """The card of a request."""
        ...

    def begin_card(self, request_id: str) -> None:
        """Commit that a first post is about to be tried."""
        ...

    def card_shown(self, request_id: str, *, ts: str, version: int) -> None:
        """The card stands at ts and shows what was wanted at `version` (Card.wanted as it was read)."""
        ...

    def card_lost(self, request_id: str) -> None:
        """The message is gone or cannot be edited any more: post it anew."""
        ...

    def begin_post(self, post_id: int) -> None:
        """Commit that sending is about to be tried."""
        ...

    def post_sent(self, post_id: int, *, ts: str, pressable: bool = False) -> None:
        """It was delivered; `pressable`: with something to press in it."""
        ...

    def pressable_posts(self, request_id: str) -> Sequence[Post]:
        """Posts of a request that have something to press, oldest first."""
        ...

    def post_settled(self, post_id: int) -> None:
        """There is nothing to press in it any more."""
        ...

    def postpone_card(self, request_id: str, until: datetime) -> None:
        """Try again later; counts as an attempt."""
        ...

    def postpone_post(self, post_id: int, until: datetime) -> None:
        """Try again later; counts as an attempt."""
        ...

    def give_up_card(self, request_id: str, reason: str) -> None:
        """It can never be delivered; posts to its thread are given up with it."""
        ...

    def give_up_post(self, post_id: int, reason: str) -> None:
        """It can never be delivered."""
        ...
