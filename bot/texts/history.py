"""Texts of the order history and of inline results.

It must not know how orders are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiogram.utils.formatting import (
    Bold,
    Text,
)

from bot.core.task import Charge, Reason, Task, TaskKind, TaskState
from bot.texts.failures import failure, undeliverable, unknown
from bot.texts.formatting import N_, TEXT_LIMIT, cut, lines, message, model_line, quoted
from bot.texts.i18n import words
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
    """A prompt in one short line."""
    return cut(" ".join((task.prompt or "…").split()), limit)


def history(lang: str, orders: Sequence[Task], page: int, pages: int) -> Text:
    """One page, `page` counts from 0; the buttons below have the same numbers."""
    _ = words(lang)
    if not orders:
        return message(
            "🎞",
            _("You have no videos yet."),
            _("Send a prompt, and your video will be listed here."),
        )
    rows: list[Any] = []
    for number, task in enumerate(orders, 1):
        sign, state = _STATES[task.state]
        with about(task):
            facts = " · ".join([_(state), _.day(task.confirmed_at or task.created_at)])
        mark = "🖼 " if task.kind is TaskKind.PICTURE else ""
        rows += [Text(Bold(f"{number}."), " ", mark, title(task)), Text("    ", sign, " ", facts)]
    drawn = any(task.kind is TaskKind.PICTURE for task in orders)
    head = _("Your videos and pictures") if drawn else _("Your videos")
    if pages > 1:
        counted = _("page {page} of {pages}").format(page=page + 1, pages=pages)
        head = f"{head} · {counted}"
    return lines(
        Text("🎞 ", Bold(head)),
        "",
        *rows,
        "",
        _("Press a number to get the video or picture, or to see the state of the order.")
        if drawn
        else _("Press a number to get the video or to see the state of the order."),
    )


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
    return quoted(task.prompt or "", rest, limit=TEXT_LIMIT)


def inline_button(lang: str) -> str:
    """Above the inline results; leads to the bot."""
    _ = words(lang)
    return _("Make a new video")


def inline_details(lang: str, task: Task) -> str:
    """Below a title among the inline results."""
    _ = words(lang)
    facts = model_line(_, task).removeprefix("🎬 ")
    return f"{_.day(task.confirmed_at or task.created_at)} · {facts}"
