"""The first tables: endpoints, requests, events, inbox, cards, posts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _endpoints()
    _requests()
    _events()
    _inbox()
    _cards()
    _posts()


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    """SQLite has no booleans: `is_open = 1` there is `is_open` in PostgreSQL."""
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where.replace(" = 1", "")),
    )


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("hostname", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sa.UniqueConstraint("hostname", name=op.f("uq_endpoints_hostname")),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("hostname", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("group", sa.String(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("requester", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"], name=op.f("fk_requests_endpoint_id")),
    )
    _partial_index("uq_requests_open_hostname", "requests", ["hostname"], "is_open = 1", unique=True)
    _partial_index("ix_requests_due", "requests", ["group", "due_at"], "due_at IS NOT NULL")
    op.create_index("ix_requests_history", "requests", ["hostname", "created_at"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "seq", name=op.f("pk_events")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_events_request_id")),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_inbox")),
    )
    _partial_index("ix_inbox_unfinished", "inbox", ["received_at"], "finished_at IS NULL")


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("ts", sa.String(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("stale_since", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("posting", sa.Boolean(), nullable=False),
        sa.Column("given_up", sa.String()),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_cards")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_cards_request_id")),
    )
    _partial_index("ix_cards_stale", "cards", ["stale_since"], "wanted > shown AND given_up IS NULL")


def _posts() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("posting", sa.Boolean(), nullable=False),
        sa.Column("ts", sa.String(), nullable=False),
        sa.Column("sent_at", sa.Double()),
        sa.Column("pressable", sa.Boolean(), nullable=False),
        sa.Column("given_up", sa.String()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_posts_request_id")),
        sqlite_autoincrement=True,
    )
    _partial_index("ix_posts_unsent", "posts", ["request_id", "id"], "sent_at IS NULL AND given_up IS NULL")
    _partial_index("ix_posts_pressable", "posts", ["request_id"], "pressable = 1")
