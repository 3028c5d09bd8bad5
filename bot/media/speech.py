"""Speech to text on this machine with faster-whisper, the extra `voice`.

The library and its model take hundreds of megabytes, and the sound is a stranger's: each sound is
heard in a process of its own (bot/media/speech_process.py), one at a time, without settings or
secrets, under limits, and its memory is free afterwards. It must not know Telegram.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import sys
from contextlib import suppress

logger = logging.getLogger(__name__)

SECONDS = 90.0
"""Seconds for one sound, with the wait for the one before it; a minute of speech takes 10 to 40 s
with `small` on two cores. The handler of a message is given up after 120 s."""
LOAD_SECONDS = 1800.0
"""Seconds for the first start, which downloads the model."""
ANSWER_LIMIT = 1 << 18

_PASSED_ON = (
    "PATH", "PYTHONPATH", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "HOME",
    "HF_HOME", "HF_HUB_OFFLINE", "XDG_CACHE_HOME",
)  # fmt: skip


def is_installed() -> bool:
    """Whether the extra is installed; nothing is imported."""
    return importlib.util.find_spec("faster_whisper") is not None


class LocalTranscriber:
    """Runs one process for each sound; `model`: a size such as `small`, or a folder."""

    def __init__(self, model: str, *, seconds: float = SECONDS) -> None:
        self._model = model
        self._seconds = seconds
        self._turn = asyncio.Semaphore(1)

    async def close(self) -> None:
        """Nothing stays open between two sounds."""

    async def hear(self, sound: bytes, extension: str) -> str | None:
        """Return the words of a sound, "" without any; None if it could not be heard."""
        text, why = await self._run(sound, self._seconds)
        if text is None:
            logger.warning("a voice message is not transcribed: %s", why)
        return text

    async def check(self) -> str:
        """Load the model, which downloads it at the first time; return what is wrong, or ""."""
        text, why = await self._run(b"", LOAD_SECONDS)
        return why if text is None else ""

    async def _run(self, sound: bytes, seconds: float) -> tuple[str | None, str]:
        """Return the text, or None and the reason."""
        try:
            async with asyncio.timeout(seconds), self._turn:
                return await self._ask(sound)
        except TimeoutError:
            return None, f"it took more than {seconds:.0f} s"
        except OSError as exc:
            return None, f"no process ({type(exc).__name__})"

    async def _ask(self, sound: bytes) -> tuple[str | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.media.speech_process",
            self._model,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError, ConnectionResetError):  # its exit code says why
                process.stdin.write(sound)
                await process.stdin.drain()
            process.stdin.close()
            said = await process.stdout.read(ANSWER_LIMIT)
            while await process.stdout.read(ANSWER_LIMIT):
                said = b""  # longer than any speech
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            answer = json.loads(said)
            return (str(answer["text"]), "") if code == 0 else (None, str(answer["error"])[:200])
        except (ValueError, LookupError, TypeError):
            return None, f"the process ended with {code}"
