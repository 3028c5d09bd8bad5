"""Odd pictures in, odd videos out: each goes the whole way, and none stops the bot."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from bot.sandbox.faults import Fault
from tests.faults.answers import http
from tests.media.test_colour_points import P3, SRGB, heif
from tests.media.test_damaged_videos import CODECS, damaged, film
from tests.media.test_edit_lists import edited
from tests.media.test_frames import BLUE, RED, encoded, stripes
from tests.media.test_picture_containers import psd, raw
from tests.support.app_harness import AppHarness, OpenAppHarness
from tests.support.media_files import jpeg
from tests.support.tiff_files import WHITE_IS_ZERO, tiff

TWO = stripes(RED, BLUE, across=400, down=400)

PICTURES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "JPEG 2000": ("image/jp2", lambda: encoded(TWO, "JPEG2000")),
    "PSD": ("application/photoshop", lambda: psd(TWO, 3)),
    "TGA": ("image/x-tga", lambda: encoded(TWO, "TGA")),
    "DNG": ("image/x-adobe-dng", lambda: raw(jpeg(TWO))),
    "16-bit TIFF from white": (
        "image/tiff", lambda: tiff(100, 100, bytes(20_000), WHITE_IS_ZERO, 16),
    ),
    "HEIC in Display P3": ("image/heic", lambda: heif(TWO, P3, SRGB)),
    "a strip": ("image/png", lambda: encoded(stripes(RED, BLUE, across=6400, down=80))),
    "an upload with a line in front": ("text/plain", lambda: b"\n" + jpeg(TWO)),
}  # fmt: skip


@pytest.mark.parametrize("kind", PICTURES)
async def test_an_odd_picture_becomes_the_first_frame(harness: AppHarness, kind: str) -> None:
    mime_type, make = PICTURES[kind]
    anna = harness.person()
    name = "poster.psd" if kind == "PSD" else "photo.jpg"
    await anna.send_document(make(), name, mime_type, caption="the colours move")
    card = await harness.find(
        anna.chat,
        lambda m: "1:1" in str(m.get("reply_markup")) and m.get("from", {}).get("is_bot"),
    )
    await anna.press(card, "1:1")
    await harness.ended("delivered")
    [made] = harness.provider.tasks.values()
    assert made.made is not None
    with Image.open(io.BytesIO(made.made.image or b"")) as frame:
        assert (frame.format, frame.mode) == ("JPEG", "RGB")
        assert frame.width == frame.height >= 300


def zero_edits() -> bytes:
    return edited(film("libx264", CODECS["libx264"]), [(0, 0)])


def damaged_start() -> bytes:
    return damaged(film("libx264", CODECS["libx264"]), lambda number, _: number < 3)


VIDEOS: dict[str, tuple[Callable[[], bytes], dict[str, str]]] = {
    "an edit list of nothing": (zero_edits, {}),
    "damaged first pictures": (damaged_start, {}),
    "gzip": (lambda: gzip.compress(zero_edits()), {"Content-Encoding": "gzip"}),
    "aws-chunked": (zero_edits, {"Content-Encoding": "aws-chunked"}),
}


@pytest.mark.parametrize("kind", VIDEOS)
async def test_an_odd_video_is_sent_as_it_is(make_harness: OpenAppHarness, kind: str) -> None:
    make, headers = VIDEOS[kind]
    body = await asyncio.to_thread(make)
    answer: dict[str, Any] = {"content_type": "video/mp4", **headers}
    async with make_harness(read_videos=True) as harness:
        fault: Fault = http(200, body, **answer)
        harness.spoil(fault, on="download")
        anna = harness.person()
        await harness.order(anna)
        await harness.ended("delivered")
        [message] = harness.videos(anna.chat)
        video = message["video"]
        assert (video["width"], video["height"], video["duration"]) == (160, 96, 1)
        assert video["thumbnail"]
        assert len(harness.asked("download")) == 1
        assert len(harness.asked("create")) == 1
