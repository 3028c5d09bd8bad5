"""Inline keyboards, one module per subject: the buttons below a message and their labels.

The data of each button is defined in bot/texts/callback_data.py. The package must not know what
a press does.
"""

from bot.texts.keyboards import (
    access,
    admin,
    cards,
    films,
    first_steps,
    gifts,
    notices,
    payments,
    people,
    personal,
    results,
    storyboards,
    suggestions,
)

__all__ = [
    "access",
    "admin",
    "cards",
    "films",
    "first_steps",
    "gifts",
    "notices",
    "payments",
    "people",
    "personal",
    "results",
    "storyboards",
    "suggestions",
]
