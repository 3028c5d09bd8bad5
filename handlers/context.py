"""What handlers are given by name besides what aiogram gives: the composition root fills it.

storage: Storage    clock: Clock    wake: Wake    offer: Offer    access: Access
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from aiogram.types import Message

from bot.catalog import Model
from bot.task import Chat
from handlers import reply

Wake = Callable[[], None]
"""Tells the worker that there is something to do."""

ForgetFiles = Callable[[Iterable[int]], Awaitable[None]]
"""Drops the videos that were kept for tasks which are no more."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What this bot sells now."""

    model: Model
    photos_on: bool  # a first frame can be published (PUBLIC_URL is set)


class Origin(TypedDict):
    """Who wants a video, where, and on which terms: what every draft begins with."""

    user_id: int
    chat: Chat
    message_id: int
    lang: str
    model: str
    price: Decimal
    now: datetime


def origin(message: Message, offer: Offer, lang: str, now: datetime) -> Origin:
    """The beginning of a draft for this message."""
    assert message.from_user  # handlers.middlewares.Person
    return Origin(
        user_id=message.from_user.id,
        chat=reply.place(message),
        message_id=message.message_id,
        lang=lang,
        model=offer.model.id,
        price=offer.model.price,
        now=now,
    )
