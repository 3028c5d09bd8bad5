"""People who type the scenes of a film and order it with one press; then they stop it, cancel it,
and go on.

It must not know when a process dies, nor what is judged.
"""

from __future__ import annotations

import asyncio
import random

from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.state import Json
from tests.crash.actors import (
    GO_ON,
    PARTS,
    PICK_FILM,
    STOP_FILM,
    Kind,
    Order,
    People,
    Plan,
)

PLANS = (Plan.PRESS, Plan.PRESS, Plan.DOUBLE, Plan.TWO_RATIOS, Plan.PRESS_AND_CANCEL, Plan.CANCEL)
SECONDS = 300.0
"""People look so long for what becomes of their film."""
LOOK_SECONDS = (0.0, 6.0)
"""What they take to look at something."""
GO_ONS = 2


class Storyteller:
    """One person with one film. `dice` decides what they do."""

    def __init__(self, telegram: TelegramEmulator, people: People, dice: random.Random) -> None:
        self._telegram = telegram
        self._people = people
        self._dice = dice
        self._person = telegram.add_person("Storyteller")
        self._stops = dice.random() < 0.5
        self._seen: set[str] = set()
        self._videos = 0

    async def make(self, patience: float) -> None:
        """Order a film, and press what its messages offer."""
        async with self._telegram.world.listen() as events:
            order = await self._people.order(
                patience, kind=Kind.FILM, plan=self._dice.choice(PLANS), person=self._person
            )
            try:
                async with asyncio.timeout(SECONDS):
                    while order.picks and self._videos < PARTS:
                        event = await events.get()
                        if event["event"] in ("message", "edited"):
                            await self._look_at(event, order)
            except TimeoutError:
                return

    async def _look_at(self, event: Json, order: Order) -> None:
        message = event["message"]
        if event["chat_id"] != self._person.id or not message["from"]["is_bot"]:
            return
        self._videos += event["event"] == "message" and "video" in message
        for data in _buttons(message):
            if data in self._seen:
                continue
            if data.startswith(STOP_FILM) and self._stops:
                self._seen.add(data)
                self._stops = False
                await self._look()
                order.stops.append(await self._press(order, message, data))
            elif data.startswith(GO_ON) and self._dice.random() < 0.7:
                self._seen.add(data)
                await self._look()
                await self._press(order, message, data)
            elif data.startswith(PICK_FILM) and self._seen and order.goes_on < GO_ONS:
                self._seen.update(_buttons(message))  # one of its ratios
                order.goes_on += 1
                await self._look()
                for _ in range(self._dice.choice((1, 1, 2))):
                    await self._press(order, message, data)
                return

    async def _press(self, order: Order, message: Json, data: str) -> str:
        query = await self._person.press(message, data, old=True)
        order.presses.append(query)
        return query.id

    async def _look(self) -> None:
        await asyncio.sleep(self._dice.uniform(*LOOK_SECONDS))


def _buttons(message: Json) -> list[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [one.get("callback_data", "") for row in rows for one in row]
