"""The finished video: what it is, its thumbnail, and its index moved to the front.

Files come from a link on the internet and are read by a C library, so a process of its own reads
each (bot/media_reader.py): what a hostile file can hang, crash or fill is that process, which has
limits, no settings and no secrets; a thread has none of these and cannot be ended. It costs 0.12 s
of CPU a video. It must not know where the file comes from or goes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import BinaryIO

from bot.errors import BotError

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


async def prepare(file: BinaryIO) -> Video:
    """Reads an MP4 in an open file, which needs no name, and moves its index to the front.

    The index is moved in place, so that it plays while it loads; a file that is open for reading
    only stays as it is. Raises NotAVideo when the file is to blame. Any other error (TimeoutError,
    OSError, RuntimeError) is the machine's: the same file may do better later.
    """
    head, _, thumbnail = (await _read(file)).partition(b"\n")
    # From the end: whatever this object had read ahead is from before the index was moved.
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Video(file=file, size=size, info=VideoInfo(**json.loads(head)), thumbnail=thumbnail)


async def last_frame(file: BinaryIO) -> bytes:
    """The last picture of an MP4 in an open file, a JPEG as large as the video is shown.

    The file stays as it is. Raises what `prepare` raises.
    """
    return await _read(file, "last")


async def _read(file: BinaryIO, *words: str) -> bytes:
    """What a reader of its own says of the file; `words` tell it what to look for."""
    await asyncio.to_thread(file.flush)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot.media_reader", *words),
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, complaint = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    code = child.returncode
    if code == _NOT_A_VIDEO:
        raise NotAVideo(said.decode(errors="replace")[:200])
    if code in _FATAL_TO_READERS:
        raise NotAVideo(f"reading it ended with {signal.Signals(-code).name}")
    if code != 0:
        raise RuntimeError(f"bot.media_reader ended with {code}: {complaint[-500:]!r}")
    return said
