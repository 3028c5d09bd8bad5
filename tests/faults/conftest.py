"""A harness for each test, and what all tests share: an empty database and a small clip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import pytest
from PIL import Image

from storage import open_storage
from tests.support import app_harness
from tests.support.app_harness import AppHarness, OpenAppHarness, open_app_harness


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, made once."""
    path = tmp_path_factory.mktemp("faults") / "empty.db"

    async def make() -> None:
        async with open_storage(f"sqlite+aiosqlite:///{path}"):
            pass

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real MP4 of one second: H.264, portrait, no sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 72, 128, "yuv420p"
        stream.time_base = Fraction(1, 24)
        for shade in range(0, 240, 10):
            picture = Image.new("RGB", (72, 128), (shade, 90, 200))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture
def make_harness(
    tmp_path: Path, empty_database: Path, clip: bytes, request: pytest.FixtureRequest
) -> OpenAppHarness:
    """Open a harness with other settings: `async with make_harness(...) as harness`.

    A test module about clocks and waits sets LOOKS to the real number of seconds.
    """
    looks = getattr(request.module, "LOOKS", app_harness.LOOKS)
    return partial(open_app_harness, tmp_path, empty_database, clip, looks=looks)


@pytest.fixture
async def harness(make_harness: OpenAppHarness) -> AsyncIterator[AppHarness]:
    """The bot unchanged, with timeouts that no test reaches."""
    async with make_harness() as harness:
        yield harness
