"""Videos from models, studios and phones: timing, additional tracks, codecs."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import BinaryIO

import av
import pytest
from PIL import Image

from bot.media import video_reader
from tests.support.media_files import mux_sound

TICKS = 600  # a second
PICTURES = 48


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as opened:
        yield opened


def film(
    kind: str = "mp4",
    codec: str = "libx264",
    layout: str = "yuv420p",
    *,
    times: Sequence[int] | None = None,
    sound: float = 0.0,
    options: dict[str, str] | None = None,
    timecode: str = "",
    chapters: bool = False,
) -> bytes:
    """A red film of 48 pictures. `times`: of each picture, in ticks; `sound`: its length in
    seconds."""
    data = io.BytesIO()
    with av.open(data, "w", format=kind, options=options or {}) as made:
        stream = made.add_stream(codec, rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, layout
        stream.time_base = Fraction(1, TICKS)
        if timecode:
            stream.metadata["timecode"] = timecode
        if chapters:
            made.set_chapters(
                [
                    {"id": n, "start": n, "end": n + 1, "time_base": Fraction(1), "metadata": {}}
                    for n in range(2)
                ]
            )
        heard = made.add_stream("aac", rate=48000, layout="stereo") if sound else None
        for at in times or range(0, PICTURES * 25, 25):
            picture = av.VideoFrame.from_image(Image.new("RGB", (160, 96), (210, 30, 30)))  # type: ignore[no-untyped-call]
            frame = picture.reformat(format=layout)
            frame.pts, frame.time_base = at, Fraction(1, TICKS)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
        if heard is not None:
            mux_sound(made, heard, round(sound * 48000 / 1024))
    return data.getvalue()


async def prepared(file: BinaryIO, data: bytes) -> video_reader.Video:
    """Prepare a video and check that it is red, 160 × 96, and has its index in front."""
    file.write(data)
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height) == (160, 96)
    with Image.open(io.BytesIO(video.thumbnail)) as picture:
        assert picture.size == (160, 96)
        seen = picture.convert("RGB").getpixel((80, 48))
        assert isinstance(seen, tuple)
        assert seen[0] > 180 > 60 > seen[2]
    assert (await video_reader.readers.details(file)).index_in_front
    return video


TIMES = {
    "variable": ([0, 25, 50, *range(100, 100 + 45 * 60, 60)], 5),
    "a late start": (range(600, 600 + PICTURES * 25, 25), 2),
    "a start before zero": (range(-300, -300 + PICTURES * 25, 25), 2),
    "one picture": ([0], 1),
}


@pytest.mark.parametrize("case", TIMES)
async def test_the_length_is_what_is_shown(file: BinaryIO, case: str) -> None:
    times, seconds = TIMES[case]
    video = await prepared(file, film(times=list(times)))
    assert (video.info.duration, video.is_document) == (seconds, False)


@pytest.mark.parametrize(("sound", "seconds"), [(1.0, 2), (2.0, 2), (5.0, 5)])
@pytest.mark.parametrize("kind", ["mp4", "mov"])
async def test_the_sound_may_go_on_after_the_pictures(
    file: BinaryIO, kind: str, sound: float, seconds: int
) -> None:
    video = await prepared(file, film(kind, sound=sound))
    assert (video.info.duration, video.info.has_audio) == (seconds, True)
    assert not video.is_document


@pytest.mark.parametrize(
    "flags",
    [
        "frag_keyframe+empty_moov",
        "frag_keyframe+empty_moov+default_base_moof+skip_trailer",  # without mfra
        "frag_keyframe+empty_moov+dash",  # with a sidx for each
        "cmaf",
        "frag_every_frame",
        "hybrid_fragmented",
    ],
)
async def test_fragments_of_any_kind_are_a_video(file: BinaryIO, flags: str) -> None:
    video = await prepared(file, film(sound=2.0, options={"movflags": flags}))
    assert (video.info.duration, video.info.has_audio) == (2, True)
    assert not video.is_document


async def test_time_codes_and_chapters_are_no_pictures(file: BinaryIO) -> None:
    data = film("mov", timecode="01:00:00:00", chapters=True, sound=2.0)
    assert b"tmcd" in data
    video = await prepared(file, data)
    assert (video.info.duration, video.is_document) == (2, False)


PLAYED = [
    ("libx264", "yuv420p"), ("libx264", "yuvj420p"), ("libvpx-vp9", "yuv420p"),
    ("libsvtav1", "yuv420p"), ("libx265", "yuv420p"), ("mpeg4", "yuv420p"),
]  # fmt: skip
OF_STUDIOS = [
    ("libx264", "yuv420p10le"), ("libx264", "yuv422p"), ("libx264", "yuv444p"),
    ("mjpeg", "yuvj420p"), ("prores_ks", "yuv422p10le"), ("mpeg2video", "yuv420p"),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "layout"), PLAYED)
async def test_what_phones_play_is_a_video(file: BinaryIO, codec: str, layout: str) -> None:
    video = await prepared(file, film("mp4", codec, layout))
    assert (video.info.container, video.is_document) == ("mp4", False)


@pytest.mark.parametrize(("codec", "layout"), OF_STUDIOS)
async def test_what_phones_do_not_play_is_a_file(file: BinaryIO, codec: str, layout: str) -> None:
    """Phones without a decoder would play only the sound."""
    video = await prepared(file, film("mov" if codec == "prores_ks" else "mp4", codec, layout))
    assert (video.info.container, video.is_document) == ("mp4", True)
    assert video.info.duration == 2
