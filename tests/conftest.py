"""Tests have aiogram as the bot has it; `LEAN=0` runs them with aiogram as it comes."""

from bot.lean import import_aiogram

import_aiogram()
