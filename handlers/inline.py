"""Inline mode, `@bot words` in any chat: sends the person's own videos by their `file_id`.

It has to be switched on in BotFather (/setinline); until then there are no queries.
"""

from __future__ import annotations

import re
from contextlib import suppress

from aiogram import Router
from aiogram.types import InlineQuery, InlineQueryResultCachedVideo, InlineQueryResultsButton

from bot import texts
from bot.core.errors import TelegramRejected
from storage import Storage

PAGE = 20
CACHE_SECONDS = 5
"""Seconds for which Telegram caches an answer; a new video may be missing for as long."""


def router() -> Router:
    router = Router(name="inline")
    router.inline_query.register(find)
    return router


async def find(query: InlineQuery, storage: Storage, lang: str) -> None:
    # the number of a task; a modified client can send anything
    before = int(query.offset) if re.fullmatch("[0-9]{1,18}", query.offset) else None
    videos = await storage.history.videos(
        query.from_user.id, query.query, limit=PAGE, before=before
    )
    results = [
        InlineQueryResultCachedVideo(
            id=str(task.id),
            video_file_id=task.video_file_id,
            title=texts.history.title(task),
            description=texts.history.inline_details(lang, task),
        )
        for task in videos
        if task.video_file_id is not None
    ]
    with suppress(TelegramRejected):  # the person has typed more: nobody waits for this answer
        await query.answer(
            [*results],
            is_personal=True,
            cache_time=CACHE_SECONDS,
            next_offset=str(videos[-1].id) if len(videos) == PAGE else "",
            button=InlineQueryResultsButton(
                text=texts.history.inline_button(lang), start_parameter="inline"
            ),
        )
