"""Reading finished videos, tested with real MP4s made here."""

from __future__ import annotations

import asyncio
import errno
import io
import math
import os
import random
import signal
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import pytest
from PIL import Image

from bot.media import reader_process, video_reader
from tests.support import media_files
from tests.support.media_files import mux_sound


def mp4(
    folder: Path,
    *,
    size: tuple[int, int] = (160, 96),
    seconds: float = 1.0,
    sound: bool = False,
    options: dict[str, str] | None = None,
    noise: bool = False,
    later: str = "0",
    pixel: Fraction | None = None,
) -> bytes:
    """An MP4 whose left half is red and right half blue; 24 pictures a second."""
    path = folder / "made.mp4"
    picture = Image.new("RGB", size, (200, 20, 20))
    picture.paste((20, 20, 200), (size[0] // 2, 0, size[0], size[1]))
    if noise:
        picture = Image.effect_noise(size, 200).convert("RGB")
    with av.open(str(path), "w", options=options or {}) as file:
        stream = file.add_stream("libx264", rate=24, options={"preset": "ultrafast", "bf": later})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if pixel is not None:
            stream.sample_aspect_ratio = pixel
        audio = file.add_stream("aac", rate=48000) if sound else None
        for _ in range(round(seconds * 24)):
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if audio is not None:
            mux_sound(file, audio, round(seconds * 48000 / 1024), noisy=True)
    return path.read_bytes()


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as opened:
        yield opened


def with_cover(data: bytes) -> bytes:
    """The MP4 with a green cover of 300 px, in front of its tracks as mutagen writes it: to libav
    the cover is the first stream of pictures."""
    out = io.BytesIO()
    Image.new("RGB", (300, 300), (20, 200, 20)).save(out, "JPEG")

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    cover = box(b"covr", box(b"data", struct.pack(">II", 13, 0) + out.getvalue()))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    place = data.index(b"moov") - 4
    tracks = place + 8 + int.from_bytes(data[place + 8 : place + 12], "big")
    tags = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", cover)))
    return data[:place] + box(b"moov", data[place + 8 : tracks] + tags + data[tracks:])


def boxes(data: bytes) -> list[bytes]:
    place, kinds = 0, []
    while place < len(data):
        kinds.append(data[place + 4 : place + 8])
        place += int.from_bytes(data[place : place + 4], "big")
    return kinds


def pictures(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        return [bytes(frame.planes[0]) for frame in container.decode(video=0)]


def packets(data: bytes) -> list[tuple[int, int | None, int, bytes]]:
    """For each stream: when each packet is shown and decoded, and what is in it."""
    with av.open(io.BytesIO(data), "r") as container:
        return sorted(
            (packet.stream.index, packet.pts, packet.dts, bytes(packet))
            for packet in container.demux()
            if packet.dts is not None
        )


async def test_a_silent_video_is_described_as_it_is_shown(file: BinaryIO, tmp_path: Path) -> None:
    file.write(mp4(tmp_path, seconds=2))
    video = await video_reader.prepare(file)
    assert video.info == video_reader.VideoInfo(width=160, height=96, duration=2, has_audio=False)
    assert video.file is file
    assert file.tell() == 0
    assert video.size == len(file.read())


async def test_a_sound_track_is_noticed(file: BinaryIO, tmp_path: Path) -> None:
    file.write(mp4(tmp_path, sound=True))
    assert (await video_reader.prepare(file)).info.has_audio


@pytest.mark.parametrize(("seconds", "duration"), [(0.25, 1), (1.4, 1), (1.6, 2)])
async def test_the_duration_is_whole_seconds_and_never_zero(
    file: BinaryIO, tmp_path: Path, seconds: float, duration: int
) -> None:
    file.write(mp4(tmp_path, seconds=seconds))
    assert (await video_reader.prepare(file)).info.duration == duration


async def test_a_fragmented_file_has_its_duration_too(file: BinaryIO, tmp_path: Path) -> None:
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    file.write(mp4(tmp_path, seconds=2, options=flags))
    assert (await video_reader.prepare(file)).info.duration == 2


@pytest.mark.parametrize("size", [(160, 96), (640, 360), (96, 640)])
async def test_the_thumbnail_is_a_small_jpeg_of_the_first_picture(
    file: BinaryIO, tmp_path: Path, size: tuple[int, int]
) -> None:
    file.write(mp4(tmp_path, size=size))
    picture = Image.open(io.BytesIO((await video_reader.prepare(file)).thumbnail))
    assert picture.format == "JPEG"
    assert max(picture.size) == min(320, max(size))
    assert math.isclose(picture.width / picture.height, size[0] / size[1], rel_tol=0.03)
    left, right = picture.getpixel((5, 5)), picture.getpixel((picture.width - 5, 5))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 150 > left[2]
    assert right[2] > 150 > right[0]


async def test_even_noise_makes_a_thumbnail_under_200_kb(file: BinaryIO, tmp_path: Path) -> None:
    file.write(mp4(tmp_path, size=(640, 640), seconds=0.1, noise=True))
    assert 20_000 < len((await video_reader.prepare(file)).thumbnail) <= 200_000


async def test_a_turned_video_has_the_sides_and_thumbnail_of_what_is_shown(
    file: BinaryIO, tmp_path: Path
) -> None:
    data = bytearray(mp4(tmp_path))
    # ISO/IEC 14496-12, 8.3.2: the matrix of a track; this one turns by 90 degrees clockwise
    matrix = data.index(b"tkhd") + 4 + 40
    one, none = 0x10000, 0
    data[matrix : matrix + 36] = struct.pack(
        ">9i", none, one, none, -one, none, none, 96 * one, none, 0x40000000
    )
    file.write(data)
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height) == (96, 160)
    picture = Image.open(io.BytesIO(video.thumbnail))
    assert picture.size == (96, 160)
    top, bottom = picture.getpixel((48, 5)), picture.getpixel((48, 155))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 150 > top[2]  # what was on the left is on top
    assert bottom[2] > 150 > bottom[0]


@pytest.mark.parametrize(
    ("matrix", "size"),
    [
        ((0, 0, 0, 0, 0, 0, 0, 0, 0), (160, 96)),
        ((65526, 1144, 0, -1144, 65526, 0, 0, 0, 1 << 30), (160, 96)),
        ((1144, 65526, 0, -65526, 1144, 0, 0, 0, 1 << 30), (96, 160)),
    ],
    ids=["no matrix", "one degree", "89 degrees"],
)
async def test_a_video_is_turned_by_quarters(
    file: BinaryIO, tmp_path: Path, matrix: tuple[int, ...], size: tuple[int, int]
) -> None:
    data = bytearray(mp4(tmp_path))
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", *matrix)
    file.write(data)
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height) == size
    assert Image.open(io.BytesIO(video.thumbnail)).size == size
    assert Image.open(io.BytesIO(await video_reader.last_frame(file))).size == size


@pytest.mark.parametrize(
    "later", ["0", "3"], ids=["in order", "pictures that refer to later ones"]
)
async def test_the_index_is_moved_to_the_front_and_every_packet_stays(
    file: BinaryIO, tmp_path: Path, later: str
) -> None:
    before = mp4(tmp_path, seconds=2, sound=True, noise=True, later=later)
    assert boxes(before).index(b"moov") > boxes(before).index(b"mdat")
    file.write(before)
    await video_reader.prepare(file)
    after = file.read()
    assert boxes(after).index(b"moov") < boxes(after).index(b"mdat")
    assert pictures(after) == pictures(before)
    assert packets(after) == packets(before)
    file.seek(0)
    assert (await video_reader.prepare(file)).info.has_audio


async def test_a_file_whose_index_is_in_front_is_not_touched(
    file: BinaryIO, tmp_path: Path
) -> None:
    before = mp4(tmp_path, options={"movflags": "+faststart"})
    file.write(before)
    await video_reader.prepare(file)
    assert file.read() == before


async def test_a_file_open_for_reading_only_is_read_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kept.mp4"
    path.write_bytes(before := mp4(tmp_path, seconds=2))
    with path.open("rb") as opened:
        assert (await video_reader.prepare(opened)).info.duration == 2
    assert path.read_bytes() == before


async def test_pixels_that_are_not_square_are_stretched(file: BinaryIO, tmp_path: Path) -> None:
    """320 × 180 pixels, each twice as wide as high: 640 × 180 as every player shows it."""
    file.write(mp4(tmp_path, size=(320, 180), pixel=Fraction(2)))
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height) == (640, 180)
    assert Image.open(io.BytesIO(video.thumbnail)).size == (320, 90)
    last = Image.open(io.BytesIO(await video_reader.last_frame(file)))
    assert last.size == (640, 180)
    assert not video.is_document


async def test_a_cover_is_not_the_video(file: BinaryIO, tmp_path: Path) -> None:
    data = with_cover(mp4(tmp_path, seconds=2))
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].width == 300
    file.write(data)
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height, video.info.duration) == (160, 96, 2)
    for jpeg in (video.thumbnail, await video_reader.last_frame(file)):
        picture = Image.open(io.BytesIO(jpeg))
        assert picture.size == (160, 96)
        color = picture.getpixel((20, 48))
        assert isinstance(color, tuple)
        assert color[0] > 150 > color[1]
    details = await video_reader.readers.details(file)
    assert (details.codec, details.width) == ("h264", 160)


async def test_a_cover_alone_is_not_a_video(file: BinaryIO) -> None:
    with av.open(sound := io.BytesIO(), "w", format="mp4") as made:
        audio = made.add_stream("aac", rate=48000)
        mux_sound(made, audio, 1)
    file.write(with_cover(sound.getvalue()))
    with pytest.raises(video_reader.NotAVideo, match="there is no video"):
        await video_reader.prepare(file)


async def test_a_stretch_without_sense_is_ignored(file: BinaryIO, tmp_path: Path) -> None:
    file.write(mp4(tmp_path, pixel=Fraction(400)))
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height) == (160, 96)


CONTAINERS = {
    "webm": ("webm", "libvpx"),
    "mkv": ("matroska", "libx264"),
    "avi": ("avi", "mpeg4"),
    "ogv": ("ogg", "libvpx"),
    "flv": ("flv", "libx264"),
    "ts": ("mpegts", "libx264"),
    "mpg": ("mpeg", "mpeg2video"),
    "wmv": ("asf", "wmv2"),
    "gif": ("gif", "gif"),
}


@pytest.mark.parametrize("extension", CONTAINERS)
async def test_other_containers_are_read_and_go_as_documents(
    file: BinaryIO, extension: str
) -> None:
    data = media_files.film(*CONTAINERS[extension])
    file.write(data)
    video = await video_reader.prepare(file)
    assert (video.info.width, video.info.height) == (160, 96)
    assert 1 <= video.info.duration <= 2
    assert (video.info.container, video.is_document) == (extension, True)
    assert Image.open(io.BytesIO(video.thumbnail)).size == (160, 96)
    assert video.file.read() == data
    assert (await video_reader.readers.details(file)).width == 160


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4096,
        b"<html><body>504 Gateway Time-out</body></html>" * 50,
        PLAYLIST,
        b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41",
        b"\x1aE\xdf\xa3" + b"\x01" * 500,
        struct.pack(">I4sQ", 1, b"mdat", 1 << 62),
    ],
    ids=["nothing", "zeros", "html", "playlist", "only a head", "another format", "a huge box"],
)
async def test_a_file_that_is_not_an_mp4_is_reported(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    with pytest.raises(video_reader.NotAVideo):
        await video_reader.prepare(file)


@pytest.mark.parametrize("options", [{}, {"movflags": "+faststart"}], ids=["behind", "in front"])
async def test_a_truncated_video_is_not_a_video(
    file: BinaryIO, tmp_path: Path, options: dict[str, str]
) -> None:
    file.write(mp4(tmp_path, options=options)[:-100])
    with pytest.raises(video_reader.NotAVideo, match="end is missing"):
        await video_reader.prepare(file)


@pytest.mark.parametrize("front", [False, True], ids=["index behind", "index in front"])
@pytest.mark.parametrize("tail", [b"no box, only words", bytes([0, 0, 0, 3]) + b"SEFH" * 9])
async def test_what_is_appended_to_a_whole_video_does_no_harm(
    file: BinaryIO, tmp_path: Path, tail: bytes, *, front: bool
) -> None:
    whole = mp4(tmp_path, options={"movflags": "+faststart"} if front else {})
    file.write(whole + tail)
    assert (await video_reader.prepare(file)).info.duration == 1
    after = file.read()
    assert after.endswith(tail)
    assert after.index(b"moov") < after.index(b"mdat")
    assert pictures(after) == pictures(whole)


@pytest.mark.parametrize("kind", [b"mdat", b"moov", b"moof"])
async def test_a_last_part_without_its_end_is_not_junk(
    file: BinaryIO, tmp_path: Path, kind: bytes
) -> None:
    file.write(mp4(tmp_path) + struct.pack(">I4s", 10_000, kind) + bytes(100))
    with pytest.raises(video_reader.NotAVideo, match="its end is missing"):
        await video_reader.prepare(file)


async def test_a_file_with_sound_only_is_not_a_video(file: BinaryIO, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("aac", rate=48000)
        mux_sound(made, stream, 1)
    file.write(path.read_bytes())
    with pytest.raises(video_reader.NotAVideo, match="no video"):
        await video_reader.prepare(file)


async def test_an_index_that_claims_a_thousand_million_pictures_only_ends_its_reader(
    file: BinaryIO, tmp_path: Path
) -> None:
    data = bytearray(mp4(tmp_path, options={"movflags": "+faststart"}))
    sizes = data.index(b"stsz") + 8  # ISO/IEC 14496-12, 8.7.3.2: one size for all, and a count
    data[sizes : sizes + 8] = struct.pack(">II", 1, 1 << 30)
    chunks = data.index(b"stsc") + 16  # 8.7.4: how many of them are in the first chunk
    data[chunks : chunks + 4] = struct.pack(">I", 1 << 30)
    file.write(data)
    with pytest.raises(video_reader.NotAVideo):
        await video_reader.prepare(file)


async def test_damage_anywhere_ends_in_an_answer_or_in_not_a_video(
    file: BinaryIO, tmp_path: Path
) -> None:
    whole = mp4(tmp_path, options={"movflags": "+faststart"})
    dice = random.Random(7)
    outcomes: set[type] = set()
    for step in range(12):
        damaged = bytearray(whole)
        start = 40 + step * 61
        damaged[start : start + 4] = dice.randbytes(4)
        file.seek(0)
        file.truncate()
        file.write(damaged)
        try:
            outcomes.add(type(await video_reader.prepare(file)))
        except video_reader.NotAVideo:
            outcomes.add(video_reader.NotAVideo)
    assert outcomes <= {video_reader.Video, video_reader.NotAVideo}


@pytest.fixture
def readers() -> Iterator[video_reader.Readers]:
    made = video_reader.Readers()
    yield made
    made.close()


async def test_the_reader_sees_no_secret(
    file: BinaryIO, tmp_path: Path, readers: video_reader.Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_TOKEN", "canary-token")
    monkeypatch.setenv("GPTUNNEL_API_KEY", "canary-key")
    file.write(mp4(tmp_path))
    await readers.prepare(file)
    environment = Path(f"/proc/{readers.pid}/environ").read_bytes()  # noqa: ASYNC240
    assert b"canary" not in environment
    assert b"PATH=" in environment


async def test_a_reader_that_cannot_start_is_not_the_files_fault(
    file: BinaryIO, tmp_path: Path, readers: video_reader.Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "bot" / "media"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "reader_process.py").write_text("import nothing_of_this_name")
    monkeypatch.chdir(tmp_path)
    file.write(mp4(tmp_path))
    with pytest.raises(RuntimeError, match="did not start"):
        await readers.prepare(file)


async def test_a_killed_reader_server_is_replaced(
    file: BinaryIO, tmp_path: Path, readers: video_reader.Readers
) -> None:
    file.write(mp4(tmp_path))
    await readers.prepare(file)
    assert readers.pid is not None
    os.kill(killed := readers.pid, signal.SIGKILL)
    assert (await readers.prepare(file)).info.width == 160
    assert readers.pid != killed


async def test_a_reader_ends_quietly_when_its_caller_is_gone(
    file: BinaryIO,
    tmp_path: Path,
    readers: video_reader.Readers,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file.write(mp4(tmp_path))
    await readers.prepare(file)
    assert readers.pid is not None
    os.kill(readers.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(readers.prepare(file), 0.2)
    os.kill(readers.pid, signal.SIGCONT)
    assert (await readers.prepare(file)).info.width == 160
    while readers_of(readers.pid):  # noqa: ASYNC110 - they are another's children
        await asyncio.sleep(0.01)
    assert capfd.readouterr().err == ""


def readers_of(maker: int) -> list[int]:
    return [*map(int, Path(f"/proc/{maker}/task/{maker}/children").read_text().split())]


async def reader_besides(maker: int, *known: int) -> int:
    async with asyncio.timeout(30):
        while not (others := set(readers_of(maker)) - set(known)):  # noqa: ASYNC110 - another's
            await asyncio.sleep(0)
    return others.pop()


async def test_a_killed_reader_is_not_the_files_fault_and_delays_nobody(
    file: BinaryIO, tmp_path: Path, readers: video_reader.Readers
) -> None:
    file.write(changing(tmp_path, [(200, 20, 20), (20, 20, 200)] * 5, (640, 360)))
    await readers.prepare(file)
    assert readers.pid is not None
    async with asyncio.TaskGroup() as group:
        first = group.create_task(readers.last_frame(file))
        known = await reader_besides(readers.pid)
        second = asyncio.ensure_future(readers.last_frame(file))  # noqa: TID251 - it fails
        stopped = await reader_besides(readers.pid, known)
        while Path(f"/proc/{stopped}/fd/0").exists():  # noqa: ASYNC110, ASYNC240 - it begins
            await asyncio.sleep(0)
        os.kill(stopped, signal.SIGSTOP)
        assert await first
    assert not second.done()
    os.kill(stopped, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ended with -9"):
        await second


async def test_the_reader_server_has_warmed_up_and_has_no_threads(
    file: BinaryIO, tmp_path: Path, readers: video_reader.Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    look = reader_process.look
    monkeypatch.setattr(reader_process, "look", lambda *args: ended.append(look(*args)))
    reader_process.warm_up()
    assert ended == [0]
    file.write(mp4(tmp_path))
    await readers.prepare(file)
    # one that has threads cannot fork safely
    assert "Threads:\t1\n" in Path(f"/proc/{readers.pid}/status").read_text()  # noqa: ASYNC240


async def test_twenty_files_are_read_at_once(
    tmp_path: Path, readers: video_reader.Readers
) -> None:
    data = mp4(tmp_path)
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(20)]
        for one in files:
            one.write(data)
        videos = await asyncio.gather(*(readers.prepare(one) for one in files))
        assert {video.info.width for video in videos} == {160}
        assert len({one.read() for one in files}) == 1


async def test_a_reader_server_without_resources_stays_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room() -> int:
        raise BlockingIOError(errno.EAGAIN, "no room")

    monkeypatch.setattr(os, "fork", no_room)
    line, ours = socket.socketpair()
    theirs, answer = socket.socketpair()
    with tempfile.TemporaryFile() as file, line, ours, theirs:
        reader_process.PreforkServer(line)._make(b"p", os.dup(file.fileno()), answer.detach())
        assert theirs.recv(1) == b""


async def test_readers_end_with_the_program(
    file: BinaryIO, tmp_path: Path, readers: video_reader.Readers
) -> None:
    file.write(mp4(tmp_path))
    await readers.prepare(file)
    assert readers.pid is not None
    maker = readers.pid
    readers.close()
    with pytest.raises(ProcessLookupError):
        os.killpg(maker, 0)


# --- the last picture ------------------------------------------------------------------------


def changing(folder: Path, colours: list[tuple[int, int, int]], size: tuple[int, int]) -> bytes:
    """An MP4 that shows each colour for a second."""
    path = folder / "changing.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for colour in colours:
            for _ in range(24):
                shown = av.VideoFrame.from_image(Image.new("RGB", size, colour))  # type: ignore[no-untyped-call]
                file.mux(stream.encode(shown))
        file.mux(stream.encode(None))
    return path.read_bytes()


async def test_the_last_picture_is_the_one_that_the_video_ends_with(
    file: BinaryIO, tmp_path: Path
) -> None:
    video = changing(tmp_path, [(200, 20, 20), (20, 200, 20), (20, 20, 200)], (360, 640))
    file.write(video)
    with Image.open(io.BytesIO(await video_reader.last_frame(file))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (360, 640))
        red, green, blue = picture.convert("RGB").getpixel((180, 320))  # type: ignore[misc]
        assert blue > 150 > 80 > max(red, green)
    file.seek(0)
    assert file.read() == video


async def test_no_picture_is_taken_from_a_file_that_is_not_a_video(file: BinaryIO) -> None:
    file.write(b"not a video at all" * 100)
    with pytest.raises(video_reader.NotAVideo):
        await video_reader.last_frame(file)
