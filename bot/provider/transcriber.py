"""Speech to text by a service in the OpenAI form: `POST …/audio/transcriptions` with a file.

OpenAI's own service, and many programs of one's own, speak it. The sound goes to that address and
nowhere else. Best effort: a late or strange answer is None. It must not know Telegram, tasks or
the database; the key and the words never reach a log.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import wave
from urllib.parse import urlsplit

import aiohttp
import httpx

from bot.core.json_text import decode
from bot.provider.transport import transport

logger = logging.getLogger(__name__)

SECONDS = 60.0
"""Seconds for one sound; a minute of speech takes a few."""
BODY_LIMIT = 1 << 18
"""Bytes of an answer; a minute of speech has some thousand characters."""

_TYPES = {
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "webm": "audio/webm",
}
_STARTS = ((b"OggS", "ogg"), (b"ID3", "mp3"), (b"fLaC", "flac"), (b"\x1aE\xdf\xa3", "webm"))
_TOO_SHORT = re.compile(rb"too[ _]short", re.IGNORECASE)
"""How the service refuses a sound shorter than 0.1 s; the code is `audio_too_short`."""


class TranscriberError(Exception):
    """The service gave no text; the message has neither its answer nor the key."""


def endpoint(url: str) -> str:
    """Return the base address: `/v1` is added to an address without a path, as OpenAI's needs."""
    return f"{url}/v1" if urlsplit(url).path in ("", "/") else url


class Transcriber:
    """Asks one model of one service."""

    def __init__(self, client: httpx.AsyncClient, model: str, *, seconds: float = SECONDS) -> None:
        self._client = client
        self._model = model
        self._seconds = seconds

    @classmethod
    def connect(cls, url: str, key: str, model: str, *, proxy_url: str = "") -> Transcriber:
        """Open a client; `key` may be empty for a service that needs none."""
        headers = {"Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        # Redirects are not followed: another address must not get the sound or the key.
        client = httpx.AsyncClient(
            base_url=endpoint(url),
            headers=headers,
            transport=transport(proxy_url),
            timeout=httpx.Timeout(SECONDS),
            trust_env=False,
        )
        return cls(client, model)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def hear(self, sound: bytes, extension: str) -> str | None:
        """Return the words of a sound, "" without any; None if the service gives no answer.

        `extension` counts only when the sound itself does not show its format.
        """
        try:
            return await self._ask(sound, format_of(sound) or extension)
        except TranscriberError as exc:
            logger.warning("a voice message is not transcribed: %s", exc)
            return None

    async def check(self) -> str:
        """Send one second of silence; return what is wrong, "" if the service answers."""
        try:
            await self._ask(silence(), "wav")
        except TranscriberError as exc:
            return str(exc)
        return ""

    async def _ask(self, sound: bytes, extension: str) -> str:
        file = (f"voice.{extension}", sound, _TYPES[extension])
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream(
                    "POST",
                    "audio/transcriptions",
                    data={"model": self._model, "response_format": "json"},
                    files={"file": file},
                ) as response,
            ):
                content = b""
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > BODY_LIMIT:
                        raise TranscriberError("the answer is too long")
            if response.status_code == 400 and _TOO_SHORT.search(content):
                return ""  # somebody only tapped the button
            if response.status_code != 200:
                raise TranscriberError(f"the service answers HTTP {response.status_code}")
            text = decode(content)["text"]
        except TimeoutError:
            raise TranscriberError(f"no answer within {self._seconds:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as exc:
            raise TranscriberError(f"no answer ({type(exc).__name__})") from None
        except (ValueError, LookupError, TypeError, RecursionError) as exc:
            raise TranscriberError(f"not an answer ({type(exc).__name__})") from None
        if not isinstance(text, str):
            raise TranscriberError("not an answer (no text)")
        return text


def format_of(sound: bytes) -> str:
    """Return the usual extension of a sound's format, "" for an unknown one.

    A voice may be MP3 or M4A too (Bot API: sendVoice), and services refuse a file whose name does
    not fit its content.
    """
    for start, extension in _STARTS:
        if sound.startswith(start):
            return extension
    if sound[4:8] == b"ftyp":
        return "m4a"
    if sound.startswith(b"RIFF") and sound[8:12] == b"WAVE":
        return "wav"
    # A frame of MPEG audio, layer III: eleven bits set, and the layer's 01.
    is_frame = len(sound) > 1 and sound[0] == 0xFF and sound[1] & 0xE6 == 0xE2
    return "mp3" if is_frame else ""


def silence() -> bytes:
    """Return one second without sound, as WAV: what a check sends."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32_000))
    return file.getvalue()
