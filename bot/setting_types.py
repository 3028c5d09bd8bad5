"""The types of settings: the form of each kind of value.

An error describes the expected form and never repeats the value. It must not know which setting
has which type.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from bot.core import catalog, examples
from bot.core.gifts import read_gift
from bot.core.stars import read_packages
from storage.address import parse


def stripped(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without spaces around them: `docker --env-file` keeps those, and a shell
    that reads a file with CRLF keeps the CR.
    """
    return {
        name: value.strip() if isinstance(value, str) else value for name, value in values.items()
    }


# ASCII only, since letters of other alphabets look alike; no comment; and no "..." from an example
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


def _token(value: SecretStr) -> SecretStr:
    number, colon, rest = value.get_secret_value().partition(":")
    if not (number.isdigit() and colon and _TOKEN.fullmatch(rest)):
        raise ValueError("should look like 123456789:AAE... as @BotFather gives it")
    return value


def _key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    if not key or not key.isascii() or any(c.isspace() or c in "\"'#" for c in key):
        raise ValueError("should be the bare key, without `Bearer`, quotes, spaces and comments")
    return value


def _http_url(value: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - a bad port raises here
        host = parts.hostname or ""
        host.encode("idna")  # so does a host with an empty part
    except ValueError:
        raise ValueError("should be an http(s) address") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("should begin with https:// or http:// and a host, without quotes")
    if parts.query or parts.fragment:
        raise ValueError("should be an http(s) address without a query")
    if any(c.isspace() for c in value):
        raise ValueError("should be an http(s) address without spaces")
    return value.rstrip("/")


def _host(value: str) -> str:
    """Return a name, or an IP address in its shortest form and without brackets."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if bare != value or set(value) & set(":/,*") or any(c.isspace() for c in value):
        raise ValueError("should be one address without a port, like 0.0.0.0 or ::")
    return value


def is_local(url: str) -> bool:
    """Whether the host of a URL can be reached only from this machine or its own network."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    return "." not in host or host.endswith(
        (".local", ".localhost", ".internal", ".lan", ".home.arpa")
    )


def _public_tunnel(value: str) -> str:
    if value in ("", CLOUDFLARED):
        return value
    try:
        parts = urlsplit(value)
        known = (
            parts.scheme == "ssh" and parts.username and parts.hostname and parts.port != 0
            and parts.password is None and not (parts.path.strip("/") or parts.query)
            and not parts.fragment and " " not in value
        )  # fmt: skip
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"should be `{CLOUDFLARED}` or ssh://user@host:port, without a password")
    return value.rstrip("/")


def _proxy_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "socks5"} and parts.hostname and parts.port
    except ValueError:
        known = False
    if value and not known:
        raise ValueError("should look like socks5://host:1080 or http://user:word@host:3128")
    return value


def _database_url(value: str) -> str:
    url = parse(value)
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("should name a file: a database in memory is lost when the bot stops")
    return value


def _sentry_dsn(value: SecretStr) -> SecretStr:
    if dsn := value.get_secret_value():
        try:
            parts = urlsplit(dsn)
            known = parts.scheme in {"http", "https"} and parts.username and parts.hostname
        except ValueError:
            known = False
        if not (known and parts.path.rpartition("/")[2].isdigit()):
            raise ValueError("should be a DSN as Sentry shows it")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("should be a time zone, like Europe/Moscow") from None
    return value


def _user_ids(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    numbers = value.replace(",", " ").split()
    if not all(n.isascii() and n.isdigit() and len(n) < 16 for n in numbers):
        raise ValueError("should be Telegram user IDs: 1001,1002")
    return frozenset(map(int, numbers))


def _packages(value: str) -> str:
    read_packages(value)
    return value


def _bonus(value: str) -> str:
    if value and read_gift(value) is None:
        raise ValueError("should be a number of videos, like 1, or credit, like 50₽")
    return value


def _catalog_file(value: Path | None) -> Path | None:
    if value is not None:
        catalog.read(value)
    return value


def _examples_file(value: Path | None) -> Path | None:
    if value is not None:
        examples.read(value)
    return value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


CLOUDFLARED = "cloudflared"
"""The setting of the tunnel that is a program; every other value begins with ssh://."""

BotToken = Annotated[SecretStr, AfterValidator(_token)]
ApiKey = Annotated[SecretStr, AfterValidator(_key)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
PublicTunnel = Annotated[str, AfterValidator(_public_tunnel)]
Host = Annotated[str, AfterValidator(_host)]
ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
SentryDsn = Annotated[SecretStr, AfterValidator(_sentry_dsn)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
UserIds = Annotated[frozenset[int], NoDecode, BeforeValidator(_user_ids)]
"""Telegram user IDs, in the environment as `1001,1002`."""
Packages = Annotated[str, AfterValidator(_packages)]
Bonus = Annotated[str, AfterValidator(_bonus)]
"""A gift as `bot.core.gifts.read_gift` reads it."""
CatalogFile = Annotated[Path | None, AfterValidator(_catalog_file)]
ExamplesFile = Annotated[Path | None, AfterValidator(_examples_file)]
Lower = BeforeValidator(_lower)
Upper = BeforeValidator(_upper)
MOST = 10**9
"""The largest number: one that fits no column, or leads past the last date, would fail orders."""
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
ChatId = Annotated[int, Field(gt=-(10**15), lt=10**15)]
Port = Annotated[int, Field(ge=0, le=65535)]
Days = Annotated[int, Field(ge=0, le=36500)]
