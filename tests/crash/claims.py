"""Find out whether a row was ever leased to two workers at once, with triggers in the database.

The bot does not know the triggers.
"""

from __future__ import annotations

import asyncpg

TABLES = {
    "tasks": ("id", "fence"),
    "inbox": ("update_id", "attempts"),
    "outbox": ("id", "attempts"),
}
"""The columns that identify a row, and the one that grows with each claim."""

_FUNCTION = """
CREATE TABLE IF NOT EXISTS claims_seen (
    of_table text, of_row bigint, before text, after text, held_until timestamptz, at timestamptz
);
CREATE OR REPLACE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO claims_seen VALUES (
        TG_TABLE_NAME, (to_jsonb(NEW)->>TG_ARGV[0])::bigint,
        OLD.lease_owner, NEW.lease_owner, OLD.lease_until, clock_timestamp()
    );
    RETURN NULL;
END $$;
"""
_TRIGGER = """
CREATE OR REPLACE TRIGGER claimed AFTER UPDATE ON {table} FOR EACH ROW
WHEN (NEW.{grows} > OLD.{grows} AND NEW.lease_owner IS NOT NULL)
EXECUTE FUNCTION note_claim('{key}')
"""
_DOUBLES = """
SELECT of_table, of_row, before, after FROM claims_seen
WHERE before IS NOT NULL AND held_until > at
"""


class Claims:
    """The claims of several processes on one PostgreSQL, which has its tables already."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("+asyncpg", "")

    async def watch(self) -> None:
        """Record every claim from now on."""
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(_FUNCTION)
            for table, (key, grows) in TABLES.items():
                await connection.execute(_TRIGGER.format(table=table, key=key, grows=grows))
        finally:
            await connection.close()

    async def seen(self) -> int:
        """How many claims there were."""
        connection = await asyncpg.connect(self._url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM claims_seen"))
        finally:
            await connection.close()

    async def doubles(self) -> list[str]:
        """Rows that were claimed while somebody held them."""
        connection = await asyncpg.connect(self._url)
        try:
            return [
                f"{row['of_table']} {row['of_row']}: {row['after']} took it from {row['before']}"
                for row in await connection.fetch(_DOUBLES)
            ]
        finally:
            await connection.close()
