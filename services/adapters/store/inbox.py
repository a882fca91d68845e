"""What came in from people, once each, until it was dealt with."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.store.codec import moment, seconds
from services.adapters.store.database import Database
from services.adapters.store.tables import inbox
from services.ports import Clock
from services.storage import InboxItem


class SqlInbox:
    """`services.storage.Inbox` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def receive(self, item: InboxItem) -> bool:
        """Insert it; False if the key was received before. The payload is kept as the JSON that it is."""
        row = {
            "key": item.key,
            "kind": item.kind,
            "payload": dict(item.payload),
            "received_at": seconds(item.received_at),
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(inbox).values(row))
        except IntegrityError:
            return False
        return True

    def unfinished(self, before: datetime) -> Sequence[InboxItem]:
        """Items received before a moment and not finished, oldest first."""
        query = (
            select(inbox)
            .where(inbox.c.finished_at.is_(None), inbox.c.received_at < seconds(before))
            .order_by(inbox.c.received_at, inbox.c.key)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [InboxItem(row.key, row.kind, row.payload, moment(row.received_at)) for row in rows]

    def finish(self, key: str) -> None:
        """It was dealt with."""
        with self._database.write() as connection:
            finish(connection, key, self._clock())

    def forget(self, before: datetime) -> int:
        """Drop the items finished before a moment; how many. Their keys would be received anew."""
        with self._database.write() as connection:
            return connection.execute(delete(inbox).where(inbox.c.finished_at < seconds(before))).rowcount


def finish(connection: Connection, key: str, now: datetime) -> None:
    """Finish an item inside a transaction; the first time counts."""
    connection.execute(
        update(inbox).where(inbox.c.key == key, inbox.c.finished_at.is_(None)).values(finished_at=seconds(now))
    )
