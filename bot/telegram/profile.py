"""The bot's profile in Telegram: sets commands and descriptions per language, if they changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from aiogram import Bot
from aiogram.methods import (
    DeleteMyCommands,
    GetMyCommands,
    GetMyDescription,
    GetMyShortDescription,
    SetMyCommands,
    SetMyDescription,
    SetMyShortDescription,
    TelegramMethod,
)
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
    BotDescription,
    BotShortDescription,
    User,
)

from bot import texts
from bot.core.clock import Sleep
from bot.core.errors import TelegramError, TelegramLater, TelegramLost, TelegramRejected
from bot.core.schedule import back_off
from bot.texts.audience import reader
from bot.texts.i18n import language_of

logger = logging.getLogger(__name__)

LANGUAGES: tuple[tuple[str, str | None], ...] = (("en", None), ("ru", "ru"))
"""The bot's languages and Telegram's codes for them; None is for all other languages.
"""


async def set_profile(
    bot: Bot,
    *,
    sells: bool = False,
    refers: bool = False,
    names_prices: bool = True,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Update the profile; the bot also works without one. `sells`: whether people can buy videos
    for Stars. `refers`: whether people get videos or credit for inviting others.

    It waits while Telegram asks for a pause or is away: nothing else sets the profile until the
    next start.
    """
    failed: list[str] = []
    with reader(pays=names_prices):
        parts = [
            part
            for lang, code in LANGUAGES
            for part in _parts(lang, code, sells=sells, refers=refers)
        ]
    try:
        for part in parts:
            failed += await _bring_later(bot, part, sleep)
    except TelegramError as exc:
        failed.append(str(exc))
    if failed:
        logger.warning("the bot's profile in Telegram is not up to date: %s", "; ".join(failed))


async def follow_choice(
    bot: Bot,
    user: User,
    lang: str | None,
    *,
    sells: bool = False,
    refers: bool = False,
    is_admin: bool = False,
) -> None:
    """Set the menu of a private chat to the chosen language, where Telegram would not do so by
    itself; None: the person has chosen no language. An admin always has a personal menu."""
    own = language_of(user.language_code)
    if lang in (None, own) and not is_admin:
        with suppress(TelegramError):  # a menu is not worth a retry of the press
            await bot(DeleteMyCommands(scope=BotCommandScopeChat(chat_id=user.id)))
    else:
        await set_menu(bot, user.id, lang or own, sells=sells, refers=refers, is_admin=is_admin)


async def set_menu(
    bot: Bot, chat_id: int, lang: str, *, sells: bool, is_admin: bool, refers: bool = False
) -> None:
    """Set the menu of one private chat, best effort: Telegram knows no chat before /start."""
    wanted = _menu(texts.commands.commands(lang, sells=sells, refers=refers, is_admin=is_admin))
    with suppress(TelegramError):
        await bot(SetMyCommands(commands=wanted, scope=BotCommandScopeChat(chat_id=chat_id)))


Part = tuple[TelegramMethod[Any], object, TelegramMethod[bool]]


async def _bring_later(bot: Bot, part: Part, sleep: Sleep) -> list[str]:
    """Update one part as soon as Telegram lets it be done."""
    failures = 0
    while True:
        try:
            return await _bring(bot, *part)
        except TelegramLater as exc:
            failures += 1
            wait = max(back_off(failures, first=3, cap=600), min(exc.retry_after, 3600.0))
            logger.warning("the bot's profile waits: %s; again in %.0f s", exc, wait)
        await sleep(wait)


async def _bring(
    bot: Bot, ask: TelegramMethod[Any], wanted: object, tell: TelegramMethod[bool]
) -> list[str]:
    """Update one part of the profile. If the server does not return the current value, the new one
    is set anyway; one refused part does not stop the others.
    """
    with suppress(TelegramRejected, TelegramLost):
        if _held(await bot(ask)) == wanted:
            return []
    try:
        await bot(tell)
    except (TelegramRejected, TelegramLost) as exc:
        return [f"{tell.__api_method__}: {exc}"]
    return []


def _parts(lang: str, code: str | None, *, sells: bool, refers: bool) -> Iterator[Part]:
    """The question, the wanted answer, and the call that sets it."""
    for scope, commands in (
        (BotCommandScopeDefault(), texts.commands.commands(lang, sells=sells, refers=refers)),
        (BotCommandScopeAllGroupChats(), texts.commands.group_commands(lang)),
    ):
        wanted = _menu(commands)
        yield (
            GetMyCommands(scope=scope, language_code=code),
            wanted,
            SetMyCommands(commands=wanted, scope=scope, language_code=code),
        )
    description, short = texts.commands.description(lang), texts.commands.short_description(lang)
    yield (
        GetMyDescription(language_code=code),
        description,
        SetMyDescription(description=description, language_code=code),
    )
    yield (
        GetMyShortDescription(language_code=code),
        short,
        SetMyShortDescription(short_description=short, language_code=code),
    )


def _menu(commands: list[tuple[str, str]]) -> list[BotCommand]:
    return [BotCommand(command=name, description=words) for name, words in commands]


def _held(answer: Any) -> object:
    match answer:
        case BotDescription():
            return answer.description
        case BotShortDescription():
            return answer.short_description
        case _:
            return answer
