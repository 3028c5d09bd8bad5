"""The checks of `bot check`: each test runs live, takes seconds and prints one line.

The checks use the same connections as the bot and change nothing permanently.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from aiogram import Bot
from aiogram.methods import GetMe, GetWebhookInfo, SendChatAction

from bot import setting_names
from bot.cli import model_checks
from bot.cli.findings import Finding, Level, Words, address
from bot.core.clock import utc_now
from bot.core.errors import (
    BotError,
    ProviderError,
    TelegramError,
    TelegramLost,
    TelegramMoved,
    TelegramRejected,
    TelegramUnauthorized,
    TelegramUnreachable,
)
from bot.runtime import proxy
from bot.runtime.http_server import HttpServer, frame_url, local_url
from bot.runtime.public_address import PublicAddress
from bot.settings import Settings
from bot.telegram.rate_limits import RateLimiter
from bot.wiring import (
    connect_provider,
    connect_telegram,
    open_bucket,
    wire_tunnel,
)
from storage import AdminStore, Database
from storage.address import sqlite_file
from storage.migrate import HEAD, can_make_tables, is_ours, too_new, version
from storage.recovery import only_process

SECONDS = 20.0
SKEW = timedelta(seconds=30)
"""Seconds of clock difference; a larger one breaks signed bucket links and Telegram's timestamps.
"""
LITTLE_DISK, NO_DISK = 2_000_000_000, 200_000_000


CLAIMS_SINCE = "0009"
"""The version of the tables that has admins who claimed the bot."""


async def run_all(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    """Run every check in parallel; return the lines in the order in which they are printed."""
    bot = connect_telegram(settings, RateLimiter())
    stack.push_async_callback(bot.session.close)
    provider = connect_provider(settings)
    stack.push_async_callback(provider.close)
    telegram = address("TELEGRAM_API_URL", settings.telegram_api_url)
    gptunnel = address("GPTUNNEL_BASE_URL", settings.gptunnel_base_url)
    transcription = address("TRANSCRIBE_URL", settings.transcribe_url)
    photos = _photo_address(settings)
    checks: list[tuple[str, str, Callable[[], Awaitable[Words]]]] = [
        ("token", telegram, lambda: _token(bot)),
        ("updates", telegram, lambda: _updates(bot, settings)),
        ("balance", gptunnel, lambda: model_checks.balance(provider, settings)),
        ("model", gptunnel, lambda: model_checks.model(provider, settings)),
        ("translation", gptunnel, lambda: model_checks.translation(provider, settings)),
        ("ideas", gptunnel, lambda: model_checks.vision(provider, settings)),
        ("voice", transcription, lambda: model_checks.voice(settings)),
        *(
            [("stories", gptunnel, lambda: model_checks.stories(provider, settings))]
            if settings.story_model
            else []
        ),
        ("photos", photos, lambda: _photos(settings)),
        ("admins", "DATABASE_URL", lambda: _admins(settings)),
        ("alerts", telegram, lambda: _alerts(bot, settings)),
        ("database", "DATABASE_URL", lambda: _database(settings)),
        ("clock", telegram, lambda: _clock(settings)),
        ("disk", "", lambda: _disk(settings)),
    ]
    found = await asyncio.gather(*(_safely(*check) for check in checks))
    return [Finding("settings", *_settings(settings)), *found]


def _photo_address(settings: Settings) -> str:
    if settings.frames_s3_bucket:
        return address("FRAMES_S3_ENDPOINT", settings.frames_s3_endpoint)
    if settings.public_tunnel:
        return "PUBLIC_TUNNEL"
    return address("PUBLIC_URL", settings.public_url)


def _settings(settings: Settings) -> Words:
    if notes := (*settings.warnings, *setting_names.renamed(), *setting_names.doubtful()):
        return Level.NOTE, "; ".join(notes)
    return Level.OK, "complete"


async def _safely(what: str, where: str, check: Callable[[], Awaitable[Words]]) -> Finding:
    """Run one check; `where` names the setting and the host that an error is about."""
    try:
        async with asyncio.timeout(SECONDS):
            return Finding(what, *await check())
    except TimeoutError:
        return Finding(what, Level.FAIL, f"no answer within {SECONDS:.0f} s ({where})")
    except (TelegramError, ProviderError) as exc:
        named = isinstance(exc, TelegramUnauthorized)
        return Finding(what, Level.FAIL, str(exc) if named else f"{exc} ({where})")
    except (BotError, ValueError) as exc:
        return Finding(what, Level.FAIL, str(exc))
    except (httpx.HTTPError, OSError) as exc:
        # The error texts may repeat an address with the token in it.
        return Finding(what, Level.FAIL, f"{type(exc).__name__} ({where})")


async def _token(bot: Bot) -> Words:
    me = await bot(GetMe())
    return Level.OK, f"@{me.username}" if me.username else me.first_name


async def _updates(bot: Bot, settings: Settings) -> Words:
    try:
        info = await bot(GetWebhookInfo())
    except (TelegramRejected, TelegramLost) as exc:
        if settings.updates == "polling":  # polling works anyway
            return Level.NOTE, f"by polling; whether a webhook is set is not known: {exc}"
        raise
    waiting = f"{info.pending_update_count} wait"
    if settings.updates == "polling" and info.url:
        return Level.NOTE, f"a webhook is set, which a start takes away; {waiting}"
    if settings.updates == "webhook" and info.last_error_message and info.pending_update_count:
        return Level.FAIL, f"Telegram cannot deliver: {info.last_error_message}; {waiting}"
    return Level.OK, f"by {settings.updates}; {waiting}"


async def _photos(settings: Settings) -> Words:
    if (bucket := open_bucket(settings)) is not None:
        key = f"check-{secrets.token_hex(8)}.jpg"
        await bucket.put(key, key.encode())
        link = await bucket.link(key, timedelta(minutes=1))
        async with _client("") as client:
            answer = await client.get(link)
        await bucket.delete(key)
        if answer.content != key.encode():
            return Level.FAIL, f"the bucket's link gives HTTP {answer.status_code}"
        return Level.OK, "through the bucket: put, fetched by its link, deleted"
    if settings.public_tunnel:
        return await _tunnel(settings)
    if not settings.public_url:
        return Level.NOTE, "off: neither PUBLIC_URL, nor PUBLIC_TUNNEL, nor a bucket"
    token, content = secrets.token_urlsafe(32), secrets.token_bytes(64)

    async def frame(asked: str) -> bytes | None:
        return content if asked == token else None

    server = HttpServer(settings.http_host, settings.http_port, frames=frame)
    try:
        await server.start()
    except OSError:
        # The bot itself uses the port: its answer is enough.
        return await _running_bot(settings)
    try:
        async with _client("") as client:
            answer = await client.get(frame_url(settings.public_url, token))
    finally:
        await server.stop()
    if answer.content != content:
        return Level.FAIL, f"PUBLIC_URL gives HTTP {answer.status_code}, and not our file"
    return Level.OK, "a file was fetched through PUBLIC_URL, seen from this machine"


async def _running_bot(settings: Settings) -> Words:
    if settings.admin_port is not None:
        return Level.NOTE, "the bot runs here, and PUBLIC_URL shows only photos: not checked"
    async with _client("") as client:
        answer = await client.get(f"{settings.public_url}/healthz")
    if "seconds_since" not in answer.text:
        return Level.FAIL, f"PUBLIC_URL gives HTTP {answer.status_code} from somebody else"
    return Level.OK, "PUBLIC_URL leads to the bot that runs here"


async def _tunnel(settings: Settings) -> Words:
    """Open the tunnel briefly, or ask the running bot about its tunnel."""

    async def no_frame(token: str) -> None:
        return None

    server = HttpServer(settings.http_host, settings.http_port, frames=no_frame)
    try:
        await server.start()
    except OSError:
        url = local_url(settings.http_host, settings.admin_port or settings.http_port)
        async with _client("") as client:
            state = str((await client.get(f"{url}/healthz")).json().get("tunnel", ""))
        return (Level.OK if ": open at " in state else Level.FAIL), state or "no tunnel here"
    address = PublicAddress(changes=True)
    tunnel = wire_tunnel(settings, server, address, remembers=False)
    try:
        async with asyncio.timeout(SECONDS - 5), asyncio.TaskGroup() as group:
            running = group.create_task(tunnel.run())
            while not address.url:
                await address.changed.wait()
                address.changed.clear()
            running.cancel()
    except TimeoutError:
        return Level.FAIL, address.state
    finally:
        await server.stop()
    return Level.OK, f"a file was fetched through the tunnel, {address.state}"


async def _admins(settings: Settings) -> Words:
    """Who runs the bot: ADMINS, or who claimed it."""
    if settings.admins:
        return Level.OK, f"{len(settings.admins)} in ADMINS"
    claimed, nobody = await _claimed(settings)
    if claimed:
        return Level.OK, f"{len(claimed)} claimed the bot"
    if nobody and not settings.is_usable:
        return Level.NOTE, "none; a start prints a link that makes whoever opens it the admin"
    return Level.NOTE, "none: set ADMINS, or nobody gets alerts and can act"


async def _alerts(bot: Bot, settings: Settings) -> Words:
    """Whether ADMIN_CHAT and every admin can be written to; "typing…" leaves no message."""
    claimed, _ = await _claimed(settings)
    admins = sorted(settings.admins | claimed)
    asked = [] if settings.admin_chat is None else [settings.admin_chat]
    asked += [admin for admin in admins if admin not in asked]
    if not asked:
        return Level.NOTE, "nobody gets them until there is an admin or ADMIN_CHAT"
    answers = await asyncio.gather(*(_not_told(bot, chat, settings) for chat in asked))
    if wrong := [words for words in answers if words]:
        return Level.FAIL, "; ".join(wrong)
    where = "every admin" if settings.admin_chat is None else "ADMIN_CHAT, and every admin"
    return Level.OK, f"{where} can be written to"


async def _not_told(bot: Bot, chat_id: int, settings: Settings) -> str:
    """Why this chat gets no alerts, and what to do; empty: it does."""
    name = "ADMIN_CHAT" if chat_id == settings.admin_chat else "the admin"
    try:
        await bot(SendChatAction(chat_id=chat_id, action="typing"))
    except TelegramMoved as exc:
        return f"{name} {chat_id} has moved: set {exc.chat_id}"
    except (TelegramRejected, TelegramUnreachable) as exc:
        to_do = (
            "they have to press /start in the bot's chat" if chat_id > 0
            else "check the ID, add the bot to the group and let it write there"
        )  # fmt: skip
        return f"{name} {chat_id} cannot be written to ({exc}): {to_do}"
    return ""


async def _claimed(settings: Settings) -> tuple[frozenset[int], bool]:
    """Return who claimed the bot, and whether nobody has access yet; it works before an upgrade,
    too."""
    file = sqlite_file(settings.database_url)
    if file is not None and not await asyncio.to_thread(file.exists):
        return frozenset(), True
    database = await Database.open(settings.database_url)
    try:
        async with database.transaction() as connection:
            found = await connection.run_sync(version)
        if found is None or not CLAIMS_SINCE <= found <= HEAD:
            return frozenset(), found is None
        store = AdminStore(database)
        return await store.claimed(), await store.nobody_let_in()
    finally:
        await database.close()


async def _database(settings: Settings) -> Words:
    file = sqlite_file(settings.database_url)
    if file is not None:
        exists = await asyncio.to_thread(file.exists)
        folder = await asyncio.to_thread(_nearest, file.parent)
        # Rights are read, nothing is written: a second writer could break the running bot's file.
        for path in (file, folder) if exists else (folder,):
            if not await asyncio.to_thread(os.access, path, os.W_OK):
                return Level.FAIL, f"sqlite: this user cannot write {path}"
        if not exists:
            return Level.NOTE, "sqlite: not there yet; a start makes it"
    database = await Database.open(settings.database_url)
    try:
        async with database.transaction() as connection:
            found = await connection.run_sync(version)
            may_make_tables = await can_make_tables(connection)
        writable = file is not None or await database.writable()
    finally:
        await database.close()
    kind = "postgresql" if file is None else "sqlite"
    if not writable:
        return Level.FAIL, f"{kind}: cannot be written"
    if found is not None and (found > HEAD or not is_ours(found)):
        return Level.FAIL, f"{kind}: {too_new(found)}"
    if found != HEAD and not may_make_tables:
        return Level.FAIL, (
            f"{kind}: this user may not make tables (no CREATE on the schema), so a start would "
            "fail: GRANT ALL ON SCHEMA public TO it, as a superuser"
        )
    if found is None:
        return Level.NOTE, f"{kind}: empty; a start makes the tables"
    if found != HEAD:
        return Level.NOTE, f"{kind}: version {found}; a start brings it to {HEAD}"
    with only_process(settings.database_url) as alone:
        pass
    beside = "" if alone else "; another process is on this file: start no second bot"
    return Level.OK, f"{kind}: version {found}, writable{beside}"


async def _clock(settings: Settings) -> Words:
    try:
        async with _client(settings.telegram_proxy) as client:
            answer = await client.get(settings.telegram_api_url)
        there = parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except Exception as exc:
        if isinstance(exc, httpx.HTTPError | OSError | LookupError | ValueError):
            return Level.NOTE, f"nobody to compare with ({type(exc).__name__})"
        if proxy.is_at_fault(exc):
            return Level.NOTE, "nobody to compare with (the proxy)"
        raise
    return _compared(utc_now(), there)


def _compared(here: datetime, there: datetime) -> Words:
    skew = here - there
    if abs(skew) > SKEW:
        way = "ahead" if skew > timedelta(0) else "behind"
        return Level.FAIL, f"{abs(skew.total_seconds()):.0f} s {way} of Telegram's"
    return Level.OK, "as Telegram's"


async def _disk(settings: Settings) -> Words:
    free = await asyncio.to_thread(_free_bytes, settings.data_dir)
    words = f"{free / 1e9:.1f} GB free for {settings.data_dir}"
    return (
        Level.FAIL if free < NO_DISK else Level.NOTE if free < LITTLE_DISK else Level.OK
    ), words


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(_nearest(folder)).free


def _nearest(folder: Path) -> Path:
    """Return the folder, or the first existing one above it."""
    while not folder.is_dir():
        folder = folder.absolute().parent
    return folder


def _client(proxy_url: str) -> httpx.AsyncClient:
    if not proxy_url:
        return httpx.AsyncClient(timeout=SECONDS / 2, trust_env=False)
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    return httpx.AsyncClient(
        transport=AiohttpTransport(
            client=lambda: aiohttp.ClientSession(connector=proxy.connector(proxy_url))
        ),
        timeout=SECONDS / 2,
        trust_env=False,
    )
