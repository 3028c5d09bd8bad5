"""First frames in a bucket: a real S3 server on loopback, the stores, and the whole bot."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from bot.core.task import Frame, Task, TaskState
from bot.jobs.first_frames import FirstFrames
from bot.media.bucket import Bucket, BucketError
from bot.runtime.public_address import PublicAddress
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.telegram import client as telegram_client
from bot.telegram.rate_limits import RateLimiter
from storage import Storage, open_storage
from tests.e2e.conftest import card_for, is_video
from tests.support.databases import with_tables
from tests.support.factories import task_in
from tests.support.media_files import GREEN, clip, flag, jpeg, learnt
from tests.support.process_harness import free_port, open_process_harness

NAME = "frames-of-a-bot"
KEYS = {"access_key": "AKcanary", "secret_key": "canary/secret+key"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Server:
    """What the owner of the bucket sees."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEYS["access_key"],
            aws_secret_access_key=KEYS["secret_key"],
            region_name="us-east-1",
        )

    async def make(self, name: str = NAME) -> None:
        await asyncio.to_thread(self._client.create_bucket, Bucket=name)

    async def keys(self, name: str = NAME) -> list[str]:
        answer = await asyncio.to_thread(self._client.list_objects_v2, Bucket=name)
        return [entry["Key"] for entry in answer.get("Contents", [])]

    def bucket(self, name: str = NAME) -> Bucket:
        return Bucket(self.url, name, region="us-east-1", **KEYS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[str]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(url)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield url
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def s3(running: str) -> Server:
    async with httpx.AsyncClient() as client:
        await client.post(f"{running}/moto-api/reset")
    server = Server(running)
    await server.make()
    return server


async def fetch(link: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(link)


async def test_an_object_can_be_fetched_until_it_is_deleted(s3: Server) -> None:
    bucket = s3.bucket()
    await bucket.put("a.jpg", b"\xff\xd8 a picture")
    link = await bucket.link("a.jpg", timedelta(seconds=90))
    answer = await fetch(link)
    assert (answer.status_code, answer.content) == (200, b"\xff\xd8 a picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["90"]
    assert KEYS["secret_key"] not in link
    await bucket.delete("a.jpg")
    assert await s3.keys() == []
    assert (await fetch(link)).status_code == 404
    await bucket.delete("a.jpg")  # is no error


async def test_a_bucket_error_contains_no_keys_and_no_links(s3: Server) -> None:
    nowhere = Bucket(f"http://127.0.0.1:{free_port()}", NAME, region="us-east-1", **KEYS)
    for bucket in (s3.bucket("not-there"), nowhere):
        with pytest.raises(BucketError) as caught:
            await bucket.put("a.jpg", b"x")
        assert "a.jpg" not in str(caught.value)
        assert KEYS["access_key"] not in str(caught.value)
        assert caught.value.__cause__ is None


class Frames:
    """FirstFrames over a database, a Telegram and a bucket, with moved time."""

    def __init__(self, storage: Storage, api: TelegramEmulator, bucket: Bucket) -> None:
        self.storage, self.now, self.slept = storage, NOON, asyncio.Event()
        self.bot = telegram_client.connect(SecretStr(api.token), api.url, RateLimiter())
        self.api = api
        self.first = FirstFrames(
            self.bot, storage, clock=lambda: self.now, address=PublicAddress(), bucket=bucket,
            ttl=timedelta(hours=1), sleep=self._sleep,
        )  # fmt: skip

    async def _sleep(self, seconds: float) -> None:
        self.slept.set()
        await asyncio.Event().wait()

    async def task(self) -> Task:
        stored = self.api.world.files.photo(jpeg(flag((800, 800), GREEN)))
        frame = Frame(file_id=stored.file_id, kind="photo")
        task = await task_in(self.storage, TaskState.QUEUED, prompt="a cat", now=NOON)
        return replace(task, frame=frame)

    async def sweep(self) -> None:
        """One round."""
        self.slept.clear()
        sweeping = asyncio.ensure_future(self.first.sweep())  # noqa: TID251 - ended here
        async with asyncio.timeout(30):
            await self.slept.wait()
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


@pytest.fixture
async def frames(s3: Server, tmp_path: Path) -> AsyncIterator[Frames]:
    async with (
        TelegramEmulator() as api,
        open_storage(with_tables(tmp_path / "bot.db")) as storage,
    ):
        made = Frames(storage, api, s3.bucket())
        yield made
        await made.bot.session.close()


async def test_a_frame_is_deleted_when_its_task_ends(frames: Frames, s3: Server) -> None:
    task = await frames.task()
    link = await frames.first.publish(task)
    assert (await fetch(link)).content[:2] == b"\xff\xd8"
    await frames.sweep()
    assert len(await s3.keys()) == 1
    await frames.storage.tasks.cancel(task.id, user_id=task.user_id, now=NOON)
    await frames.sweep()
    assert await s3.keys() == []
    assert await frames.storage.frame_objects.over(NOON + timedelta(days=9)) == []


async def test_a_frame_is_deleted_when_it_expires(frames: Frames, s3: Server) -> None:
    await frames.first.publish(await frames.task())
    frames.now += timedelta(hours=1)
    await frames.sweep()
    assert await s3.keys() == []


async def test_an_object_that_cannot_be_deleted_does_not_keep_the_others(
    frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Bucket.delete

    async def locked(self: Bucket, key: str) -> None:
        if key == "a.jpg":
            raise BucketError("a frame cannot be deleted (AccessDenied)")
        await delete(self, key)

    monkeypatch.setattr(Bucket, "delete", locked)
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        await frames.storage.frame_objects.note(key, 77, expires_at=NOON)
    await frames.sweep()
    assert await frames.storage.frame_objects.over(NOON) == ["a.jpg"]
    monkeypatch.undo()
    await frames.sweep()
    assert await frames.storage.frame_objects.over(NOON) == []


async def test_a_link_is_not_signed_for_longer_than_stores_accept(s3: Server) -> None:
    await s3.bucket().put("a.jpg", b"\xff\xd8 a picture")
    link = await s3.bucket().link("a.jpg", timedelta(days=30))
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == [str(7 * 24 * 3600)]
    assert (await fetch(link)).status_code == 200


async def test_a_recorded_object_that_was_never_stored_is_deleted(
    frames: Frames, s3: Server
) -> None:
    await frames.storage.frame_objects.note("never.jpg", 77, expires_at=NOON)
    await frames.sweep()
    assert await frames.storage.frame_objects.over(NOON) == []


async def test_a_photo_becomes_a_video_without_a_public_address(
    s3: Server, tmp_path: Path
) -> None:
    async with open_process_harness(tmp_path, delay=0.4, renderer=clip) as harness:
        await learnt(harness.database_url, 0.4)
        bot = await harness.start(
            settings={
                "PUBLIC_URL": "",
                "FRAMES_S3_ENDPOINT": s3.url,
                "FRAMES_S3_BUCKET": NAME,
                "FRAMES_S3_ACCESS_KEY": KEYS["access_key"],
                "FRAMES_S3_SECRET_KEY": KEYS["secret_key"],
            }
        )
        assert "photos on" in bot.lines
        anna = harness.telegram.add_person("Anna", language_code="en")
        asked = await anna.send_photo(jpeg(flag((900, 900), GREEN)), "a green hill")
        await anna.press(await card_for(anna, asked), "1:1")
        await anna.expect(is_video, within=30)
        [create] = [call for call in harness.provider.calls if call.name == "create"]
        [link] = create.body["images"]
        assert link.startswith(f"{s3.url}/{NAME}/")
        [job] = harness.provider.tasks.values()
        assert job.made is not None
        assert job.made.image is not None
        async with asyncio.timeout(30):
            while await s3.keys():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.2)
        assert KEYS["secret_key"] not in bot.lines
        assert "X-Amz-Signature" not in bot.lines
        assert await bot.stop() == 0
