"""The types of the values that handlers receive by name, in addition to aiogram's arguments.

bot/wiring/handlers.py sets the values; tests/handlers/test_wiring.py checks every name. It must
not know where a value comes from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Protocol, TypedDict

from aiogram.types import Message

from bot.core.caps import OrderRules
from bot.core.catalog import Model
from bot.core.catalog_file import Taken
from bot.core.chat_models import ChatModel
from bot.core.clock import Clock, utc_now
from bot.core.examples import Example
from bot.core.gifts import Gift
from bot.core.prices import Left
from bot.core.storyboard import Scene
from bot.core.suggestions import Suggestion
from bot.core.task import AspectRatio, Chat, Task
from bot.texts.audience import shows_money
from bot.texts.keyboards.cards import CardOptions
from handlers import reply
from storage import Storage, User


class Translates(Protocol):
    """Rewrites prompts for the video model; returns None if there is no answer in time."""

    async def translate(self, prompt: str) -> str | None:
        """Return the prompt in English."""

    def misses(self, prompt: str) -> bool:
        """Return whether the video model does not know the prompt's language."""

    async def improve(self, prompt: str) -> str | None:
        """Return a fuller scene made from a few words."""


class Suggests(Protocol):
    """Looks at a small JPEG; returns None if there is no usable answer in time."""

    async def suggest(self, jpeg: bytes, lang: str) -> tuple[Suggestion, ...] | None:
        """Return what could happen in its video, with labels in this language."""


class Hears(Protocol):
    """Turns speech into text."""

    async def hear(self, sound: bytes, extension: str) -> str | None:
        """Return the words, "" without any; None if they cannot be had now."""


class TellsStories(Protocol):
    """Proposes the scenes of a film; returns None if there is no usable answer in time."""

    async def tell(self, idea: str, lang: str) -> list[Scene] | None:
        """Return the scenes, with what the person reads in the language `lang`."""


Wake = Callable[[], None]
"""Wakes the worker."""

ForgetFiles = Callable[[Iterable[int]], Awaitable[None]]
"""Deletes the kept videos of tasks that no longer exist."""


FindJob = Callable[[str], Awaitable[bool | None]]
"""Asks the provider whether it knows a job's id; returns None if it does not answer now."""


TakeOver = Callable[[], Awaitable[Taken]]
"""Takes the provider's models and prices over into the catalog file."""


AdminsChanged = Callable[[], Awaitable[None]]
"""Reads the admins' rows again, here and in all other processes."""


Balance = Callable[[], Awaitable[Decimal | None]]
"""Asks the provider for the balance, in roubles; None: it does not answer now."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The current offer of this bot."""

    model: Model
    photos_on: bool  # first frames can be published (PUBLIC_URL or PUBLIC_TUNNEL is set)
    tunnel_owner: str = ""  # who passes photos on to the provider; empty: nobody
    tunnel_state: Callable[[], str] = str  # one line for an admin; empty: there is no tunnel
    zone: tzinfo = UTC  # whose midnight begins a day
    retention_days: int = 0  # days after which finished orders are deleted; 0: never
    models: tuple[Model, ...] = ()  # the models that a card offers
    image_model: Model | None = None  # makes first frames; None: no pictures are made
    examples: tuple[Example, ...] = ()
    translator: Translates | None = None
    translates_by: ChatModel | None = None  # None: nothing, or its list is not read yet
    viewer: Suggests | None = None
    views_by: ChatModel | None = None  # as translates_by
    transcriber: Hears | None = None
    transcriber_host: str = ""  # who gets voice messages; empty: nobody, it is this machine
    storyteller: TellsStories | None = None
    stories_by: ChatModel | None = None
    rules: OrderRules = field(default_factory=OrderRules)
    bonus: Gift | None = None  # of a referral; None: there are none

    clock: Clock = utc_now

    async def left(self, storage: Storage, user_id: int, price: Decimal) -> Left | None:
        """Return what a guest may still order today; None: no cap, or they see prices.

        Of a person who pays, only their gift videos, if there are any.
        """
        if shows_money():
            pays = self.rules.pays(user_id)
            gifts = (await storage.gifts.balance(user_id)).videos if pays else 0
            return Left(0, gifts=gifts) if gifts > 0 else None
        return await storage.ledger.left_today(user_id, self.rules, price, self.clock())

    def model_for(self, person: User | None) -> Model:
        """Return the person's default model, if it is still on offer."""
        wanted = person and person.model
        return next((model for model in self.models if model.id == wanted), self.model)

    def model_of(self, wanted: str | None, person: User | None) -> Model:
        """Return the wanted model if it is on offer, otherwise the person's."""
        found = (model for model in self.models if model.id == wanted)
        return next(found, self.model_for(person))

    def untranslated(self, task: Task) -> bool:
        """Return whether a prompt that needs a translation has none."""
        if self.translator is None or task.prompt is None or task.original is not None:
            return False
        return self.translator.misses(task.prompt)

    def card_options(self, *, is_open: bool = False) -> CardOptions | None:
        """Return the options of a card in addition to aspect ratios; None without any."""
        if not self.models and self.translator is None and self.image_model is None:
            return None
        return CardOptions(
            models=self.models,
            improves=self.translator is not None,
            is_open=is_open,
            image_model=self.image_model,
        )


class DraftTexts(TypedDict):
    """The texts of a draft: the prompt that is sent, and the original when it was rewritten."""

    prompt: str
    original: str | None
    rewritten: str | None


async def draft_texts(offer: Offer, prompt: str) -> DraftTexts:
    """Return the cleaned prompt as it is sent: translated when the video model would not
    understand it and a translation is available."""
    translation = await offer.translator.translate(prompt) if offer.translator else None
    if translation is None:
        return DraftTexts(prompt=prompt, original=None, rewritten=None)
    return DraftTexts(prompt=translation, original=prompt, rewritten=translation)


def own_ratio(person: User | None) -> AspectRatio | None:
    """Return the aspect ratio that a card offers first, by the person's settings."""
    return AspectRatio(person.ratio) if person and person.ratio in list(AspectRatio) else None


class Origin(TypedDict):
    """The beginning of every draft: who wants a video, where, and with which model."""

    user_id: int
    chat: Chat
    message_id: int
    lang: str
    model: str
    price: Decimal
    now: datetime


def origin(
    message: Message, offer: Offer, lang: str, now: datetime, person: User | None = None
) -> Origin:
    """Start a draft for this message."""
    assert message.from_user  # handlers.middlewares.Person
    model = offer.model_for(person)
    return Origin(
        user_id=message.from_user.id,
        chat=reply.place(message),
        message_id=message.message_id,
        lang=lang,
        model=model.id,
        price=model.price,
        now=now,
    )
