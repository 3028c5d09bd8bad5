"""Every command of the menu and every button has a handler."""

from __future__ import annotations

import inspect

from aiogram.filters import Command
from aiogram.filters.callback_data import CallbackData, CallbackQueryFilter

from bot import texts
from bot.texts import callback_data
from bot.texts.i18n import LANGUAGES
from handlers import build_router
from tests.handlers.test_wiring import handlers_of


def test_every_command_of_the_menu_has_a_handler() -> None:
    handled = {
        command
        for _, handler in handlers_of(build_router())
        for one in handler.filters or ()
        if isinstance(one.callback, Command)
        for command in one.callback.commands
    }
    for lang in LANGUAGES:
        for command, _ in texts.commands.commands(lang, sells=True, is_admin=True):
            assert command in handled, (
                f"/{command} is in bot/texts/commands.py, but no handler in handlers/ has "
                f'Command("{command}")'
            )


def test_every_button_has_a_handler() -> None:
    handled = {
        one.callback.callback_data
        for name, handler in handlers_of(build_router())
        if name == "callback_query"
        for one in handler.filters or ()
        if isinstance(one.callback, CallbackQueryFilter)
    }
    for name, kind in inspect.getmembers(callback_data, inspect.isclass):
        if issubclass(kind, CallbackData) and kind is not CallbackData:
            assert kind in handled, (
                f"{name} is in bot/texts/callback_data.py, but no handler in handlers/ is "
                f"registered with {name}.filter()"
            )
