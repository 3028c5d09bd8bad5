"""/history: a person's orders as a contact sheet, page by page; a search; the details of each.

The buttons work as long as the message exists; a video is sent by its `file_id`, so nothing is
uploaded or paid. Only the sheet is drawn, from Telegram's thumbnails of the videos.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiogram import Bot, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardMarkup,
    Message,
    User,
)

from bot import texts
from bot.core.errors import TelegramError
from bot.core.task import ACTIVE, Task, TaskKind, TaskState
from bot.telegram.client import fetch_file
from bot.texts import contact_sheet, keyboards
from bot.texts.callback_data import OpenFilm, OpenOrder, TurnFound, TurnPage, searchable
from bot.texts.history import Entry
from handlers import reply
from handlers.ownership import own_film, own_task
from storage import Storage

PAGE = contact_sheet.ON_A_SHEET
"""Orders per page: their buttons are in one row."""
PICTURES_SECONDS = 4.0
"""A person waits for the page; what has not come by then is drawn."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page as it is shown; `sought`: the words of a search."""

    entries: Sequence[Entry]
    covers: Sequence[Task]  # whose thumbnail represents each entry
    number: int
    pages: int
    keyboard: InlineKeyboardMarkup | None
    sought: str


def router() -> Router:
    router = Router(name="history")
    router.message.register(history, Command("history"))
    router.callback_query.register(turn, TurnPage.filter())
    router.callback_query.register(turn_found, TurnFound.filter())
    router.callback_query.register(open_order, OpenOrder.filter())
    router.callback_query.register(open_film, OpenFilm.filter())
    return router


async def history(
    message: Message,
    command: CommandObject,
    event_from_user: User,
    bot: Bot,
    storage: Storage,
    lang: str,
) -> None:
    sought = searchable(command.args or "")
    page = await _page(storage, event_from_user.id, 0, sought)
    if page.entries and await _send_sheet(message, page, bot, lang):
        return
    text = texts.history.listed(lang, page.entries, page.number, page.pages, sought=sought)
    await reply.say(message, text, page.keyboard)


async def turn(
    query: CallbackQuery, callback_data: TurnPage, bot: Bot, storage: Storage, lang: str
) -> None:
    await _turn(query, callback_data.user_id, callback_data.page, "", bot, storage, lang)


async def turn_found(
    query: CallbackQuery, callback_data: TurnFound, bot: Bot, storage: Storage, lang: str
) -> None:
    await _turn(
        query, callback_data.user_id, callback_data.page, callback_data.words, bot, storage, lang
    )


async def _turn(
    query: CallbackQuery,
    owner: int,
    number: int,
    sought: str,
    bot: Bot,
    storage: Storage,
    lang: str,
) -> None:
    """Replace picture, text and buttons by those of another page."""
    user_id, message = query.from_user.id, query.message
    if owner != user_id or message is None:
        await reply.toast(query, texts.statuses.press_foreign(lang), alert=True)
        return
    await reply.toast(query, "")
    page = await _page(storage, user_id, number, sought)
    place = reply.place(message)
    if page.entries:
        sheet = await _sheet(page, bot, lang)
        text = texts.history.history(lang, page.entries, page.number, page.pages, sought=sought)
        if await reply.replace(bot, place, message.message_id, sheet, text, page.keyboard):
            return
    is_media = not (isinstance(message, Message) and message.text)
    said = texts.history.listed if page.entries and not is_media else texts.history.history
    await reply.rewrite(
        bot,
        place,
        message.message_id,
        said(lang, page.entries, page.number, page.pages, sought=sought),
        is_media=is_media,
        keyboard=page.keyboard,
    )


async def _page(storage: Storage, user_id: int, number: int, sought: str) -> Shown:
    page = await storage.history.page(user_id, number, size=PAGE, words=sought)
    entries, covers, films = [], [], []
    for task in page.tasks:
        film = None
        if task.film_id is not None and task.state is TaskState.DELIVERED:
            film = await storage.films.get(task.film_id)
        if film is not None and len(film.parts) > 1:
            films.append(task.id)
            covers.append(film.parts[0])
            title = texts.history.title(film.parts[0])
            entries.append(Entry(task=task, title=title, parts=len(film.parts)))
        else:
            covers.append(task)
            entries.append(Entry(task=task, title=texts.history.title(task)))
    keyboard = keyboards.results.history(
        page.tasks, user_id, page.number, page.pages, films=films, words=sought
    )
    return Shown(
        entries=entries, covers=covers, number=page.number, pages=page.pages, keyboard=keyboard,
        sought=sought,
    )  # fmt: skip


async def _send_sheet(message: Message, page: Shown, bot: Bot, lang: str) -> bool:
    """Answer with the sheet; False: Telegram takes no picture here."""
    sheet = await _sheet(page, bot, lang)
    text = texts.history.history(lang, page.entries, page.number, page.pages, sought=page.sought)
    return await reply.show(message, sheet, text, page.keyboard) is not None


async def _sheet(page: Shown, bot: Bot, lang: str) -> BufferedInputFile:
    pictures = await _pictures(bot, page.covers)
    cells = [
        contact_sheet.Cell(
            line=texts.history.state_line(lang, entry),
            kind=_kind(entry.task),
            thumbnail=picture,
            parts=entry.parts,
        )
        for entry, picture in zip(page.entries, pictures, strict=True)
    ]
    return BufferedInputFile(await contact_sheet.draw(cells), "history.jpg")


def _kind(task: Task) -> str:
    if task.state is TaskState.DELIVERED:
        return "ready"
    if task.state in ACTIVE:
        return "waiting"
    return "failed" if task.state is TaskState.FAILED else "other"


async def _pictures(bot: Bot, covers: Sequence[Task]) -> list[bytes | None]:
    """Fetch the thumbnails; None: there is none, or it did not come in time."""
    found: dict[int, bytes] = {}

    async def fetch(index: int, file_id: str) -> None:
        try:
            found[index] = await fetch_file(bot, file_id, limit=contact_sheet.MOST_BYTES)
        except TelegramError:
            return  # it is drawn instead

    try:
        async with asyncio.timeout(PICTURES_SECONDS), asyncio.TaskGroup() as group:
            for index, task in enumerate(covers):
                if task.state is TaskState.DELIVERED and task.thumbnail_file_id:
                    group.create_task(fetch(index, task.thumbnail_file_id))
    except TimeoutError:
        pass
    return [found.get(index) for index in range(len(covers))]


# --- one of them ---------------------------------------------------------------------------


async def open_order(
    query: CallbackQuery, callback_data: OpenOrder, storage: Storage, lang: str
) -> None:
    task = await own_task(query, callback_data.task_id, storage, lang)
    if task is None or query.message is None:
        return
    await reply.toast(query, "")
    message = reply.below(query, reply.place(query.message))
    if (
        task.state is TaskState.DELIVERED
        and task.video_file_id is not None
        and await reply.video(
            message,
            task.video_file_id,
            texts.results.caption(task),
            keyboards.results.result(task, forget=True),
            is_document=task.video_is_document,
            is_photo=task.kind is TaskKind.PICTURE,
        )
    ):
        return
    returned = await storage.ledger.is_paid_by_person(task.id)
    text = texts.history.order(lang, task, returned=returned)
    await reply.say(message, text, keyboards.results.order(task))


async def open_film(
    query: CallbackQuery, callback_data: OpenFilm, storage: Storage, lang: str
) -> None:
    """Send the film if Telegram has it; otherwise its parts, with a button to join them."""
    film = await own_film(query, callback_data.film_id, storage, lang)
    if film is None or query.message is None:
        return
    await reply.toast(query, "")
    message = reply.below(query, reply.place(query.message))
    if film.file_id is not None and await reply.video(
        message,
        film.file_id,
        texts.films.caption(lang, film.parts),
        keyboards.films.film(lang, film.id, film.parts[-1]),
    ):
        return
    await reply.say(
        message,
        texts.films.parts(lang, film.parts),
        keyboards.films.list_of_parts(lang, film.id, film.parts),
    )
