"""The finished video: what it is, its thumbnail, and its index moved to the front.

Files come from a link on the internet and are read by a C library, so a process of its own reads
each (bot/media/reader_process.py): what a hostile file can hang, crash or fill is that process,
which has limits, no settings and no secrets; a thread has none of these and cannot be ended. It
must not know where the file comes from or goes.
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
from dataclasses import dataclass
from typing import BinaryIO

from bot.core.errors import BotError

SECONDS = 120
"""A reader that takes longer stands on a machine that is out of breath: it is tried again."""

# What the reader dies of when the file is to blame; killed by others, the file may be fine.
_FATAL_TO_READERS = {
    -signal.SIGXCPU,
    -signal.SIGSEGV,
    -signal.SIGABRT,
    -signal.SIGFPE,
    -signal.SIGBUS,
    -signal.SIGILL,
}
_NOT_A_VIDEO = 3  # the reader's own word, as exit code
_PASSED_ON = ("PATH", "PYTHONPATH", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class NotAVideo(BotError):
    """The file is no MP4 that can be played, or only a part of one."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """As it is shown, so after turning: sides in px, duration in whole seconds, at least 1."""

    width: int
    height: int
    duration: int
    has_audio: bool


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video ready for sendVideo (Bot API: sendVideo)."""

    file: BinaryIO  # the one that was handed in, at its beginning
    size: int  # bytes
    info: VideoInfo
    thumbnail: bytes  # JPEG of the first picture, at most 320 px and 200 kB


class Readers:
    """A process for each file, made by one that has the libraries loaded: starting Python and
    loading them took longer than all the rest (docs/performance.md).

    The maker starts with the first file, and ends when it has nothing to do, or with us.
    """

    def __init__(self) -> None:
        self._maker: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The maker's."""
        return self._maker.pid if self._maker else None

    async def prepare(self, file: BinaryIO) -> Video:
        """Reads an MP4 in an open file, which needs no name, and moves its index to the front.

        The index is moved in place, so that it plays while it loads; a file that is open for
        reading only stays as it is. Raises NotAVideo when the file is to blame. Any other error
        (TimeoutError, OSError, RuntimeError) is the machine's: the same file may do better later.
        """
        head, _, thumbnail = (await self._read(file, b"p")).partition(b"\n")
        # From the end: whatever this object had read ahead is from before the index was moved.
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return Video(file=file, size=size, info=VideoInfo(**json.loads(head)), thumbnail=thumbnail)

    async def last_frame(self, file: BinaryIO) -> bytes:
        """The last picture of an MP4 in an open file, a JPEG as large as the video is shown.

        The file stays as it is. Raises what `prepare` raises.
        """
        return await self._read(file, b"l")

    def close(self) -> None:
        """Ends the maker and all readers."""
        if self._line is not None:
            self._line.close()
        if self._maker is not None:
            self._maker.wait()
        self._line = self._maker = None

    async def _read(self, file: BinaryIO, word: bytes) -> bytes:
        """What a reader of its own says of the file; `word` tells it what to look for."""
        file.flush()
        # Twice: a maker that ended just now has taken the first call with it.
        answer = await self._ask(file, word) or await self._ask(file, word)
        if len(answer) < 4:
            raise RuntimeError("bot.media.reader_process did not start")
        said, [code] = answer[:-4], struct.unpack(">i", answer[-4:])
        if code == _NOT_A_VIDEO:
            raise NotAVideo(said.decode(errors="replace")[:200])
        if code in _FATAL_TO_READERS:
            raise NotAVideo(f"reading it ended with {signal.Signals(-code).name}")
        if code != 0:
            raise RuntimeError(f"bot.media.reader_process ended with {code}: {said[-500:]!r}")
        return said

    async def _ask(self, file: BinaryIO, word: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._call(word, file.fileno(), theirs.fileno())
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
"""The program's own, which it closes at its end."""
prepare, last_frame = readers.prepare, readers.last_frame
