"""Read a finished video: its facts, its thumbnail, and its index moved to the front.

Files come from the internet and are read by a C library, so a separate process reads each one
(bot/media/reader_process.py). A hostile file can hang, crash or fill only that process, which has
limits, no settings and no secrets; a thread has no such limits and cannot be killed. It must not
know where the file comes from or where it is sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from bot.core.errors import BotError

SECONDS = 120
"""Seconds; a reader takes longer only on an overloaded machine, and is then tried again."""

# Signals that end a reader because of a bad file; after another signal, the file may be fine.
_FATAL_TO_READERS = {
    -signal.SIGXCPU,
    -signal.SIGSEGV,
    -signal.SIGABRT,
    -signal.SIGFPE,
    -signal.SIGBUS,
    -signal.SIGILL,
}
_NOT_A_VIDEO = 3  # the reader's exit code for a bad file
_NOT_ALIKE = 4  # and for parts of a film that are not made alike
MAX_PARTS = 99
"""Parts that one film may have: their files are passed to the reader all at once."""
_PASSED_ON = ("PATH", "PYTHONPATH", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class NotAVideo(BotError):
    """The file is not a playable video, or only a part of one."""


class PartError(NotAVideo):
    """A part of a film is to blame: which one, from 0."""

    def __init__(self, part: int, what: str) -> None:
        super().__init__(f"part {part}: {what}")
        self.part, self.what = part, what


class PartsDiffer(PartError):
    """The part cannot follow the first one without encoding; `what` differs: codec, size, rate
    or sound."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """The video as shown, stretched and turned: sides in px, duration in whole seconds, at least
    1."""

    width: int
    height: int
    duration: int
    has_audio: bool
    container: str = "mp4"  # as the extension of such files
    is_played: bool = True  # whether phones have a decoder for it


@dataclass(frozen=True, kw_only=True)
class VideoDetails:
    """Details of a file: sides in px as stored, pictures per second, seconds; codecs by name."""

    codec: str
    width: int
    height: int
    rate: float
    seconds: float
    sound: str | None  # the codec; None without a sound track
    index_in_front: bool


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video ready for sendVideo, or for sendDocument if phones cannot play it: another container
    than MP4, or a codec of studios (Bot API: sendVideo)."""

    file: BinaryIO  # the same file that was passed in, at its start
    size: int  # bytes
    info: VideoInfo
    thumbnail: bytes  # JPEG of the first picture, at most 320 px and 200 kB

    @property
    def is_document(self) -> bool:
        """Whether Telegram shows it as a file only."""
        return self.info.container != "mp4" or not self.info.is_played


class Readers:
    """Runs a process for each file, forked from a server that has loaded the libraries; otherwise
    starting Python and loading them would take longer than everything else (docs/performance.md).

    The server starts with the first file, and ends when idle or with this program.
    """

    def __init__(self) -> None:
        self._maker: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server."""
        return self._maker.pid if self._maker else None

    async def prepare(self, file: BinaryIO) -> Video:
        """Read a video in an open file, which needs no name, and move the index of an MP4 to the
        front.

        The index is moved in place, so that the video plays while it loads; a read-only file stays
        as it is. Raises NotAVideo when the file is to blame. Any other error (TimeoutError,
        OSError, RuntimeError) is a fault of the machine: the same file may work later.
        """
        head, _, thumbnail = (await self._read(file, b"p")).partition(b"\n")
        # Drop the buffered data of this object: it is from before the index was moved.
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return Video(file=file, size=size, info=VideoInfo(**json.loads(head)), thumbnail=thumbnail)

    async def last_frame(self, file: BinaryIO) -> bytes:
        """Return the last picture of a video in an open file, a JPEG at the size of the video.

        The file stays as it is. Raises what `prepare` raises.
        """
        return await self._read(file, b"l")

    async def details(self, file: BinaryIO) -> VideoDetails:
        """Return how a video in an open file is made; the file stays as it is.

        Raises what `prepare` raises.
        """
        return VideoDetails(**json.loads(await self._read(file, b"d")))

    async def join(self, parts: Sequence[BinaryIO], film: BinaryIO) -> None:
        """Join MP4s in open files, in this order, into the empty open file `film`.

        Streams are copied without encoding; the index of the film is in front. Raises PartsDiffer
        when that is not possible and PartError when a part is no video; other errors as `prepare`.
        """
        await self._read(film, b"j", parts)

    async def sound(self, file: BinaryIO, target: BinaryIO) -> None:
        """Copy the sound of an MP4 into the empty open file `target`, as MP4 without pictures.

        Raises NotAVideo when the file is broken or silent; other errors as `prepare`.
        """
        await self._read(target, b"s", [file])

    async def picture(self, file: BinaryIO) -> bytes:
        """Return a smaller JPEG of a large or rare picture in an open file: upright, sRGB.

        Raises what `prepare` raises.
        """
        return await self._read(file, b"i")

    def close(self) -> None:
        """End the server and all readers."""
        if self._line is not None:
            self._line.close()
        if self._maker is not None:
            self._maker.wait()
        self._line = self._maker = None

    async def _read(self, file: BinaryIO, word: bytes, parts: Sequence[BinaryIO] = ()) -> bytes:
        """Return the answer of a new reader about the files; `word` is the job."""
        files = (file, *parts)
        for one in files:
            one.flush()
        # Two attempts: a server that is just ending loses the first request.
        answer = await self._ask(files, word) or await self._ask(files, word)
        if len(answer) < 4:
            raise RuntimeError("bot.media.reader_process did not start")
        said, [code] = answer[:-4], struct.unpack(">i", answer[-4:])
        if code == _NOT_ALIKE:
            raise PartsDiffer(**json.loads(said))
        if code == _NOT_A_VIDEO and parts:
            raise PartError(**json.loads(said))
        if code == _NOT_A_VIDEO:
            raise NotAVideo(said.decode(errors="replace")[:200])
        if code in _FATAL_TO_READERS:
            raise NotAVideo(f"reading it ended with {signal.Signals(-code).name}")
        if code != 0:
            raise RuntimeError(f"bot.media.reader_process ended with {code}: {said[-500:]!r}")
        return said

    async def _ask(self, files: Sequence[BinaryIO], word: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._call(word, *(file.fileno() for file in files), theirs.fileno())
                reader, writer = await asyncio.open_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
        try:
            async with asyncio.timeout(SECONDS):
                return await reader.read()
        finally:
            writer.transport.abort()

    def _call(self, word: bytes, *descriptors: int) -> None:
        if self._line is None:
            self._line = self._start()
        try:
            socket.send_fds(self._line, [word], descriptors)
        except (BrokenPipeError, ConnectionResetError):
            self._line = self._start()
            socket.send_fds(self._line, [word], descriptors)

    def _start(self) -> socket.socket:
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._maker = subprocess.Popen(
                [sys.executable, "-m", "bot.media.reader_process"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                start_new_session=True,
            )
        return ours


readers = Readers()
"""The program's only instance; the program closes it at the end."""
prepare, last_frame, join, sound, picture = (
    readers.prepare,
    readers.last_frame,
    readers.join,
    readers.sound,
    readers.picture,
)
