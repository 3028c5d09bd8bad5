"""The smallest bot there can be: raw calls over HTTP. Knows no library of the product."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import av
from PIL import Image

from bot.sandbox.telegram import Person, TelegramEmulator
from tests.support.media_files import mux_sound

Json = dict[str, Any]


@dataclass
class Answer:
    """What came back: the HTTP status and the parts of the body."""

    status: int
    body: Json

    @property
    def result(self) -> Any:
        assert self.body["ok"], self.body
        return self.body["result"]

    @property
    def error(self) -> str:
        assert not self.body["ok"], self.body
        assert self.body["error_code"] == self.status
        description: str = self.body["description"]
        return description


class Client:
    """Calls one emulator as a bot would."""

    def __init__(self, emulator: TelegramEmulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    async def __call__(self, method: str, **params: Any) -> Answer:
        url = f"{self.emulator.url}/bot{self.emulator.token}/{method}"
        async with self.session.post(url, json=params) as answer:
            return Answer(answer.status, await answer.json())

    async def upload(
        self, method: str, files: dict[str, tuple[str, bytes]], **params: Any
    ) -> Answer:
        """As multipart; what is no text goes as JSON, as in a form."""
        form = aiohttp.FormData()
        for name, value in params.items():
            form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        for name, (file_name, data) in files.items():
            form.add_field(name, io.BytesIO(data), filename=file_name)
        url = f"{self.emulator.url}/bot{self.emulator.token}/{method}"
        async with self.session.post(url, data=form) as answer:
            return Answer(answer.status, await answer.json())

    async def updates(self, **params: Any) -> list[Json]:
        found: list[Json] = (await self("getUpdates", **params)).result
        return found


@asynccontextmanager
async def talking(**options: Any) -> AsyncIterator[tuple[TelegramEmulator, Client, Person]]:
    """An emulator, a bot, and Anna, who has said "hi" (the bot has read it)."""
    async with TelegramEmulator(**options) as emulator, aiohttp.ClientSession() as session:
        anna = emulator.add_person("Anna")
        bot = Client(emulator, session)
        await anna.send_text("hi")
        [update] = await bot.updates()
        await bot.updates(offset=update["update_id"] + 1)
        yield emulator, bot, anna


def jpeg(width: int = 64, height: int = 48, colour: str = "teal") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "JPEG")
    return out.getvalue()


def mp4(folder: Path, *, sound: bool = False, frames: int = 24) -> bytes:
    """One second of grey at 24 fps, 64x96."""
    path = folder / "clip.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 64, 96, "yuv420p"
        # All streams stand before the first packet: the header lists them.
        audio = container.add_stream("aac", rate=44100) if sound else None
        picture = Image.new("RGB", (64, 96), "grey")
        for _ in range(frames):
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            mux_sound(container, audio, 40)
    return path.read_bytes()
