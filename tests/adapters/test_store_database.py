"""The database itself: opening, locking, settings, migrations, errors in our words."""

import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from services.adapters.store import SqlStore, migrate, open_store
from services.adapters.store.database import Database
from services.adapters.store.tables import metadata
from services.errors import Permanent, Transient
from services.model import Notice
from services.storage import Inbox, InboxItem, Outbox, Store
from tests.adapters.store_values import MINUTE, NOON, SetClock, a_request, an_endpoint, an_event

ROOT = Path(__file__).parents[2]


def opened(path: Path) -> SqlStore:
    return open_store(f"sqlite:///{path}", SetClock())


def schema(path: Path) -> set[str]:
    """Every table and index as SQLite keeps it, white space aside."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {" ".join(sql.split()) for (sql,) in rows if "alembic_version" not in sql}


def test_it_fills_the_three_roles(tmp_path: Path) -> None:
    """One object with the two others on it; mypy checks the signatures."""
    store = opened(tmp_path / "bot.db")
    roles: tuple[Store, Inbox, Outbox] = (store, store.inbox, store.outbox)
    assert all(roles)
    store.close()
    store.close()


# ---- opening and reopening


def test_a_reopened_file_has_everything(tmp_path: Path) -> None:
    """Requests, endpoints, records, cards, posts and inbox outlive the process; parent folders are made."""
    path = tmp_path / "a" / "b" / "bot.db"
    store = opened(path)
    store.inbox.receive(InboxItem("k1", "command", {"a": 1}, NOON))
    store.create(a_request(), an_endpoint(), [an_event()])
    request = store.commit(a_request(group="g", due_at=NOON), [an_event("planned")], [Notice("plan", {"x": 1})])
    store.outbox.card_shown("r1", ts="1.1", version=2)
    store.close()
    again = opened(path)
    assert again.due("g", NOON) == [request]
    assert again.endpoint("app.example.com") == an_endpoint()
    assert [line.kind for line in again.events("r1")] == ["created", "planned"]
    assert [post.data for post in again.outbox.due_posts(NOON)] == [{"x": 1}]
    assert [item.key for item in again.inbox.unfinished(NOON + MINUTE)] == ["k1"]
    again.close()


def test_a_relative_path_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes: from the working directory."""
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///data/bot.db", SetClock()).close()
    assert (tmp_path / "data" / "bot.db").exists()


def test_in_memory_serves_many_calls_and_locks_nothing() -> None:
    """For tests and trials: one database per store, gone with it."""
    one, two = (open_store("sqlite://", SetClock()) for _ in range(2))
    one.create(a_request(), an_endpoint(), [])
    assert one.request("r1") == a_request()
    assert two.request("r1") is None
    one.close()
    two.close()


def test_a_second_bot_on_the_same_file_is_refused(tmp_path: Path) -> None:
    """It would be told the same Slack events; the sentence names the file. Closed, the file is free again."""
    store = opened(tmp_path / "bot.db")
    with pytest.raises(Permanent, match=rf"Another nlbtls is running on the database {tmp_path}/bot\.db") as caught:
        opened(tmp_path / "bot.db")
    assert caught.value.code == "DatabaseInUse"
    store.close()
    opened(tmp_path / "bot.db").close()


def test_a_killed_bot_leaves_no_lock_and_all_it_committed(tmp_path: Path) -> None:
    """kill -9 right after a commit: the row is there, and the file can be opened at once."""
    script = (
        "import os, signal, sys\n"
        "from services.adapters.store import open_store\n"
        "from tests.adapters.store_values import *\n"
        "store = open_store(sys.argv[1], SetClock())\n"
        "store.create(a_request(), an_endpoint(), [an_event()])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    died = subprocess.run([sys.executable, "-c", script, f"sqlite:///{tmp_path}/bot.db"], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    store = opened(tmp_path / "bot.db")
    assert store.request("r1") == a_request()
    store.close()


def test_settings_of_every_connection(tmp_path: Path) -> None:
    """WAL, fsync at each commit, patience with other writers, foreign keys; also on the second connection."""
    database = Database(f"sqlite:///{tmp_path}/bot.db")
    with database.read() as first, database.read() as second:
        for connection in (first, second):
            said = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
            ]
            assert said == ["wal", 2, 30_000, 1]
    database.close()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense", "DatabaseAddress"),
        ("nosuchdatabase://host/name", "DatabaseDriver"),
        ("sqlite:////proc/nobody/may/bot.db", "DatabaseFile"),
    ],
)
def test_an_address_that_cannot_work(url: str, code: str) -> None:
    """Each fault of the setting has its own sentence."""
    with pytest.raises(Permanent) as caught:
        open_store(url, SetClock())
    assert caught.value.code == code


def test_a_password_is_not_repeated() -> None:
    """The sentence goes to the log."""
    with pytest.raises(Permanent) as caught:
        open_store("nosuchdatabase://bot:hunter2@host/name", SetClock())
    assert "hunter2" not in str(caught.value)


# ---- migrations


def test_a_fresh_upgrade_is_the_metadata(tmp_path: Path) -> None:
    """The migrations and tables.py say the same, partial indexes included; and twice is once."""
    url = f"sqlite:///{tmp_path}/migrated.db"
    migrate(url)
    migrate(url)
    direct = create_engine(f"sqlite:///{tmp_path}/direct.db")
    metadata.create_all(direct)
    direct.dispose()
    assert schema(tmp_path / "migrated.db") == schema(tmp_path / "direct.db")
    migrated = create_engine(url)
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated.dispose()


def test_migrations_run_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts are found beside the code, not by an alembic.ini."""
    monkeypatch.chdir("/")
    migrate(f"sqlite:///{tmp_path}/bot.db")
    assert any("CREATE TABLE requests" in sql for sql in schema(tmp_path / "bot.db"))


def test_a_database_of_a_later_version_is_refused_untouched(tmp_path: Path) -> None:
    """After a downgrade the bot says so, and the file is free for the version that wrote it."""
    migrate(f"sqlite:///{tmp_path}/bot.db")
    connection = sqlite3.connect(tmp_path / "bot.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    for _ in range(2):
        with pytest.raises(Permanent, match="a schema that this version of nlbtls does not know") as caught:
            opened(tmp_path / "bot.db")
        assert caught.value.code == "DatabaseSchema"


# ---- errors


def test_a_busy_database_is_transient(tmp_path: Path) -> None:
    """Somebody has the file open in another program and writes: try again later."""
    migrate(f"sqlite:///{tmp_path}/bot.db")
    database = Database(f"sqlite:///{tmp_path}/bot.db", busy_timeout=timedelta(milliseconds=20))
    store = SqlStore(database, SetClock())
    intruder = sqlite3.connect(tmp_path / "bot.db", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match="busy") as caught:
        store.create(a_request(), an_endpoint(), [])
    assert caught.value.code == "SQLITE_BUSY"
    assert store.requests() == []  # reading goes on meanwhile
    intruder.execute("ROLLBACK")
    intruder.close()
    store.create(a_request(), an_endpoint(), [])
    store.close()


def test_a_full_disk_is_permanent_and_leaves_nothing(tmp_path: Path) -> None:
    """Said in words; the transaction is gone whole, and the next one works once there is space."""
    store = opened(tmp_path / "bot.db")
    with store._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    big = a_request(reason="x" * 100_000)
    with pytest.raises(Permanent, match="The disk of the database is full") as caught:
        store.create(big, an_endpoint(), [])
    assert caught.value.code == "SQLITE_FULL"
    assert store.endpoint("app.example.com") is None
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=100000")
    store.create(big, an_endpoint(), [])
    store.close()


def test_a_file_that_is_no_database_is_permanent(tmp_path: Path) -> None:
    """A wrong path in the setting does not end in a traceback, and the file is not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("just some notes, long enough to be read as a header " * 10)
    with pytest.raises(Permanent, match="no SQLite database") as caught:
        opened(path)
    assert caught.value.code == "SQLITE_NOTADB"
    assert path.read_text().startswith("just some notes")
