"""Requests, their endpoints and their record: what the engine works from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.store.codec import decode, encode, encode_data, seconds
from services.adapters.store.database import Database
from services.adapters.store.inbox import SqlInbox, finish
from services.adapters.store.outbox import SqlOutbox, add_card, add_posts, want_card
from services.adapters.store.tables import endpoints, events, requests
from services.model import Endpoint, Event, Notice, Request, State
from services.ports import Clock
from services.storage import HostnameTaken, Stale

#: Fields of the model that have a column; the others are in the document.
_REQUEST_COLUMNS = (
    *("id", "endpoint_id", "hostname", "state", "group", "due_at", "step", "requester", "channel"),
    *("created_at", "ended_at", "version"),
)
_ENDPOINT_COLUMNS = ("id", "hostname", "version")
#: States in which the bot itself has the next move; in the other open ones a person has, and due_at is the expiry.
_OURS = (State.PLANNING, State.APPROVED, State.RUNNING)
_IDS_AT_ONCE = 500  # databases limit the parameters of one statement


class SqlStore:
    """`services.storage.Store` on a database; `inbox` and `outbox` are the two other roles on the same one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.inbox = SqlInbox(database, clock)
        self.outbox = SqlOutbox(database, clock)

    def close(self) -> None:
        """Close the connections and let another process have the file. May be called twice."""
        self._database.close()

    # ---- reading

    def due_groups(self, now: datetime) -> Sequence[str]:
        """Groups that have due rows, the longest overdue first."""
        query = (
            select(requests.c.group)
            .where(requests.c.due_at <= seconds(now))
            .group_by(requests.c.group)
            .order_by(func.min(requests.c.due_at))
        )
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()

    def due(self, group: str, now: datetime, limit: int = 200) -> Sequence[Request]:
        """Due requests of one group, oldest first."""
        query = (
            select(requests)
            .where(requests.c.group == group, requests.c.due_at <= seconds(now))
            .order_by(requests.c.due_at, requests.c.id)
        )
        return self._requests(query.limit(limit))

    def request(self, request_id: str) -> Request | None:
        """One request."""
        return next(iter(self._requests(select(requests).where(requests.c.id == request_id))), None)

    def open_request(self, hostname: str) -> Request | None:
        """The open request that holds the host name."""
        query = select(requests).where(requests.c.hostname == hostname, requests.c.is_open)
        return next(iter(self._requests(query)), None)

    def requests(self, *, hostname: str = "", open_only: bool = False, limit: int = 50) -> Sequence[Request]:
        """Requests, newest first."""
        query = select(requests).order_by(requests.c.created_at.desc(), requests.c.id.desc()).limit(limit)
        if hostname:
            query = query.where(requests.c.hostname == hostname)
        if open_only:
            query = query.where(requests.c.is_open)
        return self._requests(query)

    def endpoint(self, hostname: str) -> Endpoint | None:
        """The endpoint of a host name."""
        with self._database.read() as connection:
            row = connection.execute(select(endpoints).where(endpoints.c.hostname == hostname)).mappings().first()
        return None if row is None else _endpoint(row)

    def endpoints(self, limit: int = 200) -> Sequence[Endpoint]:
        """All endpoints by host name."""
        with self._database.read() as connection:
            rows = connection.execute(select(endpoints).order_by(endpoints.c.hostname).limit(limit)).mappings()
            return [_endpoint(row) for row in rows]

    def events(self, request_id: str) -> Sequence[Event]:
        """The record of one request, oldest first."""
        query = select(events).where(events.c.request_id == request_id).order_by(events.c.seq)
        with self._database.read() as connection:
            return [decode(Event, row._asdict()) for row in connection.execute(query)]

    def _requests(self, query: Select[Any]) -> Sequence[Request]:
        with self._database.read() as connection:
            return [_request(row) for row in connection.execute(query).mappings()]

    # ---- writing

    def create(self, request: Request, endpoint: Endpoint, events: Sequence[Event], *, inbox_key: str = "") -> None:
        """Insert a request, and its endpoint if it is new; shows its card.

        Raises HostnameTaken; Stale if the endpoint was written by somebody else in between.
        """
        now = self._clock()
        request = _settled(request)
        try:
            with self._database.write() as connection:
                _save_endpoint(connection, endpoint)
                connection.execute(insert(requests).values(_request_row(request)))
                _append(connection, request.id, events)
                add_card(connection, request, now)
                if inbox_key:
                    finish(connection, inbox_key, now)
        except (IntegrityError, Stale) as error:
            raise self._conflict(request) from error

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

        Returns the request with its new version. Raises Stale if the version of either is not the stored one.
        """
        now = self._clock()
        written = _settled(replace(request, version=request.version + 1))
        fence = (requests.c.id == request.id) & (requests.c.version == request.version)
        try:
            with self._database.write() as connection:
                # First the fence: its row lock makes everything below the work of one writer, on any database.
                if not connection.execute(update(requests).where(fence).values(_request_row(written))).rowcount:
                    raise Stale(request.id)
                if endpoint is not None:
                    _save_endpoint(connection, endpoint)
                _append(connection, request.id, events)
                want_card(connection, written, now, show=show)
                add_posts(connection, written, notices, now)
                if inbox_key:
                    finish(connection, inbox_key, now)
        except IntegrityError as error:
            raise self._conflict(written) from error
        return written

    def wake(self, request_ids: Iterable[str], now: datetime) -> None:
        """Make open requests due now, without touching their version (a hint, not a fact)."""
        ids = list(request_ids)
        for some in (ids[i : i + _IDS_AT_ONCE] for i in range(0, len(ids), _IDS_AT_ONCE)):
            with self._database.write() as connection:
                connection.execute(
                    update(requests).where(requests.c.id.in_(some), requests.c.is_open).values(due_at=seconds(now))
                )

    def restart(self, now: datetime) -> int:
        """At process start: make every open request due in which the bot has the next move; how many.

        A request that a person has to answer keeps its due_at: that is its expiry.
        """
        query = update(requests).where(requests.c.is_open, requests.c.state.in_([state.value for state in _OURS]))
        with self._database.write() as connection:
            return connection.execute(query.values(due_at=seconds(now))).rowcount

    def _conflict(self, request: Request) -> HostnameTaken | Stale:
        holder = self.open_request(request.hostname)
        return HostnameTaken(holder) if holder is not None and holder.id != request.id else Stale(request.id)


def _settled(request: Request) -> Request:
    """A request that has ended is not due."""
    return replace(request, due_at=None) if request.ended_at is not None else request


def _request_row(request: Request) -> dict[str, Any]:
    document = encode(request)
    columns = {name: document.pop(name) for name in _REQUEST_COLUMNS}
    return {**columns, "is_open": request.state.is_open, "document": document}


def _request(row: RowMapping) -> Request:
    return decode(Request, {**row["document"], **{name: row[name] for name in _REQUEST_COLUMNS}})


def _endpoint(row: RowMapping) -> Endpoint:
    return decode(Endpoint, {**row["document"], **{name: row[name] for name in _ENDPOINT_COLUMNS}})


def _endpoint_row(endpoint: Endpoint) -> dict[str, Any]:
    document = encode(endpoint)
    return {**{name: document.pop(name) for name in _ENDPOINT_COLUMNS}, "document": document}


def _save_endpoint(connection: Connection, endpoint: Endpoint) -> None:
    """Insert it, or write it one version on; untouched if it says nothing new, so that its version keeps meaning."""
    row = connection.execute(select(endpoints).where(endpoints.c.id == endpoint.id)).mappings().first()
    if row is None:
        connection.execute(insert(endpoints).values(_endpoint_row(endpoint)))
        return
    if _endpoint(row) == endpoint:
        return
    fence = (endpoints.c.id == endpoint.id) & (endpoints.c.version == endpoint.version)
    written = _endpoint_row(replace(endpoint, version=endpoint.version + 1))
    if not connection.execute(update(endpoints).where(fence).values(written)).rowcount:
        raise Stale(endpoint.id)


def _append(connection: Connection, request_id: str, lines: Sequence[Event]) -> None:
    last = connection.execute(select(func.max(events.c.seq)).where(events.c.request_id == request_id)).scalar() or 0
    rows: Iterator[dict[str, Any]] = (
        {
            "request_id": request_id,
            "seq": seq,
            "kind": line.kind,
            "at": seconds(line.at),
            "actor": line.actor,
            "data": encode_data(line.data),
        }
        for seq, line in enumerate(lines, start=last + 1)
    )
    if lines:
        connection.execute(insert(events), list(rows))
