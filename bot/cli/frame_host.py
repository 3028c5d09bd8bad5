"""The first frame of `bot check --order`: serves a drawn picture and records who fetches it.

It must not know orders or the provider.
"""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from aiohttp import web
from PIL import Image, ImageDraw

from bot.core.errors import FramesOff
from bot.core.task import AspectRatio
from bot.media import frames
from bot.media.bucket import Bucket, BucketError
from bot.runtime.health import HealthReport
from bot.runtime.http_server import HttpServer, frame_url
from bot.settings import Settings

LINK_TIME = timedelta(hours=1)
REACH_SECONDS = 10.0


@dataclass(frozen=True)
class Fetch:
    """One request for the frame; `at` is a time.monotonic value, `client` the User-Agent's first
    name.
    """

    method: str
    client: str
    ranged: bool
    at: float


@dataclass
class PublishedFrame:
    """The link and the requests for it; None for a bucket, where requests cannot be seen."""

    link: str
    fetches: list[Fetch] | None = field(default_factory=list)


async def draw(ratio: AspectRatio) -> bytes:
    """Draw a sunset over the sea: a JPEG of this ratio."""
    picture = Image.new("RGB", (1200, 1200), (250, 176, 92))
    pencil = ImageDraw.Draw(picture)
    pencil.ellipse((480, 480, 720, 720), fill=(255, 236, 170))
    pencil.rectangle((0, 620, 1200, 1200), fill=(36, 74, 112))
    pencil.polygon([(540, 760), (680, 760), (650, 800), (570, 800)], fill=(40, 30, 30))
    pencil.polygon([(606, 640), (606, 750), (670, 750)], fill=(240, 240, 232))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return await frames.make_frame(out.getvalue(), ratio)


@asynccontextmanager
async def publish(
    settings: Settings, bucket: Bucket | None, jpeg: bytes
) -> AsyncIterator[PublishedFrame]:
    """Publish the frame as the bot does: in the bucket, otherwise at PUBLIC_URL on HTTP_PORT.

    Raises FramesOff, whose text says what is missing.
    """
    if bucket is not None:
        async with _in_bucket(bucket, jpeg) as published:
            yield published
    elif settings.public_url:
        async with _at_public_url(settings, jpeg) as published:
            yield published
    else:
        raise FramesOff("needs PUBLIC_URL or a bucket")


@asynccontextmanager
async def _in_bucket(bucket: Bucket, jpeg: bytes) -> AsyncIterator[PublishedFrame]:
    key = f"check-{secrets.token_urlsafe(24)}.jpg"
    try:
        await bucket.put(key, jpeg)
        link = await bucket.link(key, LINK_TIME)
    except BucketError as exc:
        raise FramesOff(str(exc)) from None
    try:
        yield PublishedFrame(link, None)
    finally:
        with suppress(BucketError):
            await bucket.delete(key)


@asynccontextmanager
async def _at_public_url(settings: Settings, jpeg: bytes) -> AsyncIterator[PublishedFrame]:
    token, own = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    published = PublishedFrame(frame_url(settings.public_url, token))

    def on_frame(request: web.Request) -> None:
        if request.match_info["token"] == token and published.fetches is not None:
            published.fetches.append(_fetch(request))

    async def frame(asked: str) -> bytes | None:
        return jpeg if asked in (token, own) else None

    async def health() -> HealthReport:
        return HealthReport(reasons=(), ages={}, database=True)

    server = HttpServer(
        settings.http_host, settings.http_port, frames=frame, health=health, on_frame=on_frame
    )
    try:
        await server.start()
    except OSError:
        raise FramesOff(
            f"HTTP_PORT {settings.http_port} is taken, probably by the bot itself: stop it first"
        ) from None
    try:
        await _reach(frame_url(settings.public_url, own), jpeg)
        yield published
    finally:
        await server.stop()


def _fetch(request: web.Request) -> Fetch:
    product = re.match(r"[\w.+-]+(/[\w.+-]+)?", request.headers.get("User-Agent", ""))
    return Fetch(
        method=request.method,
        client=product[0][:60] if product else "without a name",
        ranged="Range" in request.headers,
        at=time.monotonic(),
    )


async def _reach(link: str, jpeg: bytes) -> None:
    """Fetch the frame from here first: an order with a dead link costs money for nothing."""
    try:
        async with httpx.AsyncClient(timeout=REACH_SECONDS, trust_env=False) as client:
            answer = await client.get(link)
    except httpx.HTTPError as exc:
        raise FramesOff(f"PUBLIC_URL cannot be reached ({type(exc).__name__})") from None
    if answer.content != jpeg:
        raise FramesOff(f"PUBLIC_URL does not lead to this machine (HTTP {answer.status_code})")
