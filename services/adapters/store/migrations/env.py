"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `upgrade` hands over."""

from alembic import context

from services.adapters.store.tables import metadata

# transactional_ddl: Alembic thinks that SQLite has none, for the driver's own BEGIN spares DDL; ours (database.py) does
# not.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
