"""Texts of reports for admins: /stats and /ledger. See bot/texts.

It must not know where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from aiogram.utils.formatting import Text

from bot.texts.formatting import message
from bot.texts.i18n import Words, fill, words


@dataclass(frozen=True, kw_only=True)
class Sums:
    """The sums of the charts."""

    delivered: int
    failed: int
    other: int
    spent: Decimal
    stars: int
    median: float | None = None  # seconds


def stats(lang: str, days: int, zone: str, sums: Sums) -> Text:
    """The caption of the charts; `zone`: the time zone of their days."""
    _ = words(lang)
    ordered = sums.delivered + sums.failed + sums.other
    took = None if sums.median is None else _.duration(sums.median)
    return message(
        "📈",
        _last(_, days).format(n=days, zone=zone),
        fill(_("Ordered: {n}"), n=ordered),
        fill(_("Delivered: {n}"), n=sums.delivered),
        fill(_("Failed: {n}"), n=sums.failed),
        fill(_("Others (cancelled, waiting, in doubt): {n}"), n=sums.other)
        if sums.other
        else None,
        fill(_("Half of the videos came within {duration}"), duration=took) if took else None,
        fill(_("💳 Spent: {price}"), price=_.price(sums.spent)),
        fill(_("⭐ Received: {n}"), n=sums.stars) if sums.stars else None,
    )


def stats_usage(lang: str, most: int) -> Text:
    _ = words(lang)
    return message(
        "📈",
        _("Charts"),
        _("/stats shows 14 days, /stats 30 shows 30; at most {most}.").format(most=most),
    )


def ledger(lang: str, days: int, rows: int, zone: str) -> Text:
    """The caption of the ledger file."""
    _ = words(lang)
    return message(
        "📒",
        _last(_, days).format(n=days, zone=zone),
        _.plural("{n} entry", "{n} entries", rows).format(n=rows),
        _("Times are in UTC; credit and Stars are people's, roubles are GPTunnel's."),
    )


def ledger_usage(lang: str, most: int) -> Text:
    _ = words(lang)
    return message(
        "📒",
        _("The ledger as a file"),
        _("/ledger sends 30 days, /ledger 90 sends 90; at most {most}.").format(most=most),
    )


def sent_in_private(lang: str) -> Text:
    _ = words(lang)
    return message("📬", _("Sent to you in private."))


def not_in_private(lang: str) -> Text:
    _ = words(lang)
    return message("🤔", _("I cannot send it to you in private. Write /start to me there first."))


def _last(_: Words, days: int) -> str:
    return _.plural("The last {n} day ({zone})", "The last {n} days ({zone})", days)


def chart_titles(lang: str) -> Mapping[str, str]:
    """The labels in the picture."""
    _ = words(lang)
    return {
        "videos": _("Orders a day"),
        "delivered": _("delivered"),
        "failed": _("failed"),
        "other": _("others"),
        "time": _("Time to the video, seconds"),
        "median": _("median"),
        "p90": _("9 of 10"),
        "money": _("Spent, roubles"),
        "stars": _("Received, Stars"),
        "top": _("Most active users"),
        "nothing": _("nothing yet"),
    }
