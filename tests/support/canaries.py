"""Find the token, the key and a location in everything that a run left behind.

The token belongs into URLs of the Bot API and the key into the provider's `Authorization`;
anywhere else it is a leak. It knows the emulators' records, and of the bot only its files.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.emulator import TelegramEmulator
from tests.support.process_harness import KEY, TOKEN

PLACE = "canary-place-59.9386N"
"""What stands in the GPS block of photos that people send."""

_SECRETS = {"the token": TOKEN, "a part of the token": TOKEN.partition(":")[2], "the key": KEY}
_NEEDLES = {
    form: name
    for name, secret in _SECRETS.items()
    for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="))
}
_OUR_LOGGERS = ("bot", "handlers", "storage")


def exif() -> Image.Exif:
    """What a camera writes into a photo that was taken at PLACE."""
    made = Image.Exif()
    made[0x010E] = PLACE
    gps = made.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (59.0, 56.0, 19.0), PLACE
    return made


def leaks(what: str, content: bytes | str) -> list[str]:
    """The secrets in one text or file, which is called `what`."""
    data = content if isinstance(content, bytes) else content.encode(errors="replace")
    return [f"{name} stands in {what}" for form, name in _NEEDLES.items() if form in data]


def leaks_to_telegram(telegram: TelegramEmulator) -> list[str]:
    """In any call, header, answer or file; a place in any file that the bot uploaded."""
    found = []
    uploaded: set[str] = set()
    for call in telegram.calls:
        what = f"call {call.number} of Telegram, {call.method}"
        found += leaks(what, repr(call))
        uploaded |= {upload["sha256"] for upload in call.uploads.values()}
    for path, content in _files(telegram.world.files.folder):
        found += leaks(f"the file {path.name} at Telegram", content)
        if PLACE.encode() in content and hashlib.sha256(content).hexdigest() in uploaded:
            found.append(f"a place stands in {path.name}, which the bot uploaded")
    return found


def leaks_to_provider(provider: GptunnelEmulator) -> list[str]:
    """In any call, header or first frame; the key only where it belongs."""
    found = []
    for call in provider.calls:
        headers = dict(call.headers)
        if call.name not in ("download", "unknown"):
            headers.pop("Authorization", None)
        found += leaks(f"a call of the provider, {call.name}", f"{headers} {call.body}")
    for task in provider.tasks.values():
        image = task.made.image if task.made is not None else None
        found += leaks(f"the order {task.id}", f"{task.prompt} {task.image}")
        if image is not None and any(one in image for one in (PLACE.encode(), b"Exif")):
            found.append(f"a place stands in the first frame of {task.id}")
    return found


def leaks_on_disk(folder: Path) -> list[str]:
    """In any file below it: logs, the database with its WAL, videos, whatever was left."""
    found = []
    for path, content in _files(folder):
        found += leaks(path.name, content)
        if PLACE.encode() in content:
            found.append(f"a place stands in {path.name}")
    return found


@contextlib.contextmanager
def leaks_in_log() -> Iterator[list[str]]:
    """Search the bot's log lines and their exceptions, before the last filter removes secrets."""
    found: list[str] = []
    handler = _LeakHandler(found)
    ears = [logging.getLogger(name) for name in _OUR_LOGGERS]
    for logger in ears:
        logger.addHandler(handler)
    try:
        yield found
    finally:
        for logger in ears:
            logger.removeHandler(handler)


class _LeakHandler(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._found += leaks(f"a line of {record.name}, {record.msg!r}", self.format(record))


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a running bot deletes files
            if path.is_file():
                yield path, path.read_bytes()
