"""A photo, or an image sent as a document, becomes a first frame; its caption the prompt.

What is wrong with a picture is said at once, before there is a draft.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import Message, PhotoSize

from bot import frames
from bot.clock import Clock
from bot.errors import InputError
from bot.prompt import clean_prompt
from bot.task import AspectRatio, Frame, Problem
from handlers.card import Picture, look_at, send_card
from handlers.context import Offer, origin
from handlers.filters import addressed
from storage import Storage

# What a client calls a file whose kind it does not know
_ANYTHING = "application/octet-stream"


def router() -> Router:
    router = Router(name="picture")
    router.message.register(take_photo, photo, addressed)
    router.message.register(take_document, document, addressed)
    return router


async def photo(message: Message) -> bool:
    return bool(message.photo)


async def document(message: Message) -> bool:
    # An animation comes with `document` filled in as well (Bot API: Message)
    return message.document is not None and message.animation is None


async def take_photo(
    message: Message,
    words: str | None,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    _must_be_on(offer)
    assert message.photo
    largest = max(message.photo, key=lambda size: size.width * size.height)
    picture = Picture(nearest=_judged(largest))
    task = await storage.tasks.draft_from_frame(
        **origin(message, offer, lang, clock()),
        frame=Frame(file_id=largest.file_id, kind="photo"),
        prompt=_prompt(words),
    )
    await send_card(message, task, bot=bot, storage=storage, picture=picture)


async def take_document(
    message: Message,
    words: str | None,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    _must_be_on(offer)
    assert message.document
    file = message.document
    if not (file.mime_type or _ANYTHING).startswith(("image/", _ANYTHING)):
        raise InputError(Problem.NOT_AN_IMAGE)
    if file.file_size and file.file_size > frames.MAX_BYTES:
        raise InputError(Problem.FILE_TOO_BIG, size=file.file_size, limit=frames.MAX_BYTES)
    frame = Frame(file_id=file.file_id, kind="document")
    prompt = _prompt(words)
    picture = await look_at(bot, frame)
    task = await storage.tasks.draft_from_frame(
        **origin(message, offer, lang, clock()), frame=frame, prompt=prompt
    )
    await send_card(message, task, bot=bot, storage=storage, picture=picture)


def _prompt(words: str | None) -> str | None:
    return clean_prompt(words) if words and words.strip() else None


def _must_be_on(offer: Offer) -> None:
    if not offer.photos_on:
        raise InputError(Problem.PHOTOS_OFF)


def _judged(size: PhotoSize) -> AspectRatio:
    """The nearest ratio; InputError for sides or a shape that the provider does not take."""
    width, height = size.width, size.height
    if min(width, height) < frames.MIN_SIDE or max(width, height) > frames.MAX_SIDE:
        raise InputError(Problem.IMAGE_SIDES, width=width, height=height)
    if not frames.MIN_SHAPE <= width / height <= frames.MAX_SHAPE:
        raise InputError(Problem.IMAGE_SHAPE, width=width, height=height)
    return frames.nearest_ratio(width, height)
