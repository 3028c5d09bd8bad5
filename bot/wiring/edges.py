"""The connections to the outside world: they are opened first, and closed by their opener.

It must not know the components that use them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from aiogram import Bot

from bot.core.access import Admins
from bot.core.chat_models import AUTO
from bot.core.clock import Clock, Sleep, Wait, steady_now, utc_now, wait_for
from bot.core.errors import StorageUnavailable
from bot.jobs.delivery import (
    LOCAL_UPLOAD_LIMIT,
    UPLOAD_LIMIT,
    Download,
    Prepare,
)
from bot.jobs.films import Join
from bot.media import video_reader
from bot.media.bucket import Bucket
from bot.media.download import Downloader
from bot.media.speech import LocalTranscriber
from bot.provider.chat import ChatModelClient
from bot.provider.client import Gptunnel
from bot.provider.storyteller import Storyteller
from bot.provider.transcriber import Transcriber
from bot.provider.translator import Translator
from bot.provider.vision import Viewer
from bot.setting_types import is_local
from bot.settings import Settings
from bot.telegram import client as telegram_client
from bot.telegram.rate_limits import RateLimiter, SharedLimiter
from storage import Storage

ChatClient = TypeVar("ChatClient", bound=ChatModelClient)


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Connections to the outside, time, and who runs the bot; the opener closes them."""

    bot: Bot
    pace: RateLimiter
    provider: Gptunnel
    fetch: Download
    bucket: Bucket | None = None
    translator: Translator | None = None
    viewer: Viewer | None = None
    transcriber: Transcriber | LocalTranscriber | None = None
    storyteller: Storyteller | None = None
    admins: Admins = field(default_factory=Admins)
    prepare: Prepare = video_reader.prepare
    join: Join = video_reader.join
    clock: Clock = utc_now
    steady: Clock = steady_now
    wait: Wait = wait_for
    sleep: Sleep = asyncio.sleep
    lease: timedelta | None = None
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    )


def connect_provider(settings: Settings) -> Gptunnel:
    """Open the connection to GPTunnel."""
    return Gptunnel.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        proxy_url=settings.provider_proxy,
    )


def connect_translator(settings: Settings) -> Translator | None:
    """Connect to the chat model that translates. Return None if TRANSLATE_MODEL is empty."""
    return _connect_chat(Translator, settings.translate_model, settings)


def connect_viewer(settings: Settings) -> Viewer | None:
    """Connect to the chat model that looks at photos. Return None if VISION_MODEL is empty."""
    return _connect_chat(Viewer, settings.vision_model, settings)


def connect_storyteller(settings: Settings) -> Storyteller | None:
    """Connect to the chat model that proposes scenes. Return None if STORY_MODEL is empty."""
    return _connect_chat(Storyteller, settings.story_model, settings)


def _connect_chat(kind: type[ChatClient], model: str, settings: Settings) -> ChatClient | None:
    """With AUTO the model is chosen later (bot/operator/translation.py)."""
    if not model:
        return None
    return kind.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        "" if model == AUTO else model,
        proxy_url=settings.provider_proxy,
    )


def connect_transcriber(settings: Settings) -> Transcriber | LocalTranscriber | None:
    """Open the connection to what turns speech into text; None without TRANSCRIBE_MODEL."""
    if not settings.transcribe_model:
        return None
    if settings.hears_here:
        return LocalTranscriber(settings.transcribe_model)
    url = settings.transcribe_url
    return Transcriber.connect(
        url,
        settings.transcribe_key.get_secret_value(),
        settings.transcribe_model,
        proxy_url="" if is_local(url) else settings.provider_proxy,
    )


def connect_telegram(
    settings: Settings, pace: RateLimiter, line: SharedLimiter | None = None
) -> Bot:
    """Open the client of the Bot API; `line` is the rate limit shared by all processes."""
    return telegram_client.connect(
        settings.bot_token,
        settings.telegram_api_url,
        pace,
        local=settings.telegram_local,
        proxy_url=settings.telegram_proxy,
        line=line,
    )


def shared_limiter(storage: Storage) -> SharedLimiter:
    """Create the rate limit shared by all processes; without a database each has its own."""

    async def line(each: float, burst: float) -> float:
        try:
            return await storage.rates.wait("telegram", each=each, burst=burst)
        except StorageUnavailable:
            return 0.0

    return line


def wire_downloads(settings: Settings) -> Downloader:
    """Create the downloader of finished videos; for larger files only the link can be sent."""
    return Downloader(
        allow_private=settings.allow_private_result_hosts,
        max_bytes=upload_limit(settings),
        seconds=DOWNLOAD_SECONDS,
        proxy_url=settings.provider_proxy,
    )


def open_bucket(settings: Settings) -> Bucket | None:
    """Open the bucket for first frames; None when the bot's own HTTP server shows them."""
    if not settings.frames_s3_bucket:
        return None
    return Bucket(
        settings.frames_s3_endpoint,
        settings.frames_s3_bucket,
        access_key=settings.frames_s3_access_key,
        secret_key=settings.frames_s3_secret_key.get_secret_value(),
        region=settings.frames_s3_region,
    )


DOWNLOAD_SECONDS = 600.0
"""For one video from the provider."""


def upload_limit(settings: Settings) -> int:
    return LOCAL_UPLOAD_LIMIT if settings.telegram_local else UPLOAD_LIMIT
