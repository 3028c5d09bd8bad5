"""Migrate the tables to this version of the program: at every start, all or nothing.

It must not know what the tables contain. A database of a newer version is not touched.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.core.errors import StorageTooNew, StorageUnusable
from storage.connection import Connection as StorageConnection
from storage.engine import Database
from storage.tables import metadata

HEAD = "0022"
"""The newest of migrations/versions."""

VERSION_TABLE = "alembic_version"
_NOTE = "tables of the video bot: "

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
    _check_encoding(connection)
    current = version(connection)
    if revision == "head" and current == HEAD:
        return
    # Imported here, because few starts need Alembic, which takes 5 MB and 0.1 s of CPU.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    known = [found.revision for found in script.walk_revisions()]  # the newest first
    if current is not None and current not in known:
        raise StorageTooNew(too_new(current))
    target = known[0] if revision == "head" else revision
    if current == target:
        return
    down = target == "base" or (current in known and known.index(target) > known.index(current))
    (command.downgrade if down else command.upgrade)(config, target)
    _note_tables(connection)
    logger.info("database: version %s -> %s", current, target)


def _check_encoding(connection: Connection) -> None:
    """Refuse a PostgreSQL database that cannot hold what people write.

    The bot would start on one in LATIN1, and then fail at each Cyrillic name and each emoji.
    SQL_ASCII stores all bytes unchanged.
    """
    if connection.dialect.name == "sqlite":
        return
    found = connection.scalar(
        sa.text("SELECT getdatabaseencoding() || ' ' || quote_ident(current_database())")
    )
    encoding, _, name = str(found).partition(" ")
    if encoding not in ("UTF8", "SQL_ASCII"):
        raise StorageUnusable(
            f"the database {name} is in {encoding}, which has no emoji: make one with CREATE "
            "DATABASE … TEMPLATE template0 ENCODING 'UTF8', and bring rows there with `bot copy`"
        )


def drop_all(connection: Connection) -> None:
    """Drop every table of this program, of whatever version, a newer one included."""
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "sqlite":  # the file holds nothing else
        for view in inspector.get_view_names():
            connection.execute(sa.text(f"DROP VIEW {quote(view)}"))
        for name in sorted(there):
            connection.execute(sa.text(f"DROP TABLE {quote(name)}"))
        return
    # Others may have tables beside ours: dropped is what the last migration noted.
    noted = (inspector.get_table_comment(VERSION_TABLE)["text"] or "").removeprefix(_NOTE)
    ours = sorted(there & {*noted.split(), *metadata.tables, VERSION_TABLE})
    functions = connection.scalars(
        sa.text(
            "SELECT DISTINCT CAST(CAST(t.tgfoid AS regprocedure) AS text) FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
            " AND c.relnamespace = CAST(current_schema() AS regnamespace)"
            " AND c.relname = ANY(:names)"
        ).bindparams(names=ours)
    ).all()
    # In one statement, since they refer to each other; without CASCADE: others' views stay.
    connection.execute(sa.text(f"DROP TABLE {', '.join(map(quote, ours))}"))
    for function in functions:
        connection.execute(sa.text(f"DROP FUNCTION {function}"))


def _note_tables(connection: Connection) -> None:
    """Leave the names of our tables for `drop_all` of an older program."""
    if connection.dialect.name == "sqlite":
        return
    names = sorted(metadata.tables.keys() & set(sa.inspect(connection).get_table_names()))
    words = f"{_NOTE}{' '.join(names)}"
    connection.execute(sa.text(f"COMMENT ON TABLE {VERSION_TABLE} IS '{words}'"))


def is_ours(found: str) -> bool:
    """Return whether a revision looks like one of this program: four decimal digits. Alembic
    itself uses 12 hexadecimal digits."""
    return len(found) == len(HEAD) and found.isdecimal()


def too_new(found: str, file: Path | None = None) -> str:
    """Return the words for a database of a newer version; `file`: a backup of one."""
    what = "the database" if file is None else str(file)
    if not is_ours(found):
        return (
            f"{what} belongs to another program, which left version {found} in {VERSION_TABLE}: "
            "give the bot a database of its own"
        )
    back = "go back with `bot restore --replace` and the backup made before it"
    return (
        f"{what} is at version {found}, this program knows versions up to {HEAD}: install the "
        f"newer program, or {back if file is None else 'use a backup made before it'}"
    )


async def can_make_tables(connection: StorageConnection) -> bool:
    """Whether this user may make tables; of an SQLite file the rights of the file decide."""
    if connection.dialect == "sqlite":
        return True
    return bool(
        await connection.scalar(
            sa.text("SELECT has_schema_privilege(current_schema()::text, 'CREATE')")
        )
    )


def version(connection: Connection) -> str | None:
    """Return the revision that Alembic recorded; None before the first migration."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
