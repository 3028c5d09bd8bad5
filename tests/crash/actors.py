"""Simulated people who order: prompts, photos, photos with a later prompt, double taps,
cancellations.

Their actions are recorded as `Order`s; the results are only in the emulators' records.
"""

from __future__ import annotations

import asyncio
import io
import random
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from PIL import Image

from bot.sandbox.telegram import CallbackQuery, Person
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.state import Json
from tests.support import canaries

PICK, CANCEL, AGAIN, SEVERAL = "r|", "x|", "u|", "n|"
PICK_FILM, CANCEL_FILM, STOP_FILM, GO_ON = "fr|", "fb|q|", "fx|", "fg|"
"""Prefixes of callback data; old messages keep them (bot/texts/callback_data.py)."""
RATIOS = ("1:1", "16:9", "9:16")
PARTS = 3
"""How many parts a film has."""


class Plan(StrEnum):
    """What the person does with a card."""

    PRESS = "press"
    DOUBLE = "double tap"
    TWO_RATIOS = "two ratios"
    LATE_DOUBLE = "double tap, late"
    PRESS_AND_CANCEL = "press and cancel"
    CANCEL = "cancel"
    LEAVE = "leave"
    TWO_VIDEOS = "two videos"


class Kind(StrEnum):
    """How an order is sent."""

    TEXT = "text"
    PHOTO = "photo"  # with the prompt as its caption
    PHOTO_FIRST = "photo, then words"
    DOCUMENT = "document"
    FILM = "film"  # of PARTS scenes, ordered with one press


@dataclass
class Order:
    """One order of one person."""

    mark: str  # is in the prompt and later in the video, nowhere else
    person: Person
    kind: Kind
    messages: list[int] = field(default_factory=list)
    presses: list[CallbackQuery] = field(default_factory=list)  # of every button
    picks: int = 0
    videos: int = 1  # ordered with one press
    cancels: list[CallbackQuery] = field(default_factory=list)
    agains: set[str] = field(default_factory=set)  # unknown tasks that were ordered once more
    stops: list[str] = field(default_factory=list)  # of a film: presses that order no more parts
    goes_on: int = 0  # of a film: orders of the parts that are missing


class People:
    """All people. `dice` decides everything they do."""

    def __init__(
        self, telegram: TelegramEmulator, dice: random.Random, count: int, *, again: float = 0.5
    ) -> None:
        """`again`: the share of unknown orders that are ordered once more."""
        self._telegram = telegram
        self._dice = dice
        self._again = again
        self._people = [telegram.add_person(f"Person {number}") for number in range(count)]
        self._free: asyncio.Queue[Person] = asyncio.Queue()
        for person in self._people:
            self._free.put_nowait(person)
        self._answers: dict[tuple[int, int], asyncio.Future[Json]] = {}
        self._seen: dict[tuple[int, int], Order] = {}
        self._left: set[int] = set()  # people with a card that they did nothing with
        self.orders: list[Order] = []

    async def order(
        self,
        patience: float,
        *,
        kind: Kind | None = None,
        plan: Plan | None = None,
        person: Person | None = None,
    ) -> Order:
        """Let the next free person order; return when they have done their part.

        Without a card within `patience` seconds they give up. The dice decide what is not given.
        `person`: this one instead, who is in nobody's way.
        """
        if person is not None:
            return await self._order(person, patience, kind, plan)
        person = await self._free.get()
        try:
            return await self._order(person, patience, kind, plan)
        finally:
            self._free.put_nowait(person)

    async def _order(
        self, person: Person, patience: float, kind: Kind | None, plan: Plan | None
    ) -> Order:
        dice = self._dice
        kind = kind or dice.choices(list(Kind), weights=(6, 2, 1, 1, 1))[0]
        if kind is Kind.PHOTO_FIRST and person.id in self._left:
            kind = Kind.PHOTO  # a photo without a caption would join the remaining card
        plan = plan or dice.choices(list(Plan), weights=(50, 20, 8, 8, 6, 4, 4, 0))[0]
        repeat = dice.random() < 0.1
        first, second = dice.sample(RATIOS, 2)
        order = Order(f"order-{len(self.orders):04}-{dice.randrange(10**6):06}", person, kind)
        if kind is Kind.FILM:
            order.videos = PARTS
        self.orders.append(order)
        message = await self._say(order)
        self._await_answer(order, message)
        if repeat:
            self._telegram.redeliver(self._telegram.world.updates[-1]["update_id"])
        try:
            async with asyncio.timeout(patience):
                card = await self._answers[person.id, message["message_id"]]
        except TimeoutError:
            return order
        data = [button["callback_data"] for row in _rows(card) for button in row]
        [cancel] = [one for one in data if one.startswith((CANCEL, CANCEL_FILM))]
        picks = {one.rpartition("|")[2]: one for one in data if one.startswith((PICK, PICK_FILM))}
        match plan:
            case Plan.PRESS:
                await self._pick(order, card, picks[first])
            case Plan.DOUBLE:
                await self._pick(order, card, picks[first])
                await self._pick(order, card, picks[first])
            case Plan.TWO_RATIOS:
                await self._pick(order, card, picks[first])
                await self._pick(order, card, picks[second])
            case Plan.LATE_DOUBLE:
                await self._pick(order, card, picks[first])
                await asyncio.sleep(dice.uniform(0.5, 3))
                await self._pick(order, card, picks[first])
            case Plan.PRESS_AND_CANCEL:
                await self._pick(order, card, picks[first])
                await self._cancel(order, card, cancel)
            case Plan.CANCEL:
                await self._cancel(order, card, cancel)
            case Plan.TWO_VIDEOS:
                order.videos = 2
                await self._press(order, *_option(card, picks[first], order.videos))
                await self._pick(order, card, picks[first])
            case Plan.LEAVE:
                self._left.add(person.id)
        return order

    async def _say(self, order: Order) -> Json:
        """The last of the messages that the order is made of."""
        person, words = order.person, f"A red fox runs through snow {order.mark}"
        sent: list[Json] = []
        match order.kind:
            case Kind.TEXT:
                sent.append(await person.send_text(words))
            case Kind.FILM:
                scenes = [f"Place {place}: {words}" for place in range(1, PARTS + 1)]
                sent.append(await person.send_text("/film " + "\n".join(scenes)))
            case Kind.PHOTO:
                sent.append(await person.send_photo(_picture("JPEG"), words))
            case Kind.DOCUMENT:
                sent.append(
                    await person.send_document(_picture("PNG"), "fox.png", "image/png", words)
                )
            case Kind.PHOTO_FIRST:
                sent.append(await person.send_photo(_picture("JPEG")))
                sent.append(await person.send_text(words))
        order.messages = [message["message_id"] for message in sent]
        for id_ in order.messages:
            self._seen[person.id, id_] = order
        return sent[-1]

    def _await_answer(self, order: Order, message: Json) -> None:
        key = (order.person.id, message["message_id"])
        self._answers[key] = asyncio.get_running_loop().create_future()

    async def _pick(self, order: Order, card: Json, data: str) -> None:
        await self._press(order, card, data)
        order.picks += 1

    async def _cancel(self, order: Order, card: Json, data: str) -> None:
        order.cancels.append(await self._press(order, card, data))

    async def _press(self, order: Order, message: Json, data: str) -> CallbackQuery:
        """Press even if the message has changed since, as on a screen that is not up to date."""
        query = await order.person.press(message, data, old=True)
        order.presses.append(query)
        return query

    async def watch(self) -> None:
        """Until cancelled, pass cards to waiting people and order unknown orders again."""
        async with self._telegram.world.listen() as events:
            while True:
                event = await events.get()
                if event["event"] != "message":
                    continue
                message = event["message"]
                reply = message.get("reply_to_message")
                if not message["from"]["is_bot"] or reply is None:
                    continue
                await self._notice(event["chat_id"], reply["message_id"], message)

    async def _notice(self, chat_id: int, replied: int, message: Json) -> None:
        data = [button.get("callback_data", "") for row in _rows(message) for button in row]
        waiting = self._answers.get((chat_id, replied))
        if (
            waiting
            and not waiting.done()
            and any(one.startswith((PICK, PICK_FILM)) for one in data)
        ):
            waiting.set_result(message)
        order = self._seen.get((chat_id, replied))
        for one in data:
            if order and one.startswith(AGAIN) and self._dice.random() < self._again:
                order.agains.add(one)
                for _ in range(self._dice.choice((1, 1, 2))):
                    await self._press(order, message, one)


def _option(card: Json, pick: str, videos: int) -> tuple[Json, str]:
    """The card with its options open, and the button for so many videos."""
    data = f"{SEVERAL}{pick.split('|')[1]}|{videos}"
    button = {"text": f"×{videos}", "callback_data": data}
    return card | {"reply_markup": {"inline_keyboard": [[button]]}}, data


def _rows(message: Json) -> list[list[Json]]:
    markup: Json = message.get("reply_markup", {})
    rows: list[list[Json]] = markup.get("inline_keyboard", [])
    return rows


@cache
def _picture(kind: str) -> bytes:
    out = io.BytesIO()
    picture = Image.linear_gradient("L").resize((400, 480)).convert("RGB")
    picture.save(out, kind, exif=canaries.exif())
    return out.getvalue()
