"""A replacement for api.telegram.org with a chat page; it knows the Bot API and must not know the
bot.
"""

from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import CallbackQuery, Chat, InlineQuery
from bot.sandbox.telegram.watching import CannotAct

__all__ = ["CallbackQuery", "CannotAct", "Chat", "InlineQuery", "Person", "TelegramEmulator"]
