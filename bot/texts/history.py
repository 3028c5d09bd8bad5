"""Texts of the order history and of inline results.

It must not know how orders are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiogram.utils.formatting import (
    Bold,
    Text,
)

from bot.core.task import Charge, Reason, Task, TaskKind, TaskState
from bot.texts.failures import failure, undeliverable, unknown
from bot.texts.formatting import N_, TEXT_LIMIT, cut, lines, message, model_line, quoted
from bot.texts.i18n import Words, words
from bot.texts.results import video_gone
from bot.texts.statuses import cancelled, status_queued, status_sending
from bot.texts.subject import about

_STATES: dict[TaskState, tuple[str, str]] = {
    TaskState.DRAFT: ("📝", N_("a card")),
    TaskState.CANCELLED: ("✖️", N_("cancelled")),
    TaskState.QUEUED: ("🕐", N_("in the queue")),
    TaskState.SUBMITTING: ("🕐", N_("in the queue")),
    TaskState.GENERATING: ("⏳", N_("being made")),
    TaskState.RENDERED: ("📤", N_("being sent")),
    TaskState.DELIVERED: ("✅", N_("ready")),
    TaskState.FAILED: ("😔", N_("no video")),
    TaskState.UNKNOWN: ("❓", N_("not known")),
    TaskState.UNDELIVERABLE: ("📦", N_("kept for you")),
}
TITLE_LIMIT = 60


def title(task: Task, limit: int = TITLE_LIMIT) -> str:
    """A prompt in one short line, in the person's own words also where a translation was sent."""
    return cut(" ".join((task.own_words or "…").split()), limit)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a page: an order, or a whole film by its newest part."""

    task: Task
    title: str
    parts: int = 1  # of the film


def history(
    lang: str, entries: Sequence[Entry], page: int, pages: int, *, sought: str = ""
) -> Text:
    """One page, `page` counts from 0; the buttons below have the same numbers, and the picture
    above shows states and days. `sought`: the words of a search."""
    _ = words(lang)
    if not entries and sought:
        return message(
            "🔎",
            _("Nothing found: {words}").format(words=sought),
            _("Each of the words has to be in the prompt. /history shows everything."),
        )
    if not entries:
        return message(
            "🎞",
            _("You have no videos yet."),
            _("Send a prompt, and your video will be listed here."),
        )
    drawn = any(entry.task.kind is TaskKind.PICTURE for entry in entries)
    head = _("Your videos and pictures") if drawn else _("Your videos")
    if sought:
        head = _("Found: {words}").format(words=sought)
    if pages > 1:
        counted = _("page {page} of {pages}").format(page=page + 1, pages=pages)
        head = f"{head} · {counted}"
    rows = [
        Text(Bold(f"{number}."), " ", _mark(entry), entry.title)
        for number, entry in enumerate(entries, 1)
    ]
    return lines(
        Text("🔎 " if sought else "🎞 ", Bold(head)),
        "",
        *rows,
        "",
        _pressing(_, drawn=drawn)
        if page or sought
        else _("Press a number to open it. To search: /history fox"),
    )


def _pressing(_: Words, *, drawn: bool) -> str:
    """What the numbers do; `drawn`: there are pictures on the page."""
    if drawn:
        return _("Press a number to get the video or picture, or to see the state of the order.")
    return _("Press a number to get the video or to see the state of the order.")


def _mark(entry: Entry) -> str:
    if entry.parts > 1:
        return "🎞 "
    return "🖼 " if entry.task.kind is TaskKind.PICTURE else ""


def listed(
    lang: str, entries: Sequence[Entry], page: int, pages: int, *, sought: str = ""
) -> Text:
    """The same page without a picture: with the states and days in words."""
    said = history(lang, entries, page, pages, sought=sought)
    if not entries:
        return said
    rows = [
        Text(f"{number}. ", _STATES[entry.task.state][0], " ", state_line(lang, entry))
        for number, entry in enumerate(entries, 1)
    ]
    return lines(said, "", *rows)


def state_line(lang: str, entry: Entry) -> str:
    """The state of an entry and its day: ready · 1 January 2026."""
    _ = words(lang)
    task = entry.task
    with about(task):
        state = _(_STATES[task.state][1])
    if entry.parts > 1:
        state = _.plural("film of {n} part", "film of {n} parts", entry.parts).format(
            n=entry.parts
        )
    return f"{state} · {_.day(task.confirmed_at or task.created_at)}"


def order(lang: str, task: Task, *, returned: bool = False) -> Text:
    """An order of the history without a video; `returned`: the person got its price back."""
    _ = words(lang)
    match task.state:
        case TaskState.FAILED:
            charge = Charge.RETURNED if returned else task.charge
            rest = failure(lang, task.reason or Reason.PROVIDER_FAILED, charge)
        case TaskState.UNKNOWN:
            rest = unknown(lang, task.price)
        case TaskState.UNDELIVERABLE:
            rest = undeliverable(lang, task.reason or Reason.CHAT_UNREACHABLE)
        case TaskState.CANCELLED:
            rest = cancelled(lang)
        case TaskState.DELIVERED:
            rest = video_gone(lang)
        case TaskState.RENDERED:
            rest = status_sending(lang, task)
        case TaskState.GENERATING:
            rest = message("⏳", _("Making your video"), model_line(_, task))
        case _:
            rest = status_queued(lang, task)
    return quoted(task.own_words or "", rest, limit=TEXT_LIMIT)


def inline_button(lang: str) -> str:
    """Above the inline results; leads to the bot."""
    _ = words(lang)
    return _("Make a new video")


def inline_details(lang: str, task: Task) -> str:
    """Below a title among the inline results."""
    _ = words(lang)
    facts = model_line(_, task).removeprefix("🎬 ")
    return f"{_.day(task.confirmed_at or task.created_at)} · {facts}"
