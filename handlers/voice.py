"""A voice message or a video note becomes a draft: what was said is the prompt on the card.

The sound is fetched into a file without a name, which is gone when the words are there. A failure
is explained in words and changes nothing: a photo that waits for words still waits.
"""

from __future__ import annotations

import tempfile

from aiogram import Bot, Router
from aiogram.types import Message, Update, VideoNote, Voice

from bot.core.clock import Clock
from bot.core.errors import InputError, TelegramRejected, TelegramTooLarge
from bot.core.prompt import clean_prompt
from bot.core.task import Problem
from bot.core.transcript import spoken_words
from bot.media import video_reader
from bot.telegram.client import download_file
from handlers import reply
from handlers.card import send_card
from handlers.context import Hears, Offer, draft_texts, origin, own_ratio
from handlers.filters import addressed
from handlers.picture import answered
from storage import Storage, User

SECONDS = 60
"""Seconds of speech; a prompt of 800 characters is said in less."""
LIMIT = 20_000_000
"""Bytes that a bot can download (Bot API: getFile)."""


def router() -> Router:
    router = Router(name="voice")
    router.message.register(take_voice, spoken, addressed)
    return router


async def spoken(message: Message, offer: Offer) -> bool:
    """Speech, in a bot that can hear; in others it is a message like any other kind."""
    return offer.transcriber is not None and bool(message.voice or message.video_note)


async def take_voice(
    message: Message,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    task = await storage.tasks.of_message(reply.place(message), message.message_id)
    picture = None
    if task is None:  # otherwise it was heard before a crash: hearing costs money
        prompt = await _heard(message, bot, offer)
        frame, picture = await answered(message, bot, offer)
        task = await storage.tasks.draft_from_text(
            **origin(message, offer, lang, clock(), person),
            **await draft_texts(offer, prompt),
            replied_to=message.reply_to_message.message_id if message.reply_to_message else None,
            frame=frame,
        )
        picture = picture if task.frame == frame else None
    await send_card(
        message,
        task,
        bot=bot,
        storage=storage,
        picture=picture,
        offer=offer,
        ratio=own_ratio(person),
        heard=True,
        ends=(event_update.update_id, clock()),
    )


async def _heard(message: Message, bot: Bot, offer: Offer) -> str:
    """Return the cleaned words of a message; InputError says why there are none."""
    sound = message.voice or message.video_note
    assert sound is not None
    assert offer.transcriber is not None
    if sound.duration > SECONDS:
        raise InputError(Problem.VOICE_TOO_LONG, seconds=sound.duration, limit=SECONDS)
    if sound.file_size and sound.file_size > LIMIT:
        raise InputError(Problem.VOICE_TOO_BIG)
    said = await _transcribed(sound, bot, offer.transcriber)
    if said is None:
        raise InputError(Problem.VOICE_UNHEARD)
    try:
        return clean_prompt(spoken_words(said))
    except InputError as exc:
        if exc.problem is Problem.EMPTY_PROMPT:
            raise InputError(Problem.VOICE_WITHOUT_WORDS) from None
        raise


async def _transcribed(sound: Voice | VideoNote, bot: Bot, transcriber: Hears) -> str | None:
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as copy:
        try:
            await download_file(bot, sound.file_id, file, limit=LIMIT)
        except TelegramTooLarge:
            raise InputError(Problem.VOICE_TOO_BIG) from None
        except TelegramRejected:
            raise InputError(Problem.FILE_UNAVAILABLE) from None
        if isinstance(sound, Voice):
            file.seek(0)
            return await transcriber.hear(file.read(LIMIT), "ogg")
        try:
            await video_reader.sound(file, copy)
        except video_reader.NotAVideo:
            raise InputError(Problem.VOICE_WITHOUT_WORDS) from None
        except (TimeoutError, OSError, RuntimeError):
            return None  # a fault of this machine
        copy.seek(0)
        return await transcriber.hear(copy.read(LIMIT), "m4a")
