"""Texts for admins about who uses the bot: lists, a person, a group, invites, credit.

It must not know how access is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from aiogram.utils.formatting import Code, Text

from bot.core.access import Verdict
from bot.core.task import Task
from bot.texts.access import became
from bot.texts.admin import state_word
from bot.texts.formatting import N_, cut, gift_videos, message
from bot.texts.i18n import Words, fill, words
from bot.texts.zone import local

_SECTIONS = {"a": N_("Let in"), "b": N_("Banned"), "g": N_("Groups")}
"""The sections of storage.people."""
_VERDICTS = {
    Verdict.ALLOWED: N_("Access: let in"),
    Verdict.BANNED: N_("Access: banned"),
    None: N_("Access: as the settings say"),
}


@dataclass(frozen=True, kw_only=True)
class PersonOverview:
    """What is known about a person."""

    user_id: int
    name: str
    username: str | None = None
    verdict: Verdict | None = None
    lang: str
    strikes: int
    credit: Decimal
    gifts: int = 0
    seen_at: datetime
    orders: Sequence[Task] = field(default_factory=tuple)


def person(lang: str, about: PersonOverview) -> Text:
    """For an admin."""
    _ = words(lang)
    return message(
        "👤",
        named(about.name, about.username),
        fill(_("ID: {id}"), id=Code(about.user_id)),
        _(_VERDICTS[about.verdict]),
        fill(
            _("Last seen: {when}, language: {lang}"),
            when=f"{local(about.seen_at):%d.%m.%Y %H:%M %Z}",
            lang=about.lang,
        ),
        fill(_("Refused as unsafe: {n}"), n=about.strikes),
        fill(_("Credit: {price}"), price=_.price(about.credit)),
        gift_videos(_, about.gifts) if about.gifts > 0 else None,
        "",
        *(
            f"{task.id} · {local(task.created_at):%d.%m %H:%M} · {state_word(_, task.state)}"
            for task in about.orders
        ),
    )


def subject(
    lang: str,
    subject_id: int,
    name: str | None,
    verdict: Verdict | None,
    allowance: int | None = None,
    earlier: int | None = None,
) -> Text:
    """A group, or a person whom the bot has not met, for an admin; `allowance`: videos a day that
    the group's own admins allow it; `earlier`: the ID by which it was named."""
    _ = words(lang)
    return message(
        "👥" if subject_id < 0 else "👤",
        named(name, None),
        fill(_("ID: {id}"), id=Code(subject_id)),
        became(lang, earlier),
        _(_VERDICTS[verdict]),
        _("Allowance by the group's admins: {n} a day").format(n=allowance) if allowance else None,
    )


def named(name: str | None, username: str | None) -> str:
    """Return how admins see somebody."""
    return f"{cut(name or '—', 40)}" + (f" (@{username})" if username else "")


def people(lang: str, section: str, rows: Sequence[str], page: int, pages: int) -> Text:
    """A page of /people; `page` counts from 0."""
    _ = words(lang)
    head = _(_SECTIONS[section])
    if pages > 1:
        head += " · " + _("page {page} of {pages}").format(page=page + 1, pages=pages)
    return message(
        "👥",
        head,
        *(f"{number}. {row}" for number, row in enumerate(rows, 1)),
        None if rows else _("Nobody."),
        "",
        _("Press a number for details. IDs from the settings are not listed."),
    )


def button_section(lang: str, section: str, count: int) -> str:
    return f"{words(lang)(_SECTIONS[section])}: {count}"


def button_invites(lang: str) -> str:
    _ = words(lang)
    return _("🎟 Invites")


def invites(lang: str, rows: Sequence[tuple[int, int, float]]) -> Text:
    """Open invites: used, uses, seconds left; with a button for each."""
    _ = words(lang)
    return message(
        "🎟",
        _("Open invites"),
        *(
            f"{number}. {used}/{uses} · "
            + _("works for {duration}").format(duration=_.duration(60 * (seconds // 60)))
            for number, (used, uses, seconds) in enumerate(rows, 1)
        ),
        None if rows else _("There are none. /invite 5 3 makes one for 5 people and 3 days."),
        _("A revoked link lets nobody in any more; who came with it stays.") if rows else None,
    )


def button_revoke(lang: str, number: int) -> str:
    _ = words(lang)
    return _("✖️ Revoke {number}").format(number=number)


def button_cap(lang: str, name: str, videos: int | None) -> str:
    """`name`: at_once or per_day; `videos` None: as the settings say, 0: no limit."""
    _ = words(lang)
    value = _number(_, videos)
    text = _("At once: {value}") if name == "at_once" else _("A day: {value}")
    return text.format(value=value)


def _number(_: Words, videos: int | None) -> str:
    if videos is None:
        return _("as for all")
    return str(videos) if videos else _("no limit")


def user_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "👤",
        _("A person or a group"),
        _("/user 123456, /user @name, or /user as a reply to their message."),
        _("In a group, /user group shows the group. /people lists everybody who was let in."),
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
