"""Keyboards for admins about who uses the bot: lists, invites, access and caps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiogram.enums import ButtonStyle
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.core.access import Verdict
from bot.texts.callback_data import (
    Operate,
    Operation,
    RevokeInvite,
    SetCap,
    ShowInvites,
    ShowPeople,
)
from bot.texts.keyboards import admin, parts

LADDER = (None, 1, 2, 3, 5, 10, 20, 50, 100, 0)
"""The caps that buttons lead to: as the settings say, then more and more, then no limit."""


def people(
    lang: str,
    section: str,
    subjects: Sequence[int],
    counts: Mapping[str, int],
    page: int,
    pages: int,
) -> InlineKeyboardMarkup:
    """Return a number for each person or group, arrows, and the sections."""
    numbers = [
        parts.button(str(number), Operate(operation=Operation.PERSON, number=subject_id))
        for number, subject_id in enumerate(subjects, 1)
    ]
    turns = [
        parts.button(sign, ShowPeople(section=section, page=page + step))
        for sign, step in (("‹", -1), ("›", 1))
        if 0 <= page + step < pages
    ]
    sections = [
        parts.button(
            texts.people.button_section(lang, one, count),
            ShowPeople(section=one, page=0),
            ButtonStyle.PRIMARY if one == section else None,
        )
        for one, count in counts.items()
    ]
    invites = parts.button(texts.people.button_invites(lang), ShowInvites())
    # Half a phone's width is too narrow for "Заблокированы: 12".
    return parts.rows(numbers[:4], numbers[4:], turns, sections[::2], sections[1:2], [invites])


def invites(lang: str, numbers: Sequence[int]) -> InlineKeyboardMarkup | None:
    """Return a button for each open invite."""
    if not numbers:
        return None
    return parts.rows(
        *(
            [parts.button(texts.people.button_revoke(lang, shown), RevokeInvite(number=number))]
            for shown, number in enumerate(numbers, 1)
        )
    )


def access(lang: str, subject_id: int, verdict: Verdict | None) -> list[InlineKeyboardButton]:
    """Return what can be decided about a person or a group."""
    let_in = Operation.UNBAN if verdict is Verdict.BANNED else Operation.ALLOW
    return [
        admin.operation(lang, operation, subject_id)
        for operation, of in ((let_in, Verdict.ALLOWED), (Operation.BAN, Verdict.BANNED))
        if verdict is not of
    ]


def caps(
    lang: str, subject_id: int, at_once: int | None, per_day: int | None
) -> list[list[InlineKeyboardButton]]:
    """Return a row for each own cap: less, its value, more. None: as the settings say."""
    return [
        [
            parts.button("➖", _cap(subject_id, is_day, _step(value, -1))),
            parts.button(
                texts.people.button_cap(lang, name, value), _cap(subject_id, is_day, None)
            ),
            parts.button("➕", _cap(subject_id, is_day, _step(value, 1))),
        ]
        for name, is_day, value in (("at_once", False, at_once), ("per_day", True, per_day))
    ]


def _cap(subject_id: int, is_day: bool, videos: int | None) -> SetCap:
    return SetCap(subject_id=subject_id, per_day=is_day, videos=-1 if videos is None else videos)


def _step(value: int | None, step: int) -> int | None:
    at = LADDER.index(value) if value in LADDER else 0
    return LADDER[max(0, min(at + step, len(LADDER) - 1))]
