"""The durable store: requests, endpoints and their record, the inbox and the outbox, in one SQL database.

SQLite by default; the code is portable to PostgreSQL. `requests.py` `inbox.py` `outbox.py` hold the three roles,
`tables.py` the schema, `codec.py` the JSON of documents, `database.py` transactions and errors, `migrations/` the way
from each version of the schema to the next.
"""

from services.adapters.store.database import Database
from services.adapters.store.migrations import upgrade
from services.adapters.store.requests import SqlStore
from services.ports import Clock

__all__ = ["SqlStore", "migrate", "open_store"]


def open_store(url: str, clock: Clock) -> SqlStore:
    """Open the database at `url` (sqlite:////path/file.db), made and migrated as needed.

    A SQLite file belongs to one process at a time: Permanent(code="DatabaseInUse") if another bot has it.
    """
    database = Database(url)
    try:
        upgrade(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database, clock)


def migrate(url: str) -> None:
    """Bring the database at `url` to the current schema, and close it again."""
    database = Database(url)
    try:
        upgrade(database)
    finally:
        database.close()
