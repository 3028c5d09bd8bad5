"""A local Bot API server on this machine (TELEGRAM_LOCAL): files by path, large videos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from aiogram import Bot
from aiogram.utils.formatting import Text
from pydantic import SecretStr

from bot.core.errors import TelegramLater, TelegramTooLarge
from bot.core.task import Chat, TaskState
from bot.jobs.delivery import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, Delivery, KeptVideos
from bot.media.download import DownloadTooLarge
from bot.media.video_reader import Video, VideoInfo
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.telegram import client as telegram_client
from bot.telegram.client import fetch_file
from bot.telegram.messenger import Messenger
from bot.telegram.rate_limits import RateLimiter
from storage import open_storage
from tests.e2e.conftest import card_for, is_video
from tests.support.databases import with_tables
from tests.support.factories import task_in
from tests.support.media_files import GREEN, clip, flag, jpeg, learnt
from tests.support.process_harness import open_process_harness


@pytest.fixture
async def api() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator(local=True) as emulator:
        yield emulator


@pytest.fixture
async def bot(api: TelegramEmulator) -> AsyncIterator[Bot]:
    connected = telegram_client.connect(SecretStr(api.token), api.url, RateLimiter(), local=True)
    yield connected
    await connected.session.close()


async def test_a_file_is_read_from_the_servers_folder(api: TelegramEmulator, bot: Bot) -> None:
    stored = api.world.files.add("document", bytes(21_000_000), name="large.png")
    data = await fetch_file(bot, stored.file_id, limit=22_000_000)
    assert len(data) == 21_000_000
    assert [call.method for call in api.api.calls] == ["getFile"]
    with pytest.raises(TelegramTooLarge):
        await fetch_file(bot, stored.file_id, limit=20_000_000)


async def test_an_invisible_file_waits_for_the_operator(api: TelegramEmulator, bot: Bot) -> None:
    stored = api.world.files.add("document", b"x", name="a.txt")
    stored.path.unlink()
    with pytest.raises(TelegramLater, match="FileNotFoundError"):
        await fetch_file(bot, stored.file_id, limit=10)


async def test_a_local_server_that_the_settings_do_not_name_waits_for_the_operator(
    api: TelegramEmulator,
) -> None:
    """The file exists, so the person must not read that it is gone."""
    stored = api.world.files.add("document", b"x", name="a.txt")
    bot = telegram_client.connect(SecretStr(api.token), api.url, RateLimiter())
    try:
        with pytest.raises(TelegramLater, match="TELEGRAM_LOCAL") as caught:
            await fetch_file(bot, stored.file_id, limit=10)
    finally:
        await bot.session.close()
    assert api.token not in str(caught.value)


@pytest.mark.parametrize(("limit", "goes"), [(LOCAL_UPLOAD_LIMIT, True), (UPLOAD_LIMIT, False)])
async def test_a_video_over_50_mb_needs_a_local_server(
    api: TelegramEmulator, bot: Bot, tmp_path: Path, limit: int, goes: bool
) -> None:
    anna = api.add_person("Anna", language_code="en")
    size = UPLOAD_LIMIT + 1

    async def download(url: str, file: BinaryIO) -> int:
        file.write(bytes(size))
        return size

    async def prepare(file: BinaryIO) -> Video:
        info = VideoInfo(width=864, height=480, duration=5, has_audio=False)
        return Video(file=file, size=size, info=info, thumbnail=b"\xff\xd8")

    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        task = replace(
            await task_in(storage, TaskState.RENDERED), chat=Chat(chat_id=anna.id), message_id=0
        )
        await anna.send_text("/start")
        deliver = Delivery(
            Messenger(bot, RateLimiter()), download, KeptVideos(tmp_path / "v"), prepare,
            upload_limit=limit,
        )  # fmt: skip
        if goes:
            assert await deliver(task, lambda _: Text("words"), None)
            [call] = api.calls_of("sendVideo")
            assert call.ok
        else:
            with pytest.raises(DownloadTooLarge):
                await deliver(task, lambda _: Text("words"), None)


async def test_a_photo_becomes_a_video_through_a_local_server(tmp_path: Path) -> None:
    async with open_process_harness(tmp_path, delay=0.4, renderer=clip, local=True) as harness:
        await learnt(harness.database_url, 0.4)
        bot = await harness.start(settings={"TELEGRAM_LOCAL": "true"})
        anna = harness.telegram.add_person("Anna", language_code="en")
        asked = await anna.send_photo(jpeg(flag((900, 900), GREEN)), "a green hill")
        await anna.press(await card_for(anna, asked), "1:1")
        await anna.expect(is_video, within=30)
        assert harness.telegram.calls_of("download") == []
        [job] = harness.provider.tasks.values()
        assert job.made is not None
        assert job.made.image is not None
        assert await bot.stop() == 0
