"""Parts of a film are joined without encoding: every picture, its sound, and one clean cut."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from bot.media import video_reader
from tests.media.test_video_reader import boxes, mp4, pictures, with_cover
from tests.support import media_files
from tests.support.media_files import opened


async def joined(files: ExitStack, parts: Sequence[bytes]) -> bytes:
    film = opened(files)
    await video_reader.join([opened(files, part) for part in parts], film)
    film.seek(0)
    return film.read()


def times(data: bytes, kind: str = "video") -> list[tuple[Fraction, Fraction]]:
    """When each packet starts and how long it lasts, in the order in which they are shown."""
    with av.open(io.BytesIO(data), "r") as container:
        streams = getattr(container.streams, kind)
        return sorted(
            (packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base)
            for packet in container.demux(streams[:1])
            if packet.pts is not None and packet.dts is not None
        )


def payloads(data: bytes, kind: str = "video") -> list[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        streams = getattr(container.streams, kind)
        return [bytes(p) for p in container.demux(streams[:1]) if p.dts is not None]


async def test_a_film_has_every_packet_of_its_parts_and_no_gap(
    files: ExitStack, tmp_path: Path
) -> None:
    first, second = mp4(tmp_path, seconds=2, later="2"), mp4(tmp_path, seconds=1, later="2")
    film = await joined(files, [first, second, first])
    assert payloads(film) == payloads(first) + payloads(second) + payloads(first)
    assert pictures(film) == pictures(first) + pictures(second) + pictures(first)
    shown = times(film)
    assert len(shown) == 120
    steps = {later[0] - earlier[0] for earlier, later in pairwise(shown)}
    assert steps == {Fraction(1, 24)}
    with av.open(io.BytesIO(film), "r") as container:
        decoded = [p.dts for p in container.demux(video=0) if p.dts is not None]
    assert decoded == sorted(set(decoded))


@pytest.mark.parametrize("codec", ["libsvtav1", "libvpx-vp9", "libx265"])
async def test_parts_in_newer_codecs_are_joined(files: ExitStack, codec: str) -> None:
    part = media_files.film("mp4", codec)
    film = await joined(files, [part, part])
    assert payloads(film) == 2 * payloads(part)
    assert len(pictures(film)) == 2 * len(pictures(part))


async def test_a_cover_in_a_part_is_left_out(files: ExitStack, tmp_path: Path) -> None:
    first, second = mp4(tmp_path, seconds=2), mp4(tmp_path, seconds=1)
    film = await joined(files, [with_cover(first), second])
    assert pictures(film) == pictures(first) + pictures(second)


async def test_its_index_is_in_front_and_its_length_and_cover_are_right(
    files: ExitStack, tmp_path: Path
) -> None:
    part = mp4(tmp_path, seconds=2)
    assert boxes(part).index(b"moov") > boxes(part).index(b"mdat")
    film = opened(files)
    await video_reader.join([opened(files, part)] * 3, film)
    video = await video_reader.prepare(film)
    assert video.info == video_reader.VideoInfo(width=160, height=96, duration=6, has_audio=False)
    assert video.thumbnail.startswith(b"\xff\xd8")
    data = film.read()
    assert boxes(data).index(b"moov") < boxes(data).index(b"mdat")
    assert video.size == len(data)


def heard_at(data: bytes) -> list[Fraction]:
    return [start for start, _ in times(data, "audio")]


async def test_sound_stays_with_its_pictures(files: ExitStack, tmp_path: Path) -> None:
    part = mp4(tmp_path, seconds=2, sound=True)
    film = await joined(files, [part, part, part])
    sound = times(film, "audio")
    ends = [start + lasts for start, lasts in sound]
    # no packet over another one, and the cut is nowhere longer than a packet
    packet = Fraction(1024, 48000)
    assert all(a[0] + a[1] <= b[0] + packet for a, b in pairwise(sound))
    for number in range(1, 3):
        near = min(abs(start - 2 * number) for start, _ in sound)
        assert near <= packet
    assert abs(ends[-1] - 6) <= packet
    with av.open(io.BytesIO(film), "r") as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert abs(samples / 48000 - 6) < 0.1


@pytest.mark.parametrize("silent", [0, 1, 2])
async def test_a_silent_part_leaves_the_sound_of_the_others_where_it_was(
    files: ExitStack, tmp_path: Path, silent: int
) -> None:
    loud, quiet = mp4(tmp_path, seconds=1, sound=True), mp4(tmp_path, seconds=1)
    parts = [loud, loud, loud]
    parts[silent] = quiet
    film = await joined(files, parts)
    starts = heard_at(film)
    inside = [s for s in starts if silent + Fraction(1, 10) < s < silent + Fraction(9, 10)]
    assert inside == []
    for number in {0, 1, 2} - {silent}:
        there = [s for s in starts if number <= s < number + 1]
        assert len(there) >= 44  # of 46.9 packets
    assert len(pictures(film)) == 72


async def test_sound_that_is_longer_than_its_pictures_is_cut(
    files: ExitStack, tmp_path: Path
) -> None:
    long = mp4(tmp_path, seconds=2, sound=True)
    with (
        av.open(io.BytesIO(long), "r") as source,
        av.open(str(tmp_path / "short.mp4"), "w") as target,
    ):
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            late = packet.stream.type == "video" and (packet.pts or 0) * packet.time_base >= 1
            if packet.dts is None or late:
                continue
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    short = (tmp_path / "short.mp4").read_bytes()
    film = await joined(files, [short, long])
    assert len(pictures(film)) == 24 + 48
    starts = heard_at(film)
    assert starts == sorted(set(starts))
    assert max(starts) < 3
    assert (await video_reader.prepare(opened(files, film))).info.duration == 3


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"size": (96, 160)}, "size"),
        ({"sound": True}, None),  # sound may be missing
        ({"later": "2"}, "codec"),
    ],
)
async def test_parts_that_are_made_differently_are_named(
    files: ExitStack, tmp_path: Path, changed: dict[str, Any], what: str | None
) -> None:
    first, other = mp4(tmp_path), mp4(tmp_path, **changed)
    if what is None:
        await joined(files, [first, other])
        return
    with pytest.raises(video_reader.PartsDiffer) as exc:
        await joined(files, [first, first, other])
    assert (exc.value.part, exc.value.what) == (2, what)


async def test_a_part_that_is_no_video_is_named(files: ExitStack, tmp_path: Path) -> None:
    part = mp4(tmp_path)
    for bad in (b"no video at all", part[:-100]):
        with pytest.raises(video_reader.PartError) as exc:
            await joined(files, [part, bad])
        assert exc.value.part == 1
        assert not isinstance(exc.value, video_reader.PartsDiffer)


async def test_the_files_of_the_parts_stay_as_they_were(files: ExitStack, tmp_path: Path) -> None:
    part = mp4(tmp_path)
    file = opened(files, part)
    await video_reader.join([file, file], opened(files))
    file.seek(0)
    assert file.read() == part


_MEASURE = """
import sys, resource
from bot.media import film_join
part, target = open(sys.argv[1], "rb"), open(sys.argv[2], "w+b")
film_join.join([part.fileno()] * int(sys.argv[3]), target.fileno())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    part = tmp_path / "part.mp4"
    part.write_bytes(mp4(tmp_path, size=(640, 640), noise=True, sound=True))

    def needed(parts: int) -> int:
        names = [str(part), str(tmp_path / "film.mp4"), str(parts)]
        command = [sys.executable, "-c", _MEASURE, *names]
        return int(subprocess.run(command, check=True, capture_output=True).stdout)

    few, many = needed(3), needed(60)
    assert (tmp_path / "film.mp4").stat().st_size > 57 * part.stat().st_size
    assert many - few < part.stat().st_size
