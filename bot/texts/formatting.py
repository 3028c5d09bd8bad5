"""The layout of texts: headings, quotes, common facts, and cuts to Telegram's limits.

It must not know what any text is about.
"""

from __future__ import annotations

from typing import Any

from aiogram.utils.formatting import (
    Bold,
    ExpandableBlockQuote,
    Text,
    as_list,
    sizeof,
)

from bot.core.catalog import CATALOG
from bot.core.prices import Left
from bot.core.task import Task, TaskKind
from bot.texts.i18n import Words

CAPTION_LIMIT = 1024  # UTF-16 units, as Telegram counts
TEXT_LIMIT = 4096


def N_(message: str) -> str:
    """Mark a message for the catalogs; it is translated where it is used."""
    return message


def lines(*parts: Any) -> Text:
    return as_list(*(part for part in parts if part is not None))


def message(sign: str, head: Any, *rest: Any, gap: bool = False) -> Text:
    said = [part for part in rest if part is not None]
    return as_list(Text(sign, " ", Bold(head)), *said, sep="\n\n" if gap else "\n")


def price_of_all(_: Words, task: Task, videos: int) -> str:
    """The price of all variants: 3 × 17 ₽ = 51 ₽."""
    if videos == 1:
        return _.price(task.price)
    return f"{videos} × {_.price(task.price)} = {_.price(task.price * videos)}"


def left_today(_: Words, left: Left | None) -> str | None:
    """What a guest may still order today, instead of a price."""
    if left is None:
        return None
    if left.total:
        said = _("🎟 {left} of {total} left today").format(left=left.videos, total=left.total)
    else:
        said = _.plural("🎟 {n} video left today", "🎟 {n} videos left today", left.videos).format(
            n=left.videos
        )
    return said if left.gifts < 1 else f"{said} · {gift_videos(_, left.gifts)}"


def gift_videos(_: Words, number: int) -> str:
    """How many gift videos somebody has."""
    return "🎁 " + _.plural("{n} gift video", "{n} gift videos", number).format(n=number)


def model_line(_: Words, task: Task) -> str:
    model = CATALOG.get(task.model)
    picture = task.kind is TaskKind.PICTURE
    facts = [model.title if model else task.model]
    if model and not picture:
        facts += [model.quality, _.duration(model.seconds)]
    if task.film_last and task.film_place:
        part = _("part {number} of {count}").format(number=task.film_place, count=task.film_last)
        facts.insert(0, part)
    if task.aspect_ratio:
        facts.append(task.aspect_ratio.value)
    if task.variants > 1 and task.rendered_at is None:
        facts.append(f"×{task.variants}")
    return ("🖼 " if picture else "🎬 ") + " · ".join(facts)


def seconds_range(_: Words, low: float, high: float) -> str:
    if high < 120:
        first, last = int(low // 5) * 5, -int(-high // 5) * 5
        return _.plural("{first}–{last} second", "{first}–{last} seconds", last).format(
            first=first, last=last
        )
    first, last = max(1, int(low // 60)), -int(-high // 60)
    return _.plural("{first}–{last} minute", "{first}–{last} minutes", last).format(
        first=first, last=last
    )


def quoted(prompt: str, rest: Text, *, limit: int) -> Text:
    room = limit - len(rest) - 1
    return lines(ExpandableBlockQuote(cut(prompt, room)), rest) if prompt else rest


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` UTF-16 units, ending in … when something was cut."""
    if sizeof(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore")
    return kept.rstrip("\N{ZERO WIDTH JOINER} ") + "…"
