"""Detect a connection pooler in transaction mode.

Such a pooler (PgBouncer or Odyssey in transaction mode, port 6543 of Supabase, "-pooler" of Neon)
may run each transaction in another session of PostgreSQL. Then LISTEN, session locks and prepared
statements do not work (PgBouncer: Features, SQL feature map for pooling modes). It must not know
the meaning of the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bot.core.errors import StorageUnusable

SECONDS = 10.0
"""The time limit of the check, in seconds."""
PARAMETERS = (
    "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
    "idle_in_transaction_session_timeout",
)  # fmt: skip
"""Session parameters that PgBouncer refuses unless it is configured to ignore them."""

SHARED = (
    "a pooler gives each transaction another session, but the bot needs its own (LISTEN, session "
    "locks, prepared statements); in DATABASE_URL name PostgreSQL itself or a pooler in session "
    "mode (Supabase: port 5432, not 6543; Neon: the host without -pooler)"
)
REFUSED = (
    "this is PgBouncer; in DATABASE_URL name PostgreSQL itself, or set pool_mode = session and "
    f"ignore_startup_parameters = {', '.join(PARAMETERS)} in PgBouncer"
)
_SESSION = "SELECT pg_backend_pid()"


def advice(state: str, said: str) -> str | None:
    """Return advice for an error that only a pooler causes; None for other errors.

    `state`: the SQLSTATE; `said`: the first line of the message.
    """
    # A prepared statement is missing or exists already: the session is another one. All errors of
    # PgBouncer itself have the code 08P01 (pgbouncer: src/client.c).
    if state in ("26000", "42P05") or "statement pooling mode" in said:
        return SHARED
    if "unsupported startup parameter" in said:
        return REFUSED
    return None


async def check(connect: Callable[[], Awaitable[Any]], place: str) -> None:
    """Raise StorageUnusable if sessions are shared; `place` names the database in the error.

    `connect` opens a connection of asyncpg.
    """
    async with asyncio.timeout(SECONDS):
        first = await connect()
        try:
            session = await _session(first)
            if session == first.get_server_pid():  # a pooler would tell clients another number
                return
            if await _is_shared(first, session, connect):
                raise StorageUnusable(f"{place}: {SHARED}")
        finally:
            first.terminate()


async def _session(link: Any) -> int:
    async with link.transaction():
        return int(await link.fetchval(_SESSION))


async def _is_shared(first: Any, session: int, connect: Callable[[], Awaitable[Any]]) -> bool:
    """Return whether two clients get the same session, or the first one gets another session."""
    second = await connect()
    try:
        async with second.transaction():  # keeps the session, so that the first needs another
            if await second.fetchval(_SESSION) == session:
                return True
            return await _session(first) != session
    finally:
        second.terminate()
