"""Migrate the tables to this version of the program: at every start, all or nothing.

It must not know what the tables contain. A database of a newer version is not touched.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.core.errors import StorageTooNew
from storage.engine import Database

HEAD = "0008"
"""The newest revision in migrations/versions."""

logger = logging.getLogger(__name__)


async def migrate(database: Database, revision: str = "head") -> None:
    """Migrate up or down to `revision`. If several processes start, one migrates and the others
    wait.

    Raises StorageTooNew, and changes nothing, if a newer version of the program has migrated the
    database.
    """
    async with database.schema_transaction() as connection:
        await connection.run_sync(migrate_within, revision)


def migrate_within(connection: Connection, revision: str) -> None:
    """Migrate as part of a schema transaction."""
    current = version(connection)
    if revision == "head" and current == HEAD:
        return
    # Imported here, because few starts need Alembic, which takes 5 MB and 0.1 s of CPU.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    known = [found.revision for found in script.walk_revisions()]  # the newest first
    if current is not None and current not in known:
        raise StorageTooNew(
            f"the database is at version {current}, this program knows versions up to "
            f"{known[0]}: install the newer program, or restore the backup made before it"
        )
    target = known[0] if revision == "head" else revision
    if current == target:
        return
    down = target == "base" or (current in known and known.index(target) > known.index(current))
    (command.downgrade if down else command.upgrade)(config, target)
    logger.info("database: version %s -> %s", current, target)


def version(connection: Connection) -> str | None:
    """Return the revision that Alembic recorded; None before the first migration."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
