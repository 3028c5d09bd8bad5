"""Videos with damaged pictures: players skip them, and so does the reader."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

import av
import pytest
from PIL import Image

from bot.media import video_reader

FIRST, LATER = (200, 20, 20), (20, 20, 200)


def film(codec: str, options: dict[str, str]) -> bytes:
    """An MP4 of one second, red and then blue, with a key frame in each third of it."""
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as made:
        stream = made.add_stream(codec, rate=24, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(24):
            colour = FIRST if number < 12 else LATER
            shown = av.VideoFrame.from_image(Image.new("RGB", (160, 96), colour))  # type: ignore[no-untyped-call]
            made.mux(stream.encode(shown))
        made.mux(stream.encode(None))
    return data.getvalue()


CODECS = {
    "libx264": {"g": "8", "bf": "0"},
    "libx265": {"x265-params": "log-level=none:keyint=8:bframes=0"},
    "libvpx-vp9": {"g": "8"},
}


def damaged(data: bytes, is_hit: Callable[[int, int], bool]) -> bytes:
    """The film with zeros instead of some pictures; `is_hit` gets their number, and how many there
    are."""
    with av.open(io.BytesIO(data), "r") as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    made = bytearray(data)
    for number, (place, size) in enumerate(places):
        assert place is not None
        if is_hit(number, len(places)):
            made[place : place + size] = bytes(size)
    return bytes(made)


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as opened:
        yield opened


def colour(picture: bytes) -> tuple[int, ...]:
    with Image.open(io.BytesIO(picture)) as shown:
        found = shown.getpixel((80, 48))
        assert isinstance(found, tuple)
        return found


def is_red(found: tuple[int, ...]) -> bool:
    return found[0] > 150 > 80 > found[2]


@pytest.mark.parametrize("codec", CODECS)
async def test_a_video_whose_first_pictures_are_damaged_is_shown_from_the_next(
    file: BinaryIO, codec: str
) -> None:
    data = damaged(film(codec, CODECS[codec]), lambda number, _: number < 3)
    file.write(data)
    video = await video_reader.prepare(file)
    assert video.info == video_reader.VideoInfo(width=160, height=96, duration=1, has_audio=False)
    assert is_red(colour(video.thumbnail))
    assert not is_red(colour(await video_reader.last_frame(file)))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kept", [23, 16, 8])
async def test_the_last_picture_is_the_last_that_can_be_shown(
    file: BinaryIO, codec: str, kept: int
) -> None:
    file.write(damaged(film(codec, CODECS[codec]), lambda number, count: number >= kept))
    assert is_red(colour(await video_reader.last_frame(file))) is (kept <= 12)


@pytest.mark.parametrize("codec", CODECS)
async def test_a_video_without_any_whole_picture_is_none(file: BinaryIO, codec: str) -> None:
    file.write(damaged(film(codec, CODECS[codec]), lambda *_: True))
    for read in (video_reader.prepare, video_reader.last_frame):
        with pytest.raises(video_reader.NotAVideo, match="no picture"):
            await read(file)
