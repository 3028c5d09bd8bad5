"""The numbers of rows across copies: what was given once is never given again.

An old button in a chat carries the number of its task.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.connection import Connection
from storage.tables import metadata


async def numbers(connection: Connection) -> dict[str, int]:
    """Return the last number issued by each table that is there, also to rows deleted since."""
    tables = await connection.run_sync(lambda plain: sa.inspect(plain).get_table_names())
    found: dict[str, int] = {}
    for table in _numbered():
        if table.name not in tables:
            continue
        assert table.autoincrement_column is not None
        last = await connection.scalar(sa.select(sa.func.max(table.autoincrement_column))) or 0
        if connection.dialect != "sqlite":
            if (sequence := await _sequence(connection, table)) is not None:
                given = await connection.scalar(
                    sa.text(
                        f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"  # noqa: S608 - named by the database
                    )
                )
                last = max(last, given or 0)
        elif _numbers_itself(table):
            given = await connection.scalar(
                sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name").bindparams(
                    name=table.name
                )
            )
            last = max(last, given or 0)
        found[table.name] = last
    return found


async def set_numbers(connection: Connection, last_numbers: dict[str, int]) -> None:
    """Make each table number its next row after its last number."""
    for table in _numbered():
        last = last_numbers.get(table.name, 0)
        if not last:
            continue
        if connection.dialect != "sqlite":
            sequence = await _sequence(connection, table)
            await connection.execute(sa.select(sa.func.setval(sequence, last)))
        elif _numbers_itself(table):
            name = {"name": table.name}
            await connection.execute(
                sa.text("DELETE FROM sqlite_sequence WHERE name = :name").bindparams(**name)
            )
            await connection.execute(
                sa.text(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"
                ).bindparams(**name, last=last)
            )


def _numbered() -> list[sa.Table]:
    return [t for t in metadata.sorted_tables if t.autoincrement_column is not None]


def _numbers_itself(table: sa.Table) -> bool:
    return bool(table.dialect_options["sqlite"]["autoincrement"])


async def _sequence(connection: Connection, table: sa.Table) -> str | None:
    assert table.autoincrement_column is not None
    found: str | None = await connection.scalar(
        sa.select(sa.func.pg_get_serial_sequence(table.name, table.autoincrement_column.name))
    )
    return found
