"""A video bot as tutorials write it, to compare costs with: `python -m tests.bench.tutorial_bot`.

Stock aiogram and httpx, orders in memory, a loop that polls. A restart loses every order; a video
has no thumbnail, size or index in front. Settings come from the environment, as the real bot's do.
"""

from __future__ import annotations

import asyncio
import os

import httpx
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
)

POLL_SECONDS = 3.0
MODEL = "seedance-1-lite-480P-5s"
RATIOS = ("16:9", "9:16", "1:1")

dispatcher = Dispatcher()
prompts: dict[str, str] = {}


@dispatcher.message(F.text)
async def ask_ratio(message: Message) -> None:
    """Show the prompt with a button for each aspect ratio."""
    key = f"{message.chat.id}-{message.message_id}"
    prompts[key] = message.text or ""
    row = [InlineKeyboardButton(text=one, callback_data=f"{key}|{one}") for one in RATIOS]
    await message.reply(
        f"Your prompt: {message.text}\nChoose an aspect ratio to start:",
        reply_markup=InlineKeyboardMarkup(inline_keyboard=[row]),
    )


@dispatcher.callback_query()
async def make_video(query: CallbackQuery, provider: httpx.AsyncClient) -> None:
    """Order the video, poll until it is done, and send it."""
    key, _, ratio = (query.data or "").partition("|")
    card = query.message
    assert isinstance(card, Message)
    await query.answer()
    await card.edit_text("Your video is being made, please wait…")
    order = {"model": MODEL, "prompt": prompts.pop(key), "ar": ratio}
    job = (await provider.post("/media/create", json=order)).json()
    while job.get("status") != "done":
        await asyncio.sleep(POLL_SECONDS)
        job = (await provider.get("/media/result", params={"task_id": job["id"]})).json()
    video = (await provider.get(job["url"])).content
    await card.answer_video(BufferedInputFile(video, "video.mp4"), caption=order["prompt"])
    await card.delete()


async def main() -> None:
    """Poll Telegram until a signal."""
    server = TelegramAPIServer.from_base(os.environ["TELEGRAM_API_URL"])
    bot = Bot(os.environ["BOT_TOKEN"], session=AiohttpSession(api=server))
    async with httpx.AsyncClient(
        base_url=os.environ["GPTUNNEL_BASE_URL"],
        headers={"Authorization": os.environ["GPTUNNEL_API_KEY"]},
        timeout=60,
    ) as provider:
        await dispatcher.start_polling(bot, provider=provider)


if __name__ == "__main__":
    asyncio.run(main())
