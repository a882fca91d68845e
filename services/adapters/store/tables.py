"""The tables. A change here needs a migration beside it (a test compares the two).

Columns are what queries ask for; the rest of a request or an endpoint is one JSON document (codec.py), so that a new
field of the model needs no migration. Times are seconds since the epoch, UTC. Types are portable between SQLite and
PostgreSQL; partial indexes are the one thing said twice.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", String, primary_key=True),
    Column("hostname", String, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("document", JSON, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", String, primary_key=True),
    Column("endpoint_id", ForeignKey("endpoints.id"), nullable=False),
    Column("hostname", String, nullable=False),
    Column("state", String, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("group", String, nullable=False),
    Column("due_at", Double),
    Column("step", String, nullable=False),
    Column("requester", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("version", Integer, nullable=False),
    Column("document", JSON, nullable=False),
)
# The lock on a host name: at most one open request, whoever races.
Index(
    "uq_requests_open_hostname",
    requests.c.hostname,
    unique=True,
    sqlite_where=text("is_open = 1"),
    postgresql_where=text("is_open"),
)
# The sweep asks every second; most rows are finished or parked and are not in this index at all.
Index(
    "ix_requests_due",
    requests.c.group,
    requests.c.due_at,
    sqlite_where=text("due_at IS NOT NULL"),
    postgresql_where=text("due_at IS NOT NULL"),
)
Index("ix_requests_history", requests.c.hostname, requests.c.created_at)

# Append-only: no code updates or deletes these rows.
events = Table(
    "events",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("actor", String, nullable=False),
    Column("data", JSON, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("key", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("finished_at", Double),
)
Index(
    "ix_inbox_unfinished",
    inbox.c.received_at,
    sqlite_where=text("finished_at IS NULL"),
    postgresql_where=text("finished_at IS NULL"),
)

cards = Table(
    "cards",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("channel", String, nullable=False),
    Column("ts", String, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("stale_since", Double, nullable=False),  # when it first differed from what is shown: the longest wait first
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double),
    Column("posting", Boolean, nullable=False),
    Column("given_up", String),  # the reason
)
Index(
    "ix_cards_stale",
    cards.c.stale_since,
    sqlite_where=text("wanted > shown AND given_up IS NULL"),
    postgresql_where=text("wanted > shown AND given_up IS NULL"),
)

posts = Table(
    "posts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False),
    Column("channel", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double),
    Column("attempts", Integer, nullable=False),
    Column("posting", Boolean, nullable=False),
    Column("ts", String, nullable=False),
    Column("sent_at", Double),
    Column("pressable", Boolean, nullable=False),
    Column("given_up", String),  # the reason
    sqlite_autoincrement=True,  # ids are the order of delivery, and metadata of messages: never used twice
)
Index(
    "ix_posts_unsent",
    posts.c.request_id,
    posts.c.id,
    sqlite_where=text("sent_at IS NULL AND given_up IS NULL"),
    postgresql_where=text("sent_at IS NULL AND given_up IS NULL"),
)
Index(
    "ix_posts_pressable",
    posts.c.request_id,
    sqlite_where=text("pressable = 1"),
    postgresql_where=text("pressable"),
)
