"""Several PostgreSQL servers in one address: connect to the one that takes writes.

asyncpg knows such addresses, but it gives all servers one time-out, so that the first one that is
silent uses it up; and it takes whichever accepts writes, even a former primary that came back
beside the standby promoted in its place. It must not know statements or tables.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from storage.driver_errors import NoServer

logger = logging.getLogger(__name__)

SERVER_SECONDS = 4.0
"""Seconds for one server."""
OTHERS_SECONDS = 0.5
"""Seconds for the others, once one fits: a dead machine must not delay each connection."""

# A promotion begins a timeline (PostgreSQL: "Continuous Archiving", timelines). The name of the
# WAL file says which one is written now; the control file is behind until the next checkpoint.
_LOOK = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE"
    " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,"
    " current_setting('synchronous_standby_names'), current_setting('synchronous_commit')"
)
Server = tuple[str, int]


class Servers:
    """The servers of one address, and the newest timeline seen on them.

    `session`: libpq's target_session_attrs.
    """

    def __init__(self, servers: Sequence[Server], session: str) -> None:
        self._servers = tuple(servers)
        self._session = session
        self._timeline = 0
        self._is_synchronous = True

    async def connect(self, **options: Any) -> Any:
        """Return a connection to a server of the wanted kind; options as of asyncpg.connect.

        All are asked at once: of two that take writes, the one promoted last has the newest rows.
        Raises NoServer, an OSError, when there is none, and the server's own error when that is
        about the user or the database.
        """
        options["timeout"] = SERVER_SECONDS
        asked: _Asked = {
            asyncio.ensure_future(self._look(server, options)): server  # noqa: TID251 - ended below
            for server in self._servers
        }
        try:
            await _until_one_fits(asked)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            found = {task: server for task, server in asked.items() if _fits(task)}
            best = max(found, key=lambda task: task.result().timeline, default=None)
            for task in found:
                if task is not best:
                    task.result().link.terminate()
        failed = {
            server: None if task.cancelled() else task.exception()
            for task, server in asked.items()
            if task not in found
        }
        if best is None:
            raise self._nobody(failed)
        chosen, server = best.result(), asked[best]
        if chosen.timeline and self._session in ("read-write", "primary"):
            for other in found.values():
                if other != server:
                    logger.error("PostgreSQL: %s takes writes besides %s: stop it",
                                 _name(other), _name(server))  # fmt: skip
        self._note(server, chosen)
        return chosen.link

    async def _look(self, server: Server, options: dict[str, Any]) -> _Found:
        host, port = server
        link = await asyncpg.connect(
            host=host, port=port, target_session_attrs=self._session, **options
        )
        try:
            async with asyncio.timeout(SERVER_SECONDS):
                return _Found(link, *await link.fetchrow(_LOOK))
        except asyncpg.PostgresError:  # a service that forbids it, or is only like PostgreSQL
            return _Found(link, 0, "", "")
        except BaseException:
            link.terminate()
            raise

    def _note(self, server: Server, chosen: _Found) -> None:
        known, was_synchronous = self._timeline, self._is_synchronous
        if not chosen.timeline:
            return
        if chosen.timeline < known:
            chosen.link.terminate()
            raise NoServer(
                f"{_name(server)} is a former primary without the newest rows: stop it, and start "
                "the server that was promoted"
            )
        self._timeline = chosen.timeline
        self._is_synchronous = bool(chosen.standbys) and chosen.commit not in ("off", "local")
        if not known or chosen.timeline == known:
            return
        if was_synchronous:
            logger.warning("PostgreSQL: %s was promoted; commits were synchronous", _name(server))
        else:
            logger.error(
                "PostgreSQL: %s was promoted, and the former primary did not wait for it when "
                "this process connected: the last commits may be missing; see docs/operations.md, "
                "A standby of PostgreSQL", _name(server),
            )  # fmt: skip

    def _nobody(self, failed: dict[Server, BaseException | None]) -> BaseException:
        for exc in failed.values():
            # 28, 3D: a wrong password or database is wrong everywhere
            if exc is not None and (getattr(exc, "sqlstate", None) or "").startswith(("28", "3D")):
                return exc
        told = ", ".join(f"{_name(server)} {self._words(exc)}" for server, exc in failed.items())
        wish = "takes writes" if self._session in ("read-write", "primary") else "fits"
        return NoServer(f"no server {wish} now ({told}); start the primary or promote a standby")

    def _words(self, exc: BaseException | None) -> str:
        if isinstance(exc, asyncpg.TargetServerAttributeNotMatched):
            return f"is not {self._session}"
        if isinstance(exc, asyncpg.CannotConnectNowError):
            return "starts or stops"
        return f"does not answer: {type(exc or TimeoutError()).__name__}"


class _Found(NamedTuple):
    """A connection, with what its server says of itself; timeline 0: not known, or a standby."""

    link: Any
    timeline: int
    standbys: str
    commit: str


_Asked = dict["asyncio.Future[_Found]", Server]


def _fits(task: asyncio.Future[_Found]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _until_one_fits(asked: _Asked) -> None:
    """Wait for the first that fits, and a little for a better one."""
    open_: set[asyncio.Future[_Found]] = set(asked)
    while open_ and not any(map(_fits, asked)):
        _, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
    if open_:
        await asyncio.wait(open_, timeout=OTHERS_SECONDS)


def _name(server: Server) -> str:
    return f"{server[0]}:{server[1]}"
