"""The connection: transactions that many threads may share, SQLite's settings, and errors in our own words.

This is the only place that knows which database it is. For PostgreSQL the defaults do (READ COMMITTED: every write
that could race is fenced by a version or a unique index).
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, QueuePool, event
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.errors import Permanent, ServiceError, Transient

_WRITING = "nlbtls_writing"


class Database:
    """One database, opened. `engine` is public for migrations and tests; everything else uses `read` and `write`."""

    def __init__(self, url: str, *, busy_timeout: timedelta = timedelta(seconds=30)) -> None:
        """Open it; a SQLite file is locked against a second process. Permanent if that cannot be."""
        parsed = _parse(url)
        self._lock = _lock(parsed)
        try:
            self.engine = _engine(parsed, busy_timeout)
        except BaseException:
            self._release()
            raise
        self._writer = self.engine.execution_options(**{_WRITING: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent picture."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes, whole or not at all. Lets IntegrityError through: its meaning is the caller's."""
        with _translated(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections and let go of the file. May be called twice."""
        self.engine.dispose()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _parse(url: str) -> URL:
    try:
        return sqlalchemy.make_url(url)
    except ArgumentError as error:
        raise Permanent(
            "The database address cannot be read.",
            hint="NLBTLS_DATABASE_URL has the form sqlite:////path/file.db.",
            code="DatabaseAddress",
        ) from error


def _file(url: URL) -> Path | None:
    """The file of a SQLite address; None for any other database and for one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _lock(url: URL) -> int | None:
    """Make the folder and take the lock beside the file; the kernel lets go of it when the process ends, however."""
    path = _file(url)
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Permanent(
            f"The database {path} cannot be opened: {error.strerror}.",
            hint="Its folder must exist or be creatable, and be writable by the bot.",
            code="DatabaseFile",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Permanent(
            f"Another nlbtls is running on the database {path}.",
            hint="Stop it first, or give this one a database of its own (NLBTLS_DATABASE_URL).",
            code="DatabaseInUse",
        ) from error
    return descriptor


def _engine(url: URL, busy_timeout: timedelta) -> Engine:
    options: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite" and _file(url) is None:
        # A database in memory is its connection: all threads take turns on the one.
        options = {
            "poolclass": QueuePool,
            "pool_size": 1,
            "max_overflow": 0,
            "connect_args": {"check_same_thread": False},
        }
    try:
        engine = sqlalchemy.create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise Permanent(
            f"There is no driver for the database {url.render_as_string(hide_password=True)}: {error}.",
            hint="Use a sqlite:/// address, or install the driver.",
            code="DatabaseDriver",
        ) from error
    if url.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, busy_timeout)
    return engine


def _prepare_sqlite(engine: Engine, busy_timeout: timedelta) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGINs come late and not before DDL; see _on_begin
        connection.execute(f"PRAGMA busy_timeout={busy_timeout // timedelta(milliseconds=1)}")
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("PRAGMA synchronous=full")  # what was acknowledged survives a power cut
        connection.execute("PRAGMA foreign_keys=on")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A transaction that reads first and wants to write later fails at once if another wrote meanwhile, without
        # waiting for busy_timeout. So those that write say so from the start.
        writing = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


# ---- errors

_SQLITE_LATER = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_CAUSES = {
    sqlite3.SQLITE_FULL: ("The disk of the database is full.", "Free some space; the bot goes on by itself."),
    sqlite3.SQLITE_READONLY: ("The database cannot be written.", "Check the permissions of its file and folder."),
    sqlite3.SQLITE_CANTOPEN: ("The database cannot be opened.", "Check the path and the permissions of its folder."),
    sqlite3.SQLITE_IOERR: ("The disk of the database reports errors.", "Check the volume."),
    sqlite3.SQLITE_CORRUPT: ("The database file is damaged.", "Restore it from a backup."),
    sqlite3.SQLITE_NOTADB: ("The database file is no SQLite database.", "Check NLBTLS_DATABASE_URL."),
}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _translate(error) from error
    except PoolTimeout as error:
        raise Transient("The database is busy.", code="PoolTimeout") from error


def _translate(error: DBAPIError) -> ServiceError:
    code = getattr(error.orig, "sqlite_errorcode", None)
    name = str(getattr(error.orig, "sqlite_errorname", type(error.orig).__name__))
    if code is None and isinstance(error, OperationalError | InterfaceError):
        return Transient("The database does not answer.", code=name)
    primary = (code or 0) & 0xFF  # the rest of the code is detail (SQLITE_IOERR_FSYNC …)
    if primary in _SQLITE_LATER:
        return Transient("The database is busy.", code=name)
    sentence, hint = _SQLITE_CAUSES.get(primary, (f"The database refuses: {error.orig}", ""))
    return Permanent(sentence, hint=hint, code=name)
