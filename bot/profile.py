"""The bot's own page in Telegram: commands and descriptions, per language, only when changed."""

from __future__ import annotations

import logging

from aiogram import Bot
from aiogram.methods import (
    GetMyCommands,
    GetMyDescription,
    GetMyShortDescription,
    SetMyCommands,
    SetMyDescription,
    SetMyShortDescription,
)
from aiogram.types import BotCommand, BotCommandScopeAllGroupChats, BotCommandScopeDefault

from bot import texts
from bot.errors import TelegramError

logger = logging.getLogger(__name__)

LANGUAGES: tuple[tuple[str, str | None], ...] = (("en", None), ("ru", "ru"))
"""Ours, and Telegram's code for it; None: everybody whose language has nothing of its own."""


async def set_profile(bot: Bot) -> None:
    """Brings the page up to date; that it cannot be is no reason not to work."""
    try:
        for lang, code in LANGUAGES:
            await _set_language(bot, lang, code)
    except TelegramError as exc:
        logger.warning("the bot's page in Telegram stays as it was: %s", exc)


async def _set_language(bot: Bot, lang: str, code: str | None) -> None:
    for scope, commands in (
        (BotCommandScopeDefault(), texts.commands(lang)),
        (BotCommandScopeAllGroupChats(), texts.group_commands(lang)),
    ):
        wanted = [BotCommand(command=name, description=words) for name, words in commands]
        if await bot(GetMyCommands(scope=scope, language_code=code)) != wanted:
            await bot(SetMyCommands(commands=wanted, scope=scope, language_code=code))
    description = texts.description(lang)
    if (await bot(GetMyDescription(language_code=code))).description != description:
        await bot(SetMyDescription(description=description, language_code=code))
    short = texts.short_description(lang)
    if (await bot(GetMyShortDescription(language_code=code))).short_description != short:
        await bot(SetMyShortDescription(short_description=short, language_code=code))
