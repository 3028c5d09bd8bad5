"""The address of a database, as DATABASE_URL and the commands take it.

Errors never repeat it, since it may hold a password.
"""

from __future__ import annotations

import os
import re
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
_OPTIONS = frozenset({"host", "port", "ssl", "target_session_attrs"})
_FOREIGN_OPTIONS = frozenset(
    {
        "application_name", "channel_binding", "connect_timeout", "gssencmode", "keepalives",
        "mode", "options", "pgbouncer", "pool_timeout", "prepared_statement_cache_size", "schema",
        "timeout",
    }
)  # fmt: skip
"""Options that services and other programs write; only these are repeated in an error."""

SESSIONS = ("read-write", "primary", "any", "standby", "read-only")
"""libpq's target_session_attrs, less `prefer-standby`: a bot writes."""
PORT = 5432
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")

# libpq's list of servers, which SQLAlchemy takes only as options (libpq: Connection URIs)
_SEVERAL = re.compile(
    r"(?P<scheme>postgres[a-z+]*://)(?P<user>[^/?#]*@)?(?P<hosts>[^/?#@]*,[^/?#@]*)"
    r"(?P<database>/[^?]*)?(?:\?(?P<options>.*))?"
)
_SERVER = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:,]+))(?::(?P<port>\d{1,5}))?")


def parse(url: str) -> URL:
    """Return the parts of a database's address; raise ValueError, without them, when unusable."""
    try:
        parsed = make_url(_with_options(url))
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
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite:
        _check_file(url, parsed)
    if (parsed.host is not None or not sqlite) and "@" in f"{parsed.host}/{parsed.database}":
        raise ValueError("should have an @ within the password written as %40")
    _check_options(parsed)
    if not sqlite:
        _check_server(parsed)
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def servers(url: URL) -> list[tuple[str, int]]:
    """Return host and port of every server that the address lists; none when it lists no more than
    one and no kind of session. ValueError when a server is misspelt."""
    listed = url.query.get("host", ())
    listed = (listed,) if isinstance(listed, str) else listed
    wanted = url.query.get("target_session_attrs")
    if wanted is not None and wanted not in SESSIONS:
        raise ValueError(f"target_session_attrs should be one of {', '.join(SESSIONS)}")
    if len(listed) < 2:
        if wanted is None:
            return []
        return [(listed[0] if listed else url.host or "localhost", _port(url))]
    found = [_server(one) for one in listed]
    if url.host or "port" in url.query or None in found:
        raise ValueError("should name its servers as host1:5432,host2:5432")
    return [one for one in found if one is not None]


def _check_server(url: URL) -> None:
    """Refuse values that the driver would refuse only when it connects."""
    for name in ("sslmode", "ssl"):
        if name in url.query and url.query[name] not in _MODES:
            raise ValueError(f"{name} should be one of {', '.join(_MODES)}")
    listed = url.query.get("host", ())
    hosts = (listed,) if isinstance(listed, str) else listed
    for host, port in servers(url) or [(url.host or "".join(hosts), _port(url))]:
        if not 0 < port < 65536:
            raise ValueError("should have a port between 1 and 65535")
        try:
            if not host.startswith("/"):  # the folder of a socket
                host.encode("idna")  # as the resolver does
        except UnicodeError:
            raise ValueError("should have a host whose name can exist") from None


def _port(url: URL) -> int:
    port = str(url.port or url.query.get("port") or PORT)
    if not (port.isascii() and port.isdigit()):
        raise ValueError("should have a number as its port")
    return int(port)


def _server(text: str) -> tuple[str, int] | None:
    if text.startswith("/"):  # the folder of a socket
        folder, _, port = text.partition(":")
        return folder, int(port) if port.isdecimal() else PORT
    if (read := _SERVER.fullmatch(text)) is None:
        return None
    return read["v6"] or read["name"], int(read["port"] or PORT)


def session_wanted(url: URL) -> str:
    """Return target_session_attrs; of several servers by default the one that takes writes."""
    return str(url.query.get("target_session_attrs", "read-write"))


def without_servers(url: URL) -> URL:
    """Return the address without what `servers` and `session_wanted` return."""
    left = url.difference_update_query(["host", "port", "target_session_attrs"])
    return URL.create(  # `URL.set` would keep a host
        left.drivername, left.username, left.password, database=left.database, query=left.query
    )


def _with_options(url: str) -> str:
    if (read := _SEVERAL.fullmatch(url)) is None:
        return url
    hosts = [("host", one) for one in read["hosts"].split(",")]
    if not all(one for _, one in hosts):
        raise ValueError
    options = "&".join(part for part in (read["options"], urlencode(hosts)) if part)
    return f"{read['scheme']}{read['user'] or '@'}{read['database'] or '/'}?{options}"


def _check_file(written: str, url: URL) -> None:
    """Refuse an address that SQLAlchemy or SQLite would read as the address of another file."""
    if url.host or url.username or url.password or url.port:
        raise ValueError(
            "should have three slashes before a file beside the program"
            " (sqlite+aiosqlite:///data/bot.db) and four before a path that begins with a slash"
        )
    if str(url.database).startswith("~"):
        raise ValueError("should name the folder in full: ~ is a name like any other here")
    if "?" in written and not url.query:  # SQLAlchemy drops options without a value
        raise ValueError("should be without a ?; one in the name of a file is written as %3F")


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


def of_file(file: Path) -> str:
    """Return the address of a SQLite file, whatever characters its path has."""
    path = str(file).replace("%", "%25").replace("?", "%3F")
    return f"sqlite+aiosqlite:///{path}"


def real_file(file: Path) -> Path:
    """Return the file behind symbolic links: SQLite keeps -wal and -shm beside that one."""
    return Path(os.path.realpath(file))  # Path.resolve raises RuntimeError for a loop


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite database; None for another kind. ValueError as in
    `parse`."""
    parsed = parse(url)
    if parsed.drivername != "sqlite+aiosqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("a database in memory has no file")
    return Path(parsed.database)
