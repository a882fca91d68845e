"""Schema migrations (Alembic), run by the bot at its start, forward only and in one transaction.

A new one is a module in `versions/` by hand: `revision`, `down_revision` and `upgrade()`. It speaks for itself and
imports nothing of ours, as the tables move on. It runs over requests in flight, so columns are added with a default.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from services.adapters.store.database import Database
from services.errors import Permanent


def upgrade(database: Database) -> None:
    """Bring the schema to the newest version. Permanent if a later version of nlbtls wrote the database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with database.write() as connection:  # writing from the start: two processes take turns, the second finds it done
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Permanent(
                f"The database has a schema that this version of nlbtls does not know: {error}",
                hint="It was written by a later version; run that one, or restore the backup made before it.",
                code="DatabaseSchema",
            ) from error
