"""Facts about the link to a video and about its file, for `bot check --order`.

It must not know orders. The file is read by a separate process (bot/media/video_reader.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import BinaryIO

from bot.core.catalog import Model
from bot.core.task import AspectRatio
from bot.media.download import Downloader, DownloadError
from bot.media.video_reader import NotAVideo, readers
from bot.provider import documented
from bot.provider.comparison import Comparison
from bot.provider.documented import Mark

_KINDS = {b"\x1aE\xdf\xa3": "webm or mkv", b"RIFF": "avi", b"GIF8": "gif", b"OggS": "ogg"}


class VideoFacts:
    """Checks the link and the file of each video."""

    def __init__(self, facts: Comparison, download: Downloader) -> None:
        self._facts = facts
        self._download = download

    async def look(self, url: str, model: Model, ratio: AspectRatio) -> None:
        """Ask the link's server, download the video and read it."""
        expect = self._facts.expect
        try:
            status, headers = await self._download.head(url)
            part, _ = await self._download.head(url, Range="bytes=0-99")
            expect("link: HTTP status", status, 200, Mark.GUESS)
            self._headers(headers)
            expect("link: ranges", f"HTTP {part}", documented.RANGES, Mark.GUESS)
            with tempfile.TemporaryFile() as file:
                size = await self._download(url, file)
                self._size(size, headers)
                await self._file(file, model, ratio)
        except DownloadError as exc:
            expect("link: download", exc, "works", Mark.DOC, holds=False)

    def _headers(self, headers: Mapping[str, str]) -> None:
        expect = self._facts.expect
        kind = headers.get("Content-Type", "none").partition(";")[0]
        expect("link: content-type", kind, documented.CONTENT_TYPE, Mark.GUESS)
        length = "given" if "Content-Length" in headers else "not given"
        expect("link: content-length", length, "given", Mark.GUESS)
        for name in ("Server", "Cache-Control", "Accept-Ranges"):
            if name in headers:
                self._facts.measured(f"link: {name.lower()}", headers[name])

    def _size(self, size: int, headers: Mapping[str, str]) -> None:
        megabytes, most = size / 1e6, documented.MAX_MEGABYTES
        self._facts.expect(
            "video: megabytes", f"{megabytes:.1f}", f"at most {most}", Mark.GUESS,
            holds=megabytes <= most,
        )  # fmt: skip
        length = headers.get("Content-Length", str(size))
        if length != str(size):
            said = f"{size} bytes came, {length} were promised"
            self._facts.expect("link: length", said, "that of the file", Mark.DOC, holds=False)

    async def _file(self, file: BinaryIO, model: Model, ratio: AspectRatio) -> None:
        expect = self._facts.expect
        file.seek(0)
        expect("video: container", _container(file.read(12)), documented.CONTAINER, Mark.VENDOR)
        try:
            found = await readers.details(file)
        except NotAVideo as exc:
            expect("video: file", exc, "can be read", Mark.VENDOR, holds=False)
            return
        except (OSError, RuntimeError) as exc:  # the fault of this machine
            self._facts.not_seen("video: file", type(exc).__name__)
            return
        expect("video: codec", found.codec, documented.CODEC, Mark.VENDOR)
        size = f"{found.width}x{found.height}"
        if wanted := documented.SIZES.get(model.quality, {}).get(ratio.value):
            expect("video: size", size, wanted, Mark.VENDOR)
        else:
            self._facts.measured("video: size", size)
        expect("video: pictures per second", f"{found.rate:g}", documented.RATE, Mark.VENDOR)
        expect("video: sound", found.sound or "none", documented.SOUND, Mark.VENDOR)
        expect(
            "video: seconds", f"{found.seconds:.1f}", model.seconds, Mark.DOC,
            holds=abs(found.seconds - model.seconds) <= 0.5,
        )  # fmt: skip
        self._facts.measured("video: index", "in front" if found.index_in_front else "at the end")


def _container(head: bytes) -> str:
    """Return the name of the container format, found by its first bytes."""
    if head[4:8] == b"ftyp":
        return "quicktime" if head[8:12] == b"qt  " else "mp4"
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "unknown")
