"""People who make a film: a video, its continuation, and then the whole of it.

A film comes once for each request, whole, with its parts in order. It must not know when a process
dies.
"""

from __future__ import annotations

import asyncio
import io
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

from PIL import Image

from bot.media import video_reader
from bot.sandbox.telegram import CallbackQuery, Person
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.state import Json
from tests.crash.actors import Kind, Order, People, Plan

GO_ON, WHOLE = "b|f|", "f|w|"
"""Prefixes of callback data; old messages keep them (bot/texts/callback_data.py)."""
LOOK_SECONDS = (2.0, 6.0)
"""What people take to look at something."""


@dataclass
class Film:
    """One film of one person; a part is the mark of its order."""

    person: Person
    parts: list[str] = field(default_factory=list)
    asked_at: int = 0  # the message below which the film was asked for
    requests: list[CallbackQuery] = field(default_factory=list)


class FilmMaker:
    """One person who makes films. `dice` decides what they do."""

    def __init__(self, telegram: TelegramEmulator, people: People, dice: random.Random) -> None:
        self._telegram = telegram
        self._people = people
        self._dice = dice
        self._person = telegram.add_person("Film maker")
        self.film = Film(self._person)

    async def make(self, patience: float) -> None:
        """Make a film of two parts and ask for the whole; give up when something does not come."""
        async with self._telegram.world.listen() as events:
            for last in (False, True):
                order = await self._order(patience)
                video = await self._answer(events, order.messages[-1], "video", patience)
                if video is None:
                    return
                self.film.parts.append(order.mark)
                await self._look()
                if last:
                    await self._ask_for_all(video)
                elif not await self._go_on(events, order, video, patience):
                    return

    async def _order(self, patience: float) -> Order:
        return await self._people.order(
            patience, kind=Kind.TEXT, plan=Plan.PRESS, person=self._person
        )

    async def _go_on(
        self, events: asyncio.Queue[Json], order: Order, video: Json, patience: float
    ) -> bool:
        if (button := _button(video, GO_ON)) is None:
            return False
        order.presses.append(await self._person.press(video, button, old=True))
        shown = await self._answer(events, video["message_id"], "photo", patience)
        await self._look()
        return shown is not None

    async def _ask_for_all(self, video: Json) -> None:
        if (button := _button(video, WHOLE)) is None:
            return  # the second video was ordered before its draft could be part of a film
        self.film.asked_at = video["message_id"]
        for _ in range(self._dice.choice((1, 1, 2))):
            self.film.requests.append(await self._person.press(video, button, old=True))

    async def _answer(
        self, events: asyncio.Queue[Json], message: int, kind: str, patience: float
    ) -> Json | None:
        """Return the answer to a message that has a `video` or `photo`."""
        try:
            async with asyncio.timeout(patience):
                while True:
                    event = await events.get()
                    if event["event"] != "message" or event["chat_id"] != self._person.id:
                        continue
                    found: Json = event["message"]
                    replied = found.get("reply_to_message", {}).get("message_id")
                    if replied == message and kind in found and found["from"]["is_bot"]:
                        return found
        except TimeoutError:
            return None

    async def _look(self) -> None:
        await asyncio.sleep(self._dice.uniform(*LOOK_SECONDS))


def _button(message: Json, prefix: str) -> str | None:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    data = (one.get("callback_data", "") for row in rows for one in row)
    return next((one for one in data if one.startswith(prefix)), None)


# --- films that are only signatures --------------------------------------------------------


async def join(parts: Sequence[BinaryIO], film: BinaryIO) -> None:
    """Join videos that are only signatures: one after the other."""
    for part in parts:
        part.seek(0)
        film.write(part.read())


def marks(film: bytes) -> list[str]:
    """Return the orders that a film was joined from (tests.crash.environment.sign)."""
    place, found = 0, []
    while place + 8 <= len(film):
        length, kind = struct.unpack(">I4s", film[place : place + 8])
        if kind == b"free":
            words = film[place + 8 : place + length].decode()
            found.append(words.partition("#")[0].rpartition(" ")[2])
        place += max(length, 8)
    return found


@contextmanager
def pictures_without_videos() -> Iterator[None]:
    """Let every video end with the same picture: there is nothing to read in a signature."""
    module: Any = video_reader
    before: Callable[..., Any] = module.last_frame

    async def last_frame(file: BinaryIO) -> bytes:
        return _picture()

    module.last_frame = last_frame
    try:
        yield
    finally:
        module.last_frame = before


@cache
def _picture() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((320, 480)).convert("RGB").save(out, "JPEG")
    return out.getvalue()
