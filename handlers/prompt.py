"""Words become a draft, or the words of the photo that waits for them."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.types import Message

from bot.clock import Clock
from bot.prompt import clean_prompt
from handlers.card import send_card
from handlers.context import Offer, origin
from handlers.filters import addressed, written
from storage import Storage


def router() -> Router:
    router = Router(name="prompt")
    router.message.register(take_prompt, written, addressed)
    return router


async def take_prompt(
    message: Message,
    words: str | None,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
) -> None:
    prompt = clean_prompt(words or "")
    wish = origin(message, offer, lang, clock())
    task = await storage.tasks.draft_from_text(**wish, prompt=prompt)
    await send_card(message, task, bot=bot, storage=storage)
