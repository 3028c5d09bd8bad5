"""A text becomes a new draft, or the prompt of a photo: the one to which it replies, or one that
waits.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import Message, Update

from bot.core.clock import Clock
from bot.core.prompt import clean_prompt
from handlers.card import send_card
from handlers.context import Offer, draft_texts, origin, own_ratio
from handlers.filters import addressed, written
from handlers.picture import answered
from storage import Storage, User


def router() -> Router:
    router = Router(name="prompt")
    router.message.register(take_prompt, written, addressed)
    return router


async def take_prompt(
    message: Message,
    words: str | None,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    prompt = clean_prompt(words or "")
    frame, picture = await answered(message, bot, offer)
    task = await storage.tasks.draft_from_text(
        **origin(message, offer, lang, clock(), person),
        **await draft_texts(offer, prompt),
        replied_to=message.reply_to_message.message_id if message.reply_to_message else None,
        frame=frame,
    )
    await send_card(
        message,
        task,
        bot=bot,
        storage=storage,
        picture=picture if task.frame == frame else None,
        offer=offer,
        ratio=own_ratio(person),
        ends=(event_update.update_id, clock()),
    )
