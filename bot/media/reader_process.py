"""Read untrusted videos, each in a separate process; started by bot/media/video_reader.py.

This process opens no files by name. It waits on standard input, a socket, and forks for each file
that is passed there. The child reads the file under limits; when it has ended, its exit status is
appended to its answer. The answer is a line of JSON followed by the thumbnail, the last picture,
or JSON with the details. If the file is bad, the child exits with 3 and a reason. To join parts
into a film, or to copy the sound of one, the empty file comes first; nothing is answered. Large
and rare pictures are read here too; the answer is a JPEG. It must not know settings, secrets or
other modules of the bot.
"""

from __future__ import annotations

import fcntl
import gc
import io
import json
import math
import os
import resource
import select
import signal
import socket
import struct
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, NoReturn

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from PIL import Image

from bot.core.errors import InputError
from bot.core.task import Problem
from bot.media import film_join, hevc_name, sound_copy
from bot.media.mp4 import (
    MAX_SIDE,
    Positioned,
    Unusable,
    duration,
    film,
    find_index,
    move_index,
    pictures,
)

MEMORY = 1 << 30  # bytes of address space; 0.13 GiB are in use before the file is opened
# of a picture; beside the bot it fits into the container (compose.yaml: mem_limit)
PICTURE_MEMORY = 640 << 20
CPU_SECONDS = 8  # reading 50 MB takes less than one second
THUMBNAIL_SIDE = 320  # px (Bot API: sendVideo)
MAX_STRETCH = 16  # of a picture's pixels, in either direction: more is a mistake
MAX_SOUND = 24 * 3600  # s: more is a mistake
PLAYED = {"hevc", "av1", "vp9", "mpeg4"}
"""Codecs besides H.264 that phones play, by libav's names."""
MAX_FILES = 100  # of one film, and the film; Linux passes 253 at once (SCM_MAX_FD)
NOT_A_VIDEO = 3
NOT_ALIKE = 4
SECONDS = 130  # longer than the caller waits
IDLE_SECONDS = 60.0  # seconds without a file after which the process ends and frees its memory


OTHERS = (
    (b"\x1aE\xdf\xa3", "matroska", "mkv"),
    (b"RIFF", "avi", "avi"),
    (b"OggS", "ogg", "ogv"),
    (b"FLV", "flv", "flv"),
    (b"GIF8", "gif", "gif"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf", "wmv"),
    (b"\x00\x00\x01\xba", "mpeg", "mpg"),
    (b"\x47", "mpegts", "ts"),
)
"""Containers other than MP4 by their first bytes: libav's name, and the extension. None of them
names other files or addresses, as playlists do."""


class PreforkServer:
    """The pre-fork server: forks a reader for each file that is passed to it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._answers: dict[int, int] = {}  # process id -> descriptor of its answer

    def run(self) -> None:
        """Serve until the socket closes and all readers have ended, or until it has been idle too
        long."""
        ended, note = socket.socketpair()
        note.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(note.fileno(), warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._line, ended], [], [], IDLE_SECONDS)
            if ended in ready:
                ended.recv(4096)
                self._reap()
            if self._line in ready:
                word, descriptors, _, _ = socket.recv_fds(self._line, 1, MAX_FILES + 2)
                if not word:
                    os.killpg(0, signal.SIGKILL)
                self._make(word, *descriptors)
            if not ready and not self._answers:
                return

    def _make(self, word: bytes, *descriptors: int) -> None:
        *files, answer = descriptors
        try:
            reader = os.fork()
        except OSError:  # no resources now: the caller gets no answer and tries again
            for descriptor in descriptors:
                os.close(descriptor)
            return
        if reader == 0:
            signal.set_wakeup_fd(-1)
            for other in self._answers.values():
                os.close(other)
            self._line.close()
            run_job(word, files, answer)
        self._answers[reader] = answer
        for file in files:
            os.close(file)

    def _reap(self) -> None:
        """Append the exit status of each ended reader, which a crashed reader cannot do itself."""
        while self._answers:
            reader, status = os.waitpid(-1, os.WNOHANG)
            if reader == 0:
                return
            answer = self._answers.pop(reader)
            with suppress(BrokenPipeError):
                os.write(answer, struct.pack(">i", os.waitstatus_to_exitcode(status)))
            os.close(answer)


def warm_up() -> None:
    """Read a small built-in film, so that readers start with the libraries initialised and their
    pages shared (docs/performance.md)."""
    with suppress(OSError, ValueError, av.error.FFmpegError), tempfile.TemporaryFile() as own:
        with av.open(own, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            stream.codec_context.thread_count = 1  # a process with threads cannot fork safely
            picture = av.VideoFrame.from_image(Image.new("RGB", (64, 64)))  # type: ignore[no-untyped-call]
            container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        own.flush()
        look(b"p", own.fileno(), io.BytesIO())


def run_job(word: bytes, files: list[int], answer: int) -> NoReturn:
    """Run one job: the whole life of a reader."""
    code = 1
    # the caller may have been killed meanwhile
    with suppress(BrokenPipeError), open(answer, "wb") as said:
        try:
            limit(*files)
            if word == b"j":
                code = join(files, said)
            elif word == b"s":
                code = sound(files, said)
            elif word == b"i":
                code = picture(files[0], said)
            else:
                code = look(word, files[0], said)
        except BaseException:
            said.write(traceback.format_exc().encode())
    os._exit(code)


def limit(*descriptors: int) -> None:
    """Limit what reading these files may cost."""
    size = sum(os.fstat(descriptor).st_size for descriptor in descriptors)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    cpu = CPU_SECONDS * -(-len(descriptors) // 8)  # a part of a film takes 0.05 s
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    # Many samples may refer to the same bytes: the output needs a limit too.
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size + (1 << 20),) * 2)


def join(files: list[int], out: IO[bytes]) -> int:
    """Join the other files into the first one: exit code 0; or NOT_A_VIDEO or NOT_ALIKE, and
    which part is to blame."""
    target, *parts = files
    try:
        film_join.join(parts, target)
    except film_join.NotAlike as exc:
        out.write(json.dumps({"part": exc.part, "what": exc.what}).encode())
        return NOT_ALIKE
    except film_join.BadPart as exc:
        out.write(json.dumps({"part": exc.part, "what": exc.what}).encode(errors="replace"))
        return NOT_A_VIDEO
    return 0


def sound(files: list[int], out: IO[bytes]) -> int:
    """Copy the sound of the second file into the first: exit code 0, or NOT_A_VIDEO and why."""
    target, source = files
    try:
        sound_copy.copy_sound(source, target)
    except (Unusable, av.error.FFmpegError, ValueError) as exc:
        out.write(json.dumps({"part": 0, "what": type(exc).__name__}).encode())
        return NOT_A_VIDEO
    return 0


def picture(descriptor: int, out: IO[bytes]) -> int:
    """Return exit code 0 and the picture as a JPEG, or NOT_A_VIDEO and the problem with it."""
    # loaded only for such pictures: libheif and colours take 8 MB
    from bot.media import large_pictures

    resource.setrlimit(resource.RLIMIT_AS, (PICTURE_MEMORY, PICTURE_MEMORY))
    try:
        content = Positioned(descriptor).read()
        out.write(large_pictures.make_small(content))
    except InputError as exc:
        out.write(exc.problem.encode())
        return NOT_A_VIDEO
    except MemoryError:
        out.write(Problem.IMAGE_BOMB.encode())
        return NOT_A_VIDEO
    return 0


def look(word: bytes, descriptor: int, out: IO[bytes]) -> int:
    """Return exit code 0 and the answer, or NOT_A_VIDEO and the reason."""
    try:
        demuxer, extension = container_of(Positioned(descriptor).read(64))
        in_front = True
        if extension == "mp4":
            _, in_front = find_index(Positioned(descriptor), os.fstat(descriptor).st_size)
        with film(descriptor, demuxer, as_declared=word == b"p") as container:
            if word == b"l":
                out.write(last(container))
                return 0
            if word == b"d":
                out.write(json.dumps(details(container, in_front)).encode())
                return 0
            seconds = max(duration(container), sound_duration(container))
            info, picture = describe(container, first_picture(container), seconds)
            info["container"] = extension
        if extension == "mp4" and is_writable(descriptor):
            hevc_name.rename(descriptor)
            if not in_front:
                move_index(descriptor)
    except Exception as exc:
        if isinstance(exc, OSError) and not isinstance(exc, av.error.FFmpegError):
            raise  # a fault of the disk
        out.write(f"{type(exc).__name__}: {exc}".encode(errors="replace"))
        return NOT_A_VIDEO
    out.write(json.dumps(info).encode() + b"\n" + picture)
    return 0


def is_writable(descriptor: int) -> bool:
    """Return whether the file was opened for writing too."""
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def container_of(head: bytes) -> tuple[str, str]:
    """Return the demuxer for a file that begins so, and the extension of such files."""
    for magic, demuxer, extension in OTHERS:
        if head.startswith(magic):
            return demuxer, "webm" if b"webm" in head else extension
    return "mp4", "mp4"


def decoded(container: InputContainer) -> Iterator[VideoFrame]:
    """Iterate over the pictures from here on, without those that are damaged: players skip them
    too."""
    for packet in container.demux(pictures(container)):
        with suppress(av.error.InvalidDataError):
            yield from packet.decode()


def first_picture(container: InputContainer) -> VideoFrame:
    """Return the first picture. Raises Unusable when there is none."""
    for frame in decoded(container):
        return frame
    raise Unusable("there is no picture in it")


def describe(
    container: InputContainer, frame: VideoFrame, seconds: float
) -> tuple[dict[str, Any], bytes]:
    """Return the fields of VideoInfo, and the thumbnail."""
    turn = turned(frame)
    width, height = shown_size(container, frame)
    info = {
        "width": height if turn % 180 else width,
        "height": width if turn % 180 else height,
        "duration": max(1, math.floor(seconds + 0.5)),
        "has_audio": bool(container.streams.audio),
        "is_played": is_played(container, frame),
    }
    return info, thumbnail(frame, width, height, turn)


def sound_duration(container: InputContainer) -> float:
    """Return the length of the sound in seconds; 0 if it is not declared. Players play on to its
    end."""
    sounds = container.streams.audio
    declared = (
        float(one.duration * one.time_base) for one in sounds if one.duration and one.time_base
    )
    return max((seconds for seconds in declared if seconds < MAX_SOUND), default=0.0)


def is_played(container: InputContainer, frame: VideoFrame) -> bool:
    """Return whether phones have a decoder for these pictures."""
    codec = pictures(container).codec_context.codec.canonical_name
    if codec == "h264":  # but not its studio profiles
        return frame.format.name in ("yuv420p", "yuvj420p")
    return codec in PLAYED


def turned(frame: VideoFrame) -> int:
    """Return by how many degrees the frame is shown turned to the left: 0, 90, 180 or 270.

    Players turn by quarters. Some muxers leave the matrix at zero, for which libav has no angle
    and PyAV the smallest integer (ISO/IEC 14496-12, 8.3.2: the matrix).
    """
    return round(frame.rotation / 90) * 90 % 360 if abs(frame.rotation) <= 360 else 0


def shown_size(container: InputContainer, frame: VideoFrame) -> tuple[int, int]:
    """Return the size at which the frame is shown before it is turned: its pixels may not be
    square (ISO/IEC 14496-12, 12.1.4.2: pasp). Players stretch the width.
    """
    stream = pictures(container)
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if not ratio or not 1 / MAX_STRETCH <= ratio <= MAX_STRETCH:
        return frame.width, frame.height
    width = max(1, round(frame.width * ratio))
    return (width, frame.height) if width <= MAX_SIDE else (frame.width, frame.height)


def details(container: InputContainer, in_front: bool) -> dict[str, Any]:
    """Return the fields of VideoDetails."""
    stream = pictures(container)
    sounds = container.streams.audio
    rate = stream.average_rate
    return {
        "codec": stream.codec_context.codec.canonical_name,
        "width": stream.width,
        "height": stream.height,
        "rate": round(float(rate), 3) if rate else 0.0,
        "seconds": round(duration(container), 3),
        "sound": sounds[0].codec_context.codec.canonical_name if sounds else None,
        "index_in_front": in_front,
    }


def last(container: InputContainer) -> bytes:
    """Return the last picture as a JPEG, at the size at which it is shown."""
    frame = None
    # From the last key frame on; earlier pictures are decoded only if all of these are damaged.
    for start in (max(0.0, duration(container) - 0.1), 0.0):
        container.seek(int(start * av.time_base))
        for frame in decoded(container):  # noqa: B007 - the last is wanted
            pass
        if frame is not None:
            break
    else:
        raise Unusable("there is no picture in it")
    width, height = shown_size(container, frame)
    return jpeg(frame, width, height, turned(frame), quality=92)


def thumbnail(frame: VideoFrame, width: int, height: int, turn: int) -> bytes:
    """Return a JPEG of at most 320 px, which stays under 200 kB at this quality; `width` and
    `height`: as the frame is shown."""
    scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    return jpeg(frame, width, height, turn, quality=85)


def jpeg(frame: VideoFrame, width: int, height: int, turn: int, *, quality: int) -> bytes:
    """Return the frame at this size, rotated as it is shown."""
    picture: Image.Image = frame.to_image(width=width, height=height, interpolation="AREA")  # type: ignore[no-untyped-call]
    if turn:
        picture = picture.rotate(turn, expand=True)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def serve(line: socket.socket) -> None:
    """Warm up, then run the server."""
    Image.preinit()
    warm_up()
    gc.disable()
    gc.freeze()  # otherwise a garbage collection would copy every shared page
    PreforkServer(line).run()


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
