"""Handlers for groups only: /video, the greeting, and the move to a supergroup."""

from __future__ import annotations

from aiogram import Bot, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message, Update

from bot import texts
from bot.core.clock import Clock
from handlers import reply
from handlers.commands import start
from handlers.context import Offer
from handlers.gate import EVERYBODY
from handlers.picture import photo, sent_as_file, take_picture
from handlers.prompt import take_prompt
from storage import Storage, User


def router() -> Router:
    router = Router(name="groups")
    router.message.register(moved, reply.is_move, flags=EVERYBODY)
    router.message.register(video, Command("video"))
    router.message.register(start, is_added)
    return router


async def is_added(message: Message, bot: Bot) -> bool:
    """Return whether this message says that the bot was added to a group, or that a group was
    created with it.

    It does not come again when the group becomes a supergroup, so the bot greets once.
    """
    if message.from_user is None or message.from_user.is_bot:  # an anonymous admin
        return False
    added = message.new_chat_members or ()
    return bool(message.group_chat_created) or any(member.id == bot.id for member in added)


async def moved(message: Message, storage: Storage) -> None:
    """Move what belongs to the group. Chats are handled beside each other, so the supergroup's own
    message tells it before the first order there.
    """
    old, new = message.migrate_from_chat_id, message.migrate_to_chat_id
    await storage.tasks.migrate_chat(old or message.chat.id, new or message.chat.id)


async def video(
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
    """Make a draft from the text after the command; a group may hide all other messages from
    bots.
    """
    take = take_picture if await photo(message) or await sent_as_file(message) else take_prompt
    if take is take_prompt and not command.args:
        await reply.say(message, texts.cards.video_usage(lang))
        return
    await take(message, command.args, event_update, bot, storage, clock, offer, lang, person)
