"""A bot library works with the emulator as with Telegram."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.filters import CommandStart
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    CallbackQuery,
    FSInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    ReplyParameters,
    Update,
)

from bot.sandbox.telegram import Person, TelegramEmulator
from tests.sandbox.telegram_client import jpeg, mp4

ONE_BUTTON = InlineKeyboardMarkup(
    inline_keyboard=[[InlineKeyboardButton(text="9:16", callback_data="r", style="primary")]]
)


@asynccontextmanager
async def aiogram_bot() -> AsyncIterator[tuple[Bot, TelegramEmulator, Person]]:
    async with TelegramEmulator() as emulator:
        anna = emulator.add_person("Anna")
        session = AiohttpSession(api=TelegramAPIServer.from_base(emulator.url))
        async with Bot(emulator.token, session=session) as bot:
            await anna.send_text("/start")
            yield bot, emulator, anna


async def test_updates_of_all_kinds_are_handled() -> None:
    async with aiogram_bot() as (bot, _, anna):
        dispatcher = Dispatcher()

        @dispatcher.message(CommandStart())
        async def start(message: Message) -> None:
            await message.reply("Hello", reply_markup=ONE_BUTTON)

        @dispatcher.callback_query()
        async def press(query: CallbackQuery) -> None:
            await query.answer("Started")
            assert isinstance(query.message, Message)
            await query.message.edit_text("On its way")

        async def work() -> None:
            for update in await bot.get_updates():
                await dispatcher.feed_update(bot, update)
                await bot.get_updates(offset=update.update_id + 1)

        await work()
        [card] = [m for m in anna.messages if "reply_markup" in m]
        assert card["reply_to_message"]["text"] == "/start"
        query = await anna.press(card, "9:16")
        await work()
        assert (await anna.answer_to(query, within=30))["text"] == "Started"
        assert anna.messages[-1]["text"] == "On its way"


async def test_files_are_uploaded_and_downloaded(tmp_path: Path) -> None:
    async with aiogram_bot() as (bot, emulator, anna):
        clip = tmp_path / "film.mp4"
        clip.write_bytes(mp4(tmp_path))
        sent = await bot.send_video(
            anna.id,
            FSInputFile(clip),
            width=64,
            height=96,
            duration=1,
            thumbnail=BufferedInputFile(jpeg(213, 320), "t.jpg"),
            supports_streaming=True,
            reply_parameters=ReplyParameters(message_id=1),
        )
        assert sent.video
        assert sent.video.thumbnail
        again = await bot.send_video(anna.id, sent.video.file_id)
        assert again.video == sent.video
        target = tmp_path / "down.mp4"
        await bot.download(sent.video, target)
        assert target.read_bytes() == clip.read_bytes()
        album = [InputMediaPhoto(media=BufferedInputFile(jpeg(), "a.jpg"), caption="a")] * 2
        assert len(await bot.send_media_group(anna.id, album)) == 2  # type: ignore[arg-type]
        uploads = [call.uploads for call in emulator.calls if call.uploads]
        assert [sorted(one) for one in uploads] == [
            ["thumbnail", "video"],
            ["media[0].media", "media[1].media"],
        ]


async def test_refusals_become_the_librarys_errors() -> None:
    async with aiogram_bot() as (bot, emulator, anna):
        with pytest.raises(TelegramBadRequest, match="chat not found"):
            await bot.send_message(1, "x")
        emulator.flood("sendMessage", retry_after=9)
        with pytest.raises(TelegramRetryAfter) as flood:
            await bot.send_message(anna.id, "x")
        assert flood.value.retry_after == 9
        group = emulator.add_group("Films", [anna], supergroup=False)
        emulator.migrate(group)
        with pytest.raises(TelegramMigrateToChat):
            await bot.send_message(group.id, "x")
        await anna.block_bot()
        with pytest.raises(TelegramForbiddenError, match="blocked by the user"):
            await bot.send_message(anna.id, "x")
        stranger = Bot("1:AA", session=bot.session)
        with pytest.raises(TelegramUnauthorizedError):
            await stranger.get_me()


async def test_updates_of_all_acts_can_be_parsed() -> None:
    async with aiogram_bot() as (bot, emulator, anna):
        await bot.set_my_commands([BotCommand(command="start", description="Begin")])
        group = emulator.add_group("Films", [anna], topics=["Talk"])
        await anna.send_text("/start", chat=group, thread=2, anonymous=True)
        await anna.send_photo(jpeg(), "sea")
        await anna.send_live_photo(jpeg(), b"clip")
        await anna.send_sticker()
        await anna.send_voice()
        await anna.send_album([jpeg(), jpeg()], "two")
        await anna.send_document(jpeg(), "a.jpg", "image/jpeg")
        await anna.edit_text(anna.messages[0], "/help")
        await anna.inline_query("sea")
        await anna.block_bot()
        parsed = [Update.model_validate(update) for update in emulator.world.updates]
        assert len(parsed) == 12
        assert {update.event_type for update in parsed} == {
            "message",
            "edited_message",
            "inline_query",
            "my_chat_member",
        }
