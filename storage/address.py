"""The address of a database, as DATABASE_URL and the commands take it.

Errors never repeat it, since it may hold a password.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}

# Of libpq, and understood by asyncpg within an address (asyncpg: connect, `dsn`).
_TLS_OPTIONS = frozenset(
    {
        "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl",
        "ssl_min_protocol_version", "ssl_max_protocol_version",
    }
)  # fmt: skip
_OPTIONS = frozenset({"host", "port", "ssl"})
_FOREIGN_OPTIONS = frozenset(
    {
        "application_name", "channel_binding", "connect_timeout", "gssencmode", "keepalives",
        "mode", "options", "pgbouncer", "pool_timeout", "prepared_statement_cache_size", "schema",
        "target_session_attrs", "timeout",
    }
)  # fmt: skip
"""Options that services and other programs write; only these are repeated in an error."""


def parse(url: str) -> URL:
    """Return the parts of a database's address; raise ValueError, without them, when unusable."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # the address may contain a password
        raise ValueError(
            "should look like sqlite+aiosqlite:///data/bot.db"
            " or postgresql+asyncpg://user:password@host/database"
        ) from None
    if parsed.drivername not in _DRIVERS:
        raise ValueError(
            "should begin with sqlite+aiosqlite:// or postgresql+asyncpg://, "
            f"not {parsed.drivername}://"
        )
    if parsed.host is not None and "@" in f"{parsed.host}/{parsed.database}":
        raise ValueError("should have an @ within the password written as %40")
    _check_options(parsed)
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _check_options(url: URL) -> None:
    """Name an option that neither the driver nor this program would understand."""
    sqlite = url.get_backend_name() == "sqlite"
    known = frozenset() if sqlite else _TLS_OPTIONS | _OPTIONS
    for name in url.query.keys() - known:
        # A part of a password that was not escaped may look like an option.
        shown = f"`{name}`" if name in _FOREIGN_OPTIONS else "options"
        told = "after the ?" if sqlite else f"after the ? other than {', '.join(sorted(known))}"
        raise ValueError(f"should be without {shown}: it knows none {told}")


def tls_arguments(url: URL) -> dict[str, Any]:
    """Return libpq's options of TLS as asyncpg takes them: as part of an address."""
    given = {name: value for name, value in url.query.items() if name in _TLS_OPTIONS}
    return {"dsn": f"postgresql://?{urlencode(given)}"} if given else {}


def without_tls(url: URL) -> URL:
    """Return the address without what `tls_arguments` returns."""
    return url.difference_update_query(_TLS_OPTIONS)


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite database; None for another kind. ValueError as in
    `parse`."""
    parsed = parse(url)
    if parsed.drivername != "sqlite+aiosqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("a database in memory has no file")
    return Path(parsed.database)
