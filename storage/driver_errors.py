"""Errors of the database drivers as one line each: which database, what is wrong, what to do.

The text never holds a password. It must not know what a statement was for.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sqlite3
import ssl
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.core.errors import StorageError, StorageUnavailable, StorageUnusable
from storage import pooler
from storage.address import TLS_FILES


class NoServer(ConnectionError):
    """None of the servers of an address is of the wanted kind now; the text says what each is."""


# sqlite.org/rescode.html: the primary codes that mean "not now" and are not about the statement
_SQLITE_AGAIN = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_SQLITE_NEVER = {
    sqlite3.SQLITE_NOTADB: "is no SQLite database: check the path; a damaged file looks like this "
    "too, then move it away and run `bot restore` with the latest backup",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the bot, move the file away with its -wal "
    "and -shm, and run `bot restore` with the latest backup",
    sqlite3.SQLITE_PERM: "may not be read by this user",
    sqlite3.SQLITE_AUTH: "may not be read by this user",
}
_SQLITE_HINTS = {
    sqlite3.SQLITE_READONLY: "this user must be able to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "this user must be able to read and write the file and its folder",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_BUSY: "another program holds the file; a SQLite file has one bot",
}

READ_ONLY = "25006"
"""PostgreSQL: a write on a standby, or on a server whose default is to read."""

_READ_ONLY_DISK = (
    "the disk is mounted read-only, often after an error of its own: see dmesg, then mount it "
    "writable again (mount -o remount,rw)"
)

# PostgreSQL, appendix A: connection, resources, operator intervention, system error, rolled back
# because of others, lock not available, read-only (a standby that took over)
_POSTGRES_AGAIN = ("08", "53", "57P", "57014", "58", "40", "55P03", READ_ONLY, "25P03")
_POSTGRES_NEVER = {
    "28P01": "check the user and the password; @ : / ? # % in a password are written as %40 and "
    "so on",
    "28": "the server does not let this user in from here: check the user, pg_hba.conf and "
    "sslmode",
    "3D000": "create it: CREATE DATABASE {database} OWNER {user}",
    "3F000": "create the schema, and let {user} make tables in it",
    "42501": "let {user} make tables: as a superuser, in database {database}, GRANT ALL ON SCHEMA "
    "public TO {user}; tables that exist must belong to it",
}


def where(url: URL, name: str = "") -> str:
    """Return what people call this database; `name` instead of the path of a temporary copy."""
    if url.get_backend_name() == "sqlite":
        return name or str(url.database)
    named = url.database or url.username
    return f"PostgreSQL at {_host(url)}" + (f", database {named}" if named else "")


def explain(exc: BaseException, url: URL, name: str = "") -> StorageError | None:
    """Return the StorageError of a driver's error; None when it is about the statement."""
    place = where(url, name)
    if isinstance(exc, PoolTimeout):
        return StorageUnavailable(f"{place}: no free connection")
    if isinstance(exc, OSError | asyncio.TimeoutError):
        return StorageUnavailable(f"{place}: {_file_trouble(exc, url) or _no_connection(exc)}")
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    code = getattr(cause, "sqlite_errorcode", None)
    state = getattr(cause, "sqlstate", None)
    said = _first_line(cause)
    if code is not None:
        code &= 0xFF
        if code in _SQLITE_NEVER:
            return StorageUnusable(f"{place}: {_SQLITE_NEVER[code]} ({said})")
        if code in _SQLITE_AGAIN:
            if Path(str(url.database)).is_dir():
                return StorageUnavailable(f"{place}: is a folder; name a file in it")
            todo = _READ_ONLY_DISK if _is_read_only(url) else _SQLITE_HINTS.get(code)
            hint = f"; {todo}" if todo else ""
            return StorageUnavailable(f"{place}: {said}{hint}")
    if state is not None:
        if (words := pooler.advice(state, said)) is not None:  # a later try may succeed
            return StorageUnavailable(f"{place}: {said}; {words}")
        if state.startswith(_POSTGRES_AGAIN):
            return StorageUnavailable(f"{place}: {said}")
        for known, hint in _POSTGRES_NEVER.items():
            if state.startswith(known):
                words = hint.format(user=url.username or "the user", database=url.database)
                return StorageUnusable(f"{place}: {said}; {words}")
    if isinstance(exc, DBAPIError) and exc.connection_invalidated:
        return StorageUnavailable(f"{place}: {said}")
    if getattr(exc, "statement", None) is None and not (state or "").startswith("23"):
        # Raised while connecting: a commit has only the errors above and those of class 23
        if state == "55000":
            return StorageUnavailable(f"{place}: {said}")  # "not currently accepting connections"
        origin = cause.__cause__ if isinstance(exc, DBAPIError) and cause is not None else exc
        if type(origin).__module__.startswith("asyncpg."):
            return StorageUnusable(f"{place}: {said}")
    return None


def explain_schema(exc: BaseException, url: URL, name: str = "") -> StorageError | None:
    """Like `explain`, for statements that create tables: any other error means that the database
    has other tables of the same names."""
    if (error := explain(exc, url, name)) is not None or not isinstance(exc, DBAPIError):
        return error
    return StorageUnusable(
        f"{where(url, name)}: its tables are not those of this program "
        f"({_first_line(exc.orig)}); nothing was changed"
    )


def _is_read_only(url: URL) -> bool:
    """Whether the file system of a SQLite file takes no writes from anybody."""
    try:
        return bool(os.statvfs(Path(str(url.database)).parent).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):  # Windows has neither
        return False


def _host(url: URL) -> str:
    hosts = url.host or url.query.get("host") or "localhost"
    if isinstance(hosts, tuple):
        hosts = ", ".join(hosts)
    return f"{hosts}:{url.port}" if url.port else hosts


def _file_trouble(exc: BaseException, url: URL) -> str:
    """Return the words for a TLS file that cannot be read, "" if all can be: asyncpg does not name
    the file, and its error looks like that of a missing socket."""
    if not isinstance(exc, FileNotFoundError | PermissionError | IsADirectoryError | NoServer):
        return ""
    for name in TLS_FILES:
        path = str(url.query.get(name, ""))
        if path and not (Path(path).is_file() and os.access(path, os.R_OK)):
            return f"the file of {name} cannot be read; check its path and its rights"
    if "PermissionError" not in f"{type(exc).__name__}: {exc}":  # NoServer tells the kind
        return ""
    try:
        (Path.home() / ".postgresql").exists()
    except PermissionError:
        return (
            "certificates are looked for in ~/.postgresql, and this user may not look there; set "
            "HOME to a folder of this user"
        )
    except (OSError, RuntimeError):
        pass
    return ""


def _no_connection(exc: BaseException) -> str:
    kind = type(exc).__name__
    if isinstance(exc, NoServer):
        return str(exc)
    if isinstance(exc, ssl.SSLError):
        return f"TLS failed ({exc.reason or kind}); see sslmode and sslrootcert in the address"
    if "SSL" in str(exc):  # asyncpg: a plain ConnectionError
        return "the server has no TLS; sslmode=disable in the address connects without"
    if isinstance(exc, socket.gaierror):
        return f"no host has this name ({kind}); check the address"
    if isinstance(exc, ConnectionRefusedError | FileNotFoundError):
        return f"nothing listens there ({kind}); is the server running?"
    if isinstance(exc, TimeoutError | asyncio.TimeoutError):
        return f"no answer in time ({kind})"
    return f"no connection ({kind})"


def _first_line(exc: object) -> str:
    """Return the driver's own words: the details below them may repeat values of a row."""
    line = str(exc).strip().partition("\n")[0]
    return re.sub(r"^<class '[^']+'>: ", "", line) or type(exc).__name__
