"""The settings: environment, `.env` and secret files, read once in `__main__`, then frozen.

A wrong or missing value names itself and what it should be; values are never repeated, since they
may be secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.core import catalog, examples
from bot.core.access import Access
from bot.core.caps import Bound, Cap, Terms
from bot.core.catalog import CATALOG
from bot.core.stars import StarsPackages, read_packages
from storage.engine import parse, sqlite_file


class SettingsError(Exception):
    """The settings are wrong: one clear line for each wrong or missing value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


People = Annotated[frozenset[int], NoDecode]
"""Telegram user IDs, in the environment as `1001,1002`."""
Count = Annotated[int, Field(ge=0)]


class Settings(BaseSettings):
    """What an operator can set; every field stands in the README's table."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True,
        env_ignore_empty=True, hide_input_in_errors=True,
    )  # fmt: skip

    bot_token: SecretStr
    bot_token_file: Path | None = None
    gptunnel_api_key: SecretStr
    gptunnel_api_key_file: Path | None = None
    access: Literal["closed", "open"] = "closed"
    admins: People = frozenset()
    allowed_users: People = frozenset()
    admin_chat: int | None = None
    balance_alert: Count = 100
    stars_packages: str = ""
    support_contact: str = ""
    cap_user_at_once: Count = 0
    cap_user_at_once_roubles: Count = 0
    cap_user_per_day: Count = 0
    cap_user_per_day_roubles: Count = 0
    cap_global_at_once: Count = 0
    cap_global_at_once_roubles: Count = 0
    cap_global_per_day: Count = 0
    cap_global_per_day_roubles: Count = 0
    gptunnel_base_url: str = "https://gptunnel.ru/v1"
    telegram_api_url: str = "https://api.telegram.org"
    telegram_local: bool = False
    telegram_proxy: str = ""
    provider_proxy: str = ""
    provider_concurrency: Annotated[int, Field(ge=1)] = 20
    updates: Literal["polling", "webhook"] = "polling"
    role: Literal["all", "intake", "worker"] = "all"
    database_url: str = "sqlite+aiosqlite:///data/bot.db"
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: str = ""
    frames_s3_endpoint: str = ""
    frames_s3_bucket: str = ""
    frames_s3_access_key: str = ""
    frames_s3_secret_key: SecretStr = SecretStr("")
    frames_s3_region: str = "us-east-1"
    catalog_file: Path | None = None
    model: str = "seedance-1-lite-480P-5s"
    examples_file: Path | None = None
    translate_model: str = ""
    task_deadline_seconds: Annotated[int, Field(ge=1)] = 900
    frame_ttl_seconds: Annotated[int, Field(ge=1)] = 3600
    retention_days: Annotated[int, Field(ge=0, le=36500)] = 90
    draft_retention_days: Annotated[int, Field(ge=0, le=36500)] = 30
    allow_private_result_hosts: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_token: SecretStr = SecretStr("")
    sentry_dsn: SecretStr = SecretStr("")

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        for name in _SECRETS:
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                with suppress(OSError, UnicodeDecodeError):  # see _secret_file
                    values[name] = Path(path).read_text(encoding="utf-8").strip()
        return values

    @field_validator("bot_token_file", "gptunnel_api_key_file")
    @classmethod
    def _secret_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        secret = (info.field_name or "").removesuffix("_file")
        if value is not None and secret not in info.data:
            try:
                value.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as exc:
                raise ValueError(f"cannot be read ({type(exc).__name__})") from None
        return value

    @field_validator("bot_token")
    @classmethod
    def _token(cls, value: SecretStr) -> SecretStr:
        number, colon, rest = value.get_secret_value().partition(":")
        if not (number.isdigit() and colon and rest) or any(c.isspace() for c in rest):
            raise ValueError("should look like 123456789:AAE... as @BotFather gives it")
        return value

    @field_validator("gptunnel_api_key")
    @classmethod
    def _key(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value()
        if not key or not key.isascii() or any(c.isspace() for c in key):
            raise ValueError("should be the bare key, without `Bearer` and without spaces")
        return value

    @field_validator("gptunnel_base_url", "telegram_api_url", "public_url", "frames_s3_endpoint")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 - a bad port raises here
        except ValueError:
            raise ValueError("should be an http(s) address") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError("should be an http(s) address without a query")
        return value.rstrip("/")

    @field_validator("stars_packages")
    @classmethod
    def _packages(cls, value: str) -> str:
        read_packages(value)
        return value

    @field_validator("admins", "allowed_users", mode="before")
    @classmethod
    def _people(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        numbers = value.replace(",", " ").split()
        if not all(n.isascii() and n.isdigit() and len(n) < 16 for n in numbers):
            raise ValueError("should be Telegram's numbers of people: 1001,1002")
        return frozenset(map(int, numbers))

    @field_validator("telegram_proxy", "provider_proxy")
    @classmethod
    def _proxy(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            known = parts.scheme in {"http", "socks5"} and parts.hostname and parts.port
        except ValueError:
            known = False
        if value and not known:
            raise ValueError("should look like socks5://host:1080 or http://user:word@host:3128")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _sentry(cls, value: SecretStr) -> SecretStr:
        if dsn := value.get_secret_value():
            try:
                parts = urlsplit(dsn)
                known = parts.scheme in {"http", "https"} and parts.username and parts.hostname
            except ValueError:
                known = False
            if not (known and parts.path.rpartition("/")[2].isdigit()):
                raise ValueError("should be a DSN as Sentry shows it")
        return value

    @field_validator("access", "updates", "role", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        bucket = {
            "FRAMES_S3_ENDPOINT": self.frames_s3_endpoint,
            "FRAMES_S3_BUCKET": self.frames_s3_bucket,
            "FRAMES_S3_ACCESS_KEY": self.frames_s3_access_key,
            "FRAMES_S3_SECRET_KEY": self.frames_s3_secret_key.get_secret_value(),
        }
        lines = []
        if any(bucket.values()):
            missing = [name for name, value in bucket.items() if not value]
            lines += [f"{name}: needed too for a bucket of first frames" for name in missing]
        if self.updates == "webhook" and not self.public_url:
            lines.append("PUBLIC_URL: needed for UPDATES=webhook, Telegram must reach it")
        if self.role != "all" and self.database_url.startswith("sqlite"):
            lines.append(
                f"ROLE: {self.role} needs PostgreSQL in DATABASE_URL; a SQLite file has one "
                "process, with ROLE=all"
            )
        if lines:
            raise ValueError("\n".join(lines))
        return self

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        url = parse(value)
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError("should name a file: what is only in memory is lost at a stop")
        return value

    @field_validator("catalog_file")
    @classmethod
    def _catalog(cls, value: Path | None) -> Path | None:
        if value is not None:
            catalog.read(value)
        return value

    @field_validator("model")
    @classmethod
    def _model(cls, value: str, info: ValidationInfo) -> str:
        path = info.data.get("catalog_file")
        known = [model.id for model in catalog.read(path)] if path else list(CATALOG)
        unsaid = path and value == cls.model_fields["model"].default
        if value not in known and not unsaid:
            raise ValueError(f"should be one of {', '.join(known)}")
        return value

    @field_validator("examples_file")
    @classmethod
    def _examples(cls, value: Path | None) -> Path | None:
        if value is not None:
            examples.read(value)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _log_level(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def takes_updates(self) -> bool:
        """Whether this process receives and handles updates."""
        return self.role != "worker"

    @property
    def makes_videos(self) -> bool:
        """Whether this process works on orders."""
        return self.role != "intake"

    @property
    def who(self) -> Access:
        """The access rules of the settings."""
        return Access(
            is_open=self.access == "open", admins=self.admins, allowed=self.allowed_users
        )

    @property
    def reachable(self) -> bool:
        """Whether anybody may use the bot, or could give access."""
        return self.access == "open" or bool(self.admins | self.allowed_users)

    @property
    def told(self) -> frozenset[int]:
        """Chats that receive alerts: ADMIN_CHAT, or every admin in private."""
        return self.admins if self.admin_chat is None else frozenset({self.admin_chat})

    @property
    def terms(self) -> Terms:
        """The rules that every order has to keep."""
        caps = {
            cap: Bound(
                getattr(self, f"cap_{cap.value}"), getattr(self, f"cap_{cap.value}_roubles")
            )
            for cap in Cap
        }
        return Terms(caps=caps, sold=bool(self.stars_offer.packages), free_for=self.admins)

    @property
    def stars_offer(self) -> StarsPackages:
        """The packages on sale for Telegram Stars."""
        return StarsPackages(
            packages=read_packages(self.stars_packages), contact=self.support_contact
        )

    @property
    def data_dir(self) -> Path:
        """The folder for files: beside the SQLite file, otherwise `data`."""
        file = sqlite_file(self.database_url)
        return file.parent if file else Path("data")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in any log line."""
        passwords = [
            _password(address)
            for address in (self.database_url, self.telegram_proxy, self.provider_proxy)
        ]
        dsn = self.sentry_dsn.get_secret_value()
        return (
            self.bot_token.get_secret_value(),
            self.gptunnel_api_key.get_secret_value(),
            self.frames_s3_secret_key.get_secret_value(),
            self.metrics_token.get_secret_value(),
            self.webhook_secret,
            dsn,
            (dsn and urlsplit(dsn).username) or "",
            *passwords,
            *map(unquote, passwords),
        )

    @property
    def webhook_secret(self) -> str:
        """The secret that Telegram sends with each update, the same in every process of this bot.

        Derived from the token, so there is nothing more to keep secret (Bot API: setWebhook).
        """
        token = self.bot_token.get_secret_value().encode()
        return hmac.new(token, b"webhook", hashlib.sha256).hexdigest()

    @property
    def models(self) -> tuple[catalog.Model, ...]:
        """The models that people choose from."""
        if self.catalog_file is None:
            return catalog.offered(self.model)
        return catalog.read(self.catalog_file)

    @property
    def default_model(self) -> catalog.Model:
        """The model of a new card: MODEL, or the first of the operator's own catalog."""
        return next((one for one in self.models if one.id == self.model), self.models[0])

    @property
    def photos_on(self) -> bool:
        """Whether the provider can fetch first frames from somewhere."""
        return bool(self.public_url or self.frames_s3_bucket)

    @property
    def log_level_number(self) -> int:
        """The level as a number of `logging`."""
        return logging.getLevelNamesMapping()[self.log_level]


def read_settings(**overrides: Any) -> Settings:
    """Read the settings; SettingsError has one line for each wrong or missing value."""
    try:
        return Settings(**overrides)
    except ValidationError as exc:
        wrong = {error["loc"] for error in exc.errors()}
        lines = [
            line
            for error in exc.errors()
            for line in _line(error).splitlines()
            # An unreadable file explains it all.
            if error["type"] != "missing" or (f"{error['loc'][0]}_file",) not in wrong
        ]
        raise SettingsError(lines) from None
    except UnicodeDecodeError:
        raise SettingsError([".env: should be text in UTF-8"]) from None


def _line(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "is not set" + (
            f" (or set {name.upper()}_FILE to a file that holds it)" if name in _SECRETS else ""
        )
    return f"{name.upper()}: {message}" if name else message


def _password(address: str) -> str:
    """Return the part as written in the URL; urlsplit would end it at a # or a /."""
    return address.partition("://")[2].rpartition("@")[0].partition(":")[2]


_SECRETS = ("bot_token", "gptunnel_api_key")
