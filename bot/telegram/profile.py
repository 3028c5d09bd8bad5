"""The bot's profile in Telegram: commands and descriptions, per language, only when changed."""

from __future__ import annotations

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
from bot.core.errors import TelegramError, TelegramLost, TelegramRejected
from bot.texts.audience import reader
from bot.texts.i18n import language_of

logger = logging.getLogger(__name__)

LANGUAGES: tuple[tuple[str, str | None], ...] = (("en", None), ("ru", "ru"))
"""Our language and Telegram's code for it; None: everybody without a language of their own here.
"""


async def set_profile(bot: Bot, *, names_prices: bool = True) -> None:
    """Update the profile; the bot works without it."""
    failed: list[str] = []
    with reader(pays=names_prices):
        parts = [part for lang, code in LANGUAGES for part in _parts(lang, code)]
    try:
        for part in parts:
            failed += await _bring(bot, *part)
    except TelegramError as exc:
        failed.append(str(exc))
    if failed:
        logger.warning("the bot's page in Telegram is not up to date: %s", "; ".join(failed))


async def follow_choice(bot: Bot, user: User, lang: str | None) -> None:
    """Set the menu of a private chat to the chosen language, where Telegram would not do so by
    itself; None: no language is chosen any more."""
    scope = BotCommandScopeChat(chat_id=user.id)
    with suppress(TelegramError):  # a menu is not worth a retry of the press
        if lang is None or lang == language_of(user.language_code):
            await bot(DeleteMyCommands(scope=scope))
        else:
            await bot(SetMyCommands(commands=_menu(texts.commands.commands(lang)), scope=scope))


async def _bring(
    bot: Bot, ask: TelegramMethod[Any], wanted: object, tell: TelegramMethod[bool]
) -> list[str]:
    """Update one part of the profile. A server that does not return the current value gets the new
    one, and one refused part does not stop the others."""
    with suppress(TelegramRejected, TelegramLost):
        if _held(await bot(ask)) == wanted:
            return []
    try:
        await bot(tell)
    except (TelegramRejected, TelegramLost) as exc:
        return [f"{tell.__api_method__}: {exc}"]
    return []


Part = tuple[TelegramMethod[Any], object, TelegramMethod[bool]]


def _parts(lang: str, code: str | None) -> Iterator[Part]:
    """The question, the wanted answer, and the call that sets it."""
    for scope, commands in (
        (BotCommandScopeDefault(), texts.commands.commands(lang)),
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
