"""An edited message changes its draft or its film; an order stays as it was ordered.

If the first version of a message had no effect, the edited one counts as a new message: the first
one was refused or, in a group, did not address the bot.
"""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message, Update

from bot.core.clock import Clock
from bot.core.prompt import clean_prompt
from bot.core.task import TaskState
from handlers import reply
from handlers.card import send_card
from handlers.context import Offer, draft_texts, own_ratio
from handlers.filters import addressed, no_command, written
from handlers.groups import video
from handlers.picture import frame_of, photo, sent_as_file, take_picture
from handlers.prompt import take_prompt
from handlers.storyboard import answers_board, edited_film, take_words
from storage import Storage, User


def router() -> Router:
    router = Router(name="edited")
    router.edited_message.register(edited_command, Command("video"))
    router.edited_message.register(edited_film, Command("film"))
    router.edited_message.register(take_words, written, addressed, answers_board)
    router.edited_message.register(edited, written, addressed)
    router.edited_message.register(edited, photo, no_command, addressed)
    router.edited_message.register(edited, sent_as_file, no_command, addressed)
    return router


async def edited_command(
    message: Message,
    command: CommandObject,
    event_update: Update,
    bot: Bot,
    storage: Storage,
    clock: Clock,
    offer: Offer,
    lang: str,
    person: User,
) -> None:
    if await storage.tasks.of_message(reply.place(message), message.message_id) is None:
        await video(message, command, event_update, bot, storage, clock, offer, lang, person)
        return
    await edited(message, command.args, event_update, bot, storage, clock, offer, lang, person)


async def edited(
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
    chat = reply.place(message)
    known = await storage.tasks.of_message(chat, message.message_id)
    if known is None:
        is_picture = await photo(message) or await sent_as_file(message)
        take = take_picture if is_picture else take_prompt
        await take(message, words, event_update, bot, storage, clock, offer, lang, person)
        return
    if known.user_id != person.user_id or known.state is not TaskState.DRAFT:
        return
    prompt = clean_prompt(words) if words and words.strip() else None
    pictured = known.frame and message.message_id == known.frame_message_id
    frame, picture = await frame_of(message, bot) if pictured else (None, None)
    said = await draft_texts(offer, prompt) if prompt else {"prompt": None}
    task = await storage.tasks.edited(
        user_id=person.user_id, chat=chat, message_id=message.message_id, frame=frame, **said
    )
    if task is not None:
        await send_card(
            message,
            task,
            bot=bot,
            storage=storage,
            picture=picture if frame != known.frame else None,
            offer=offer,
            ratio=own_ratio(person),
            ends=(event_update.update_id, clock()),
        )
