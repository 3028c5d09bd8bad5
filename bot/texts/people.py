"""Texts for admins about who uses the bot: a person, their credit. See bot/texts.

It must not know how access is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from aiogram.utils.formatting import Code, Text

from bot.core.task import Task
from bot.texts.formatting import message
from bot.texts.i18n import fill, words


@dataclass(frozen=True, kw_only=True)
class PersonOverview:
    """What is known about a person."""

    user_id: int
    name: str
    lang: str
    strikes: int
    credit: Decimal
    seen: str
    orders: Sequence[Task]
    payments: int


def person(lang: str, about: PersonOverview) -> Text:
    """For an admin."""
    _ = words(lang)
    return message(
        "👤",
        about.name or "—",
        fill(_("ID: {id}"), id=Code(about.user_id)),
        fill(_("Last seen: {when}, language: {lang}"), when=about.seen, lang=about.lang),
        fill(_("Refused as unsafe: {n}"), n=about.strikes),
        fill(_("Credit: {price}"), price=_.price(about.credit)),
        "",
        *(f"{task.id} · {task.created_at:%d.%m %H:%M} · {task.state}" for task in about.orders),
    )


def credit_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🎁",
        _("Giving credit"),
        _("/credit 123456 100 gives a person 100 ₽ for videos, at most 100,000 ₽ at once."),
        _("It counts only while Stars are on sale; otherwise videos cost people nothing."),
    )


def credited(lang: str, user_id: int, roubles: Decimal, credit: Decimal) -> Text:
    """To the admin who gave credit."""
    _ = words(lang)
    given = _("ID {id} was given {price} and now has {credit}.")
    return message(
        "🎁",
        given.format(id=user_id, price=_.price(roubles), credit=_.price(credit)),
    )
