"""The settings: environment, `.env` and secret files, read once in `__main__`, then frozen.

An error names each wrong, missing or misspelt setting; values are never repeated, since they may
be secrets. `make docs` writes docs/settings.md and .env.example from the fields and their
docstrings. The file is long on purpose: a setting, its default and its explanation stay together.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
import logging
import shutil
from collections.abc import Iterable, Set
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot import setting_names
from bot.core import catalog, examples, families
from bot.core.access import Access
from bot.core.caps import OF_SETTINGS, Limit, OrderRules
from bot.core.catalog import CATALOG
from bot.core.chat_models import AUTO
from bot.core.gifts import Gift, read_gift
from bot.core.prices import PriceView, Show
from bot.core.stars import StarsPackages, read_packages
from bot.core.task import TaskKind
from bot.media import speech
from bot.provider.account import account_mark
from bot.setting_types import (
    CLOUDFLARED,
    ApiKey,
    Bonus,
    BotToken,
    CatalogFile,
    ChatId,
    Count,
    DatabaseUrl,
    Days,
    ExamplesFile,
    Host,
    HttpUrl,
    Lower,
    Packages,
    Port,
    Positive,
    ProxyUrl,
    PublicTunnel,
    SentryDsn,
    TimeZone,
    Upper,
    UserIds,
    is_local,
    stripped,
)
from storage.address import sqlite_file

ADMIN_PORT = 8081
"""The port of health and metrics when a tunnel leads to the other listener."""


class SettingsError(Exception):
    """The settings are wrong; the text has one clear line for each problem."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Settings(BaseSettings):
    """All settings of the operator."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True,
        env_ignore_empty=True, hide_input_in_errors=True,
    )  # fmt: skip

    # --- required ---

    bot_token: BotToken
    """The token from @BotFather: `123456789:AAE...`."""
    bot_token_file: Path | None = None
    """A file that holds the token, instead of `BOT_TOKEN`."""
    gptunnel_api_key: ApiKey
    """The API key from GPTunnel, without `Bearer`."""
    gptunnel_api_key_file: Path | None = None
    """A file that holds the key, instead of `GPTUNNEL_API_KEY`."""

    # --- access ---

    access: Annotated[Literal["closed", "open"], Lower] = "closed"
    """Who may use the bot; `closed`: the people named here and those an admin lets in; `open`:
    everybody.
    """
    admins: UserIds = frozenset()
    """Telegram user IDs of the people who run the bot; empty: the first start prints a link."""
    allowed_users: UserIds = frozenset()
    """Telegram user IDs of the people who may use the bot, separated by commas."""
    admin_chat: ChatId | None = None
    """A chat that receives alerts (`-100...`), instead of each admin in private."""
    balance_alert: Count = 100
    """An alert is sent when the GPTunnel balance falls below this many roubles; 0: never."""
    settle_by_balance: bool = False
    """An order whose answer was lost is settled by the change of the GPTunnel balance, if
    `bot check --order` saw that it moves at acceptance; only for a key that serves this bot alone.
    """
    failure_breaker: Count = 0
    """New orders are paused after this many charged failures in a row; 0: never."""

    # --- limits on orders ---

    cap_user_at_once: Count = 0
    """Videos of one person in progress at once; 0, here and below: no limit."""
    cap_user_at_once_roubles: Count = 0
    """The same in roubles."""
    cap_user_per_day: Count = 0
    """Videos of one person per day."""
    cap_user_per_day_roubles: Count = 0
    """The same in roubles."""
    cap_global_at_once: Count = 0
    """Videos of all people in progress at once."""
    cap_global_at_once_roubles: Count = 0
    """The same in roubles."""
    cap_global_per_day: Count = 0
    """Videos of all people per day."""
    cap_global_per_day_roubles: Count = 0
    """The same in roubles."""

    day_timezone: TimeZone = "UTC"
    """Whose midnight begins a day of caps, `/admin` and `/stats`, and whose times are shown, as
    `Europe/Moscow`."""

    # --- Telegram Stars ---

    stars_packages: Packages = ""
    """Credit sold for Telegram Stars, as `100:170,500:900` (Stars and roubles); empty: none."""
    referral_bonus: Bonus = ""
    """Gift of the first video to a new person and who invited them: `1` or `50₽`; empty: none."""
    support_contact: str = ""
    """Who answers questions about payments: @name or an address."""

    show_prices: Annotated[Show, Lower] = "auto"
    """Who sees prices: `auto`: those who pay (admins, with Stars everybody); `always`; `never`."""

    # --- photos ---

    public_url: HttpUrl = ""
    """The public address of the bot's HTTP server, `https://bot.example.org`."""
    public_tunnel: PublicTunnel = ""
    """A tunnel to this machine: `cloudflared` or `ssh://user@host:port`; empty: none."""
    frames_s3_endpoint: HttpUrl = ""
    """Instead of a public address: the endpoint of an S3 bucket for first frames."""
    frames_s3_bucket: str = ""
    """The name of the bucket."""
    frames_s3_access_key: str = ""
    """Its access key."""
    frames_s3_secret_key: SecretStr = SecretStr("")
    """Its secret key."""
    frames_s3_region: str = "us-east-1"
    """Its region."""
    http_host: Host = "127.0.0.1"
    """The address on which the HTTP server listens; `::`: all of IPv4 and IPv6."""
    http_port: Port = 8080
    """Its port."""
    admin_http_port: Port | None = None
    """The port of `/healthz`, `/readyz` and `/metrics`; empty: `HTTP_PORT`, with a tunnel 8081."""
    frame_ttl_seconds: Positive = 3600
    """The link to a first frame expires after this many seconds."""

    # --- people's data ---

    retention_days: Days = 90
    """A finished order is deleted with all its data after this many days; 0: never."""
    draft_retention_days: Days = 30
    """A card that was not ordered is deleted after this many days; 0: never."""

    # --- videos ---

    catalog_file: CatalogFile = None
    """The models that a card offers, as TOML or JSON; `bot catalog` writes one."""
    model: str = "seedance-1-lite-480P-5s"
    """The model of new cards; its name includes resolution and length."""
    image_model: str = ""
    """The image model of 🖼 on a card, priced in `CATALOG_FILE`; empty: no pictures are made."""
    examples_file: ExamplesFile = None
    """The scenes and photo templates of `/examples`, as TOML or JSON, instead of the built-in
    ones.
    """
    translate_model: str = AUTO
    """The GPTunnel chat model that translates prompts; `auto`: a known one; empty: none."""
    vision_model: str = ""
    """The GPTunnel chat model that suggests what could happen in a photo; `auto`: a known one;
    empty: none.
    """
    transcribe_model: str = ""
    """The model that turns voice messages into text, as `whisper-1`; without `TRANSCRIBE_URL` it
    runs on this machine, as `small`; empty: none.
    """
    transcribe_url: HttpUrl = ""
    """The service of that model in the OpenAI form, `https://api.openai.com/v1`."""
    transcribe_key: SecretStr = SecretStr("")
    """Its key, without `Bearer`; empty: it needs none."""
    story_model: str = ""
    """The GPTunnel chat model that proposes the scenes of `/film`; `auto`: a known one; empty:
    people write the scenes."""
    task_deadline_seconds: Positive = 900
    """After this many seconds the bot tells the person that the video takes longer."""
    provider_concurrency: Annotated[
        Positive,
        Field(validation_alias=AliasChoices("provider_concurrency", "provider_places")),
    ] = 20
    """Videos of all processes at the provider at once; the provider publishes no limit."""

    # --- connections ---

    updates: Annotated[Literal["polling", "webhook"], Lower] = "polling"
    """How updates arrive; `webhook`: Telegram calls `PUBLIC_URL`."""
    role: Annotated[Literal["all", "intake", "worker"], Lower] = "all"
    """With several processes on PostgreSQL: `intake` answers people, `worker` makes videos, `all`
    does both.
    """
    telegram_api_url: HttpUrl = "https://api.telegram.org"
    """The address of the Bot API server; change it for a server of your own."""
    telegram_local: bool = False
    """Whether that server runs with `--local` on this machine: uploads up to 2000 MB instead of
    50.
    """
    telegram_proxy: ProxyUrl = ""
    """A proxy to Telegram: `socks5://host:1080` or `http://user:word@host:3128`."""
    gptunnel_base_url: HttpUrl = "https://gptunnel.ru/v1"
    """The provider's API."""
    provider_proxy: ProxyUrl = ""
    """A proxy to GPTunnel, in the same form."""

    # --- operations ---

    database_url: DatabaseUrl = "sqlite+aiosqlite:///data/bot.db"
    """The database; PostgreSQL: `postgresql+asyncpg://user:password@host/database`. With a
    standby: `postgresql+asyncpg://user:password@host1:5432,host2:5432/database`. A pooler must be
    in session mode."""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Upper] = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: Annotated[Literal["auto", "json", "text"], Lower] = "auto"
    """`json`: one object per line, `text`: for people; `auto`: text on a terminal."""
    metrics_token: SecretStr = SecretStr("")
    """The bearer token for `/metrics`; empty: it answers private networks only."""
    sentry_dsn: SentryDsn = SecretStr("")
    """Errors are sent to Sentry, without secrets and without people's messages."""
    allow_private_result_hosts: bool = False
    """For tests: follow result links to private addresses and plain http."""

    @model_validator(mode="before")
    @classmethod
    def _empty_means_off(cls, values: Any) -> Any:
        """An empty TRANSLATE_MODEL is a choice, which the sources leave out as not set."""
        if "translate_model" not in values and setting_names.is_empty("TRANSLATE_MODEL"):
            values["translate_model"] = ""
        return values

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        for name in _SECRETS:
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                with suppress(OSError, UnicodeDecodeError):  # see _secret_file
                    values[name] = Path(path).read_text(encoding="utf-8-sig").strip()
        return values

    @model_validator(mode="before")
    @classmethod
    def _without_spaces(cls, values: Any) -> Any:
        """Of these validators the last one runs first."""
        return stripped(values)

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

    @field_validator("model")
    @classmethod
    def _model(cls, value: str, info: ValidationInfo) -> str:
        path = info.data.get("catalog_file")
        listed = catalog.read(path) if path else ()
        known = [model.id for model in catalog.videos(listed)] or [
            model.id for model in catalog.videos(CATALOG.values())
        ]
        is_default = path and value == cls.model_fields["model"].default
        if value not in known and (value in _pictures(listed) or families.makes_pictures(value)):
            raise ValueError("makes pictures; set it as IMAGE_MODEL, and a video model here")
        if value not in known and not is_default:
            nearest = difflib.get_close_matches(value, known, n=5, cutoff=0)
            source = "CATALOG_FILE" if path else "the catalog"
            raise ValueError(f"is not in {source}; the nearest: {', '.join(nearest)}")
        return value

    @field_validator("examples_file")
    @classmethod
    def _examples(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """A template's model should be one that a card offers."""
        if value is not None and "model" in info.data and "catalog_file" in info.data:
            path = info.data["catalog_file"]
            offered = catalog.read(path) if path else catalog.offered(info.data["model"])
            examples.read(value, [model.id for model in offered])
        return value

    @field_validator("image_model")
    @classmethod
    def _image_model(cls, value: str, info: ValidationInfo) -> str:
        path = info.data.get("catalog_file")
        listed = catalog.read(path) if path else ()
        pictures = _pictures(listed)
        if not value or value in pictures:
            return value
        if value in {model.id for model in catalog.videos((*listed, *CATALOG.values()))}:
            raise ValueError(
                f"makes videos, not pictures; image models: {', '.join(families.IMAGE_MODELS)}"
            )
        if value in families.IMAGE_MODELS:
            raise ValueError("has no price: name it in CATALOG_FILE, which `bot catalog` writes")
        if families.makes_pictures(value):
            raise ValueError(f"cannot be used: it {families.why_unfit(value)}")
        known = sorted({*pictures, *families.IMAGE_MODELS})
        nearest = difflib.get_close_matches(value, known, n=3, cutoff=0)
        raise ValueError(f"is no image model that is known; the nearest: {', '.join(nearest)}")

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
            lines += [f"{name}: also needed for a bucket of first frames" for name in missing]
        if self.public_url and is_local(self.public_url) and not is_local(self.gptunnel_base_url):
            lines.append(
                "PUBLIC_URL: the provider cannot reach this address; use a public one, or leave "
                "it empty (no photos)"
            )
        if self.public_url and urlsplit(self.public_url).username is not None:
            lines.append(
                "PUBLIC_URL: should have no user and password, since it is sent to others"
            )
        if self.updates == "webhook" and not (self.public_url or self.public_tunnel):
            lines.append("PUBLIC_URL: needed for UPDATES=webhook, Telegram must reach it")
        if self.public_tunnel == CLOUDFLARED:
            if self.public_url:
                lines.append(
                    "PUBLIC_URL: leave it empty with PUBLIC_TUNNEL=cloudflared, which gets a new "
                    "address at each start; or remove PUBLIC_TUNNEL"
                )
            if shutil.which(CLOUDFLARED) is None:
                lines.append(
                    "PUBLIC_TUNNEL: the program `cloudflared` is not on the PATH; install it, or "
                    "use ssh://user@host"
                )
        if self.show_prices == "never" and self.stars_packages:
            lines.append("SHOW_PRICES: people who pay have to see prices; use auto")
        if self.transcribe_url and not self.transcribe_model:
            lines.append("TRANSCRIBE_MODEL: also needed with TRANSCRIBE_URL")
        if self.transcribe_key.get_secret_value() and not self.transcribe_url:
            lines.append("TRANSCRIBE_URL: also needed with TRANSCRIBE_KEY")
        if self.hears_here and not speech.is_installed():
            lines.append(
                "TRANSCRIBE_MODEL: without TRANSCRIBE_URL it needs faster-whisper; install the "
                "extra `voice`"
            )
        if self.http_port and self.admin_port == self.http_port:
            lines.append("ADMIN_HTTP_PORT: should be another port than HTTP_PORT")
        if self.role != "all" and self.database_url.startswith("sqlite"):
            lines.append(
                f"ROLE: {self.role} needs PostgreSQL in DATABASE_URL; a SQLite file has one "
                "process, with ROLE=all"
            )
        if lines:
            raise ValueError("\n".join(lines))
        return self

    @property
    def hears_here(self) -> bool:
        """Whether voice messages are turned into text on this machine."""
        return bool(self.transcribe_model) and not self.transcribe_url

    @property
    def takes_updates(self) -> bool:
        """Whether this process receives and handles updates."""
        return self.role != "worker"

    @property
    def makes_videos(self) -> bool:
        """Whether this process works on orders."""
        return self.role != "intake"

    def access_rules(self, admins: Set[int]) -> Access:
        """The access rules of the settings, with everybody who runs the bot."""
        return Access(is_open=self.access == "open", admins=admins, allowed=self.allowed_users)

    @property
    def is_usable(self) -> bool:
        """Whether anybody may use the bot, or could give access."""
        return self.access == "open" or bool(self.admins | self.allowed_users)

    def alert_chats(self, admins: Set[int]) -> Set[int]:
        """Chats that receive alerts: ADMIN_CHAT, or every admin in private."""
        return admins if self.admin_chat is None else frozenset({self.admin_chat})

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one line for each setting that is allowed but probably a mistake."""
        found = []
        capped = any(limit.videos or limit.roubles for limit in self.order_rules().caps.values())
        if self.access == "open" and not capped and not self.stars_packages:
            found.append("ACCESS=open without caps or Stars: anybody can spend your balance")
        if self.stars_packages and not self.support_contact:
            found.append("STARS_PACKAGES without SUPPORT_CONTACT: nobody answers about payments")
        if self.bonus and self.bonus.roubles and not self.stars_packages:
            found.append("REFERRAL_BONUS in roubles without STARS_PACKAGES: nobody can use credit")
        if self.public_tunnel and self.frames_s3_bucket and self.updates != "webhook":
            found.append("PUBLIC_TUNNEL is not used: first frames are in the bucket")
        if self.image_model and not self.photos_on:
            found.append(
                "IMAGE_MODEL without PUBLIC_URL: a picture could not start a video, so "
                "there is no button"
            )
        return tuple(found)

    def order_rules(self, admins: Set[int] = frozenset()) -> OrderRules:
        """The rules that every order has to keep; admins pay nothing."""
        caps = {
            cap: Limit(
                getattr(self, f"cap_{cap.value}"), getattr(self, f"cap_{cap.value}_roubles")
            )
            for cap in OF_SETTINGS
        }
        return OrderRules(
            caps=caps,
            sold=bool(self.stars_offer.packages),
            free_for=admins,
            zone=self.day_zone,
            photos=self.photos_on,
        )

    @property
    def day_zone(self) -> ZoneInfo:
        """The zone of DAY_TIMEZONE."""
        return ZoneInfo(self.day_timezone)

    def price_view(self, admins: Set[int] = frozenset()) -> PriceView:
        """Who sees prices."""
        sold = bool(self.stars_offer.packages)
        return PriceView(show=self.show_prices, sold=sold, admins=admins)

    @property
    def bonus(self) -> Gift | None:
        """What a referral brings both people; None: nothing."""
        return read_gift(self.referral_bonus)

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
    def account_mark(self) -> str:
        """Return an identifier of the account at GPTunnel that does not contain the key."""
        return account_mark(self.gptunnel_base_url, self.gptunnel_api_key.get_secret_value())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in any log line."""
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
            self.transcribe_key.get_secret_value(),
            self.webhook_secret,
            dsn,
            (dsn and urlsplit(dsn).username) or "",
            *passwords,
            *map(unquote, passwords),
        )

    @property
    def admin_port(self) -> int | None:
        """The port of the operator's listener; None if one listener serves both purposes."""
        if self.admin_http_port is None and self.public_tunnel:
            return ADMIN_PORT
        return self.admin_http_port

    @property
    def needs_tunnel(self) -> bool:
        """Whether this process opens a tunnel: for photos, or for Telegram's calls."""
        photos = self.makes_videos and not self.frames_s3_bucket
        calls = self.takes_updates and self.updates == "webhook"
        return bool(self.public_tunnel) and (photos or calls)

    @property
    def tunnel_owner(self) -> str:
        """The owner of the tunnel, who passes photos on to the provider; "" without a tunnel."""
        if not self.public_tunnel or self.frames_s3_bucket:
            return ""
        if self.public_tunnel == CLOUDFLARED:
            return "Cloudflare"
        return urlsplit(self.public_tunnel).hostname or ""

    @property
    def webhook_secret(self) -> str:
        """The secret that Telegram sends with each update, the same in every process of this bot.

        It is derived from the token, so there is no further secret to keep (Bot API: setWebhook).
        """
        token = self.bot_token.get_secret_value().encode()
        return hmac.new(token, b"webhook", hashlib.sha256).hexdigest()

    @property
    def models(self) -> tuple[catalog.Model, ...]:
        """The video models that people can choose: those of the operator's catalog, or built-in
        ones when it names none."""
        listed = () if self.catalog_file is None else catalog.read(self.catalog_file)
        return catalog.videos(listed) or catalog.offered(self.model)

    @property
    def drawing_model(self) -> catalog.Model | None:
        """The image model of 🖼; None: no pictures are made."""
        if not self.image_model or self.catalog_file is None or not self.photos_on:
            return None
        listed = catalog.read(self.catalog_file)
        return next((one for one in listed if one.id == self.image_model), None)

    @property
    def priced_models(self) -> tuple[catalog.Model, ...]:
        """All models whose prices people see, or may have seen."""
        listed = () if self.catalog_file is None else catalog.read(self.catalog_file)
        return (*self.models, *(one for one in listed if one.kind is TaskKind.PICTURE))

    @property
    def default_model(self) -> catalog.Model:
        """The model of a new card: MODEL, or the first of the operator's own catalog."""
        return next((one for one in self.models if one.id == self.model), self.models[0])

    @property
    def photos_on(self) -> bool:
        """Whether the bot can publish first frames for the provider."""
        return bool(self.public_url or self.public_tunnel or self.frames_s3_bucket)

    @property
    def log_level_number(self) -> int:
        """The level as a number of `logging`."""
        return logging.getLevelNamesMapping()[self.log_level]


class DatabaseSettings(BaseSettings):
    """What the commands of the database need: everything else may be missing or wrong."""

    model_config = Settings.model_config

    database_url: DatabaseUrl = Settings.model_fields["database_url"].default

    @model_validator(mode="before")
    @classmethod
    def _without_spaces(cls, values: Any) -> Any:
        return stripped(values)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in any log line."""
        return (_password(self.database_url),)


def read_database_settings(**overrides: Any) -> DatabaseSettings:
    """Read DATABASE_URL alone; SettingsError has one line when it is wrong or misspelt."""
    try:
        unknown = setting_names.unknown(Settings.model_fields, _env_file(overrides))
        settings = DatabaseSettings(**overrides)
    except ValidationError as exc:
        file = _env_file(overrides)
        raise SettingsError([_line(error, file) for error in exc.errors()]) from None
    # Otherwise the command would work on the default file.
    if meant := [line for line in unknown if "DATABASE_URL" in line]:
        raise SettingsError(meant)
    return settings


def read_settings(**overrides: Any) -> Settings:
    """Read the settings; SettingsError has one line for each wrong, missing or unknown setting."""
    try:
        unknown = setting_names.unknown(Settings.model_fields, _env_file(overrides))
        settings = Settings(**overrides)
    except ValidationError as exc:
        wrong = {error["loc"] for error in exc.errors()}
        file = _env_file(overrides)
        lines = [
            line
            for error in exc.errors()
            for line in _line(error, file).splitlines()
            # An unreadable file explains all other problems.
            if error["type"] != "missing" or (f"{error['loc'][0]}_file",) not in wrong
        ]
        raise SettingsError(unknown + lines) from None
    if unknown:
        raise SettingsError(unknown)
    return settings


def _env_file(overrides: dict[str, Any]) -> Path | str | None:
    """Return the path of `.env`; SettingsError when settings in it would be left out."""
    file: Path | str | None = overrides.get("_env_file", ".env")
    try:
        wrong = setting_names.unreadable(file)
    except UnicodeDecodeError:
        wrong = [".env: should be text in UTF-8"]
    except OSError as exc:  # also a folder, which Docker makes for a mount that is not there
        wrong = [f".env: cannot be read ({type(exc).__name__})"]
    if wrong:
        raise SettingsError(wrong)
    return file


def _line(error: Any, env_file: Path | str | None) -> str:
    name = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "is not set" + (
            f" (or set {name.upper()}_FILE to a file that holds it)" if name in _SECRETS else ""
        )
    elif name == "admin_chat" and error["type"] in ("int_parsing", "int_from_float"):
        message = "should be the number of a chat, like -1001234567890, not its @name"
    elif error["type"] in _PLAIN:
        message = _PLAIN[error["type"]].format(**error.get("ctx", {}))
    if (
        name
        and "quotes" not in message
        and (excess := setting_names.excess(name.upper(), env_file))
    ):
        # Docker's --env-file keeps the quotes and comments that .env allows
        message += f", {excess}"
    if name in _SECRETS and not setting_names.value_of(name.upper(), env_file):
        return (
            f"{name.upper()}_FILE: its text {message}"
            if message[:6] == "should"
            else (f"{name.upper()}: {message}")
        )
    return f"{name.upper()}: {message}" if name else message


_PLAIN = {
    "int_parsing": "should be a whole number, without a unit",
    "int_from_float": "should be a whole number, without a unit",
    "int_parsing_size": "should be a smaller number",
    "bool_parsing": "should be true or false",
    "literal_error": "should be {expected}",
    "greater_than_equal": "should be {ge} or more",
    "less_than_equal": "should be {le} or less",
    "greater_than": "should be a Telegram ID",
    "less_than": "should be a Telegram ID",
}
"""What pydantic says about a value of another type, in words for operators."""


def _pictures(models: Iterable[catalog.Model]) -> set[str]:
    return {model.id for model in models if model.kind is TaskKind.PICTURE}


def _password(address: str) -> str:
    """Return the part as written in the URL; urlsplit would end it at a # or a /."""
    return address.partition("://")[2].rpartition("@")[0].partition(":")[2]


_SECRETS = ("bot_token", "gptunnel_api_key")
