"""The search for secrets finds them in every place, and reports nothing in correct records."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.sandbox.gptunnel.models import MODELS
from bot.sandbox.gptunnel.records import Call as ProviderCall
from bot.sandbox.gptunnel.records import Made, Task
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.calls import Call
from bot.sandbox.telegram.emulator import TelegramEmulator
from tests.support import canaries
from tests.support.process_harness import KEY, TOKEN

PACKED = base64.b64encode(TOKEN.encode()).decode()


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator(token=TOKEN) as emulator:
        emulator.api.calls.append(Call(1, "sendMessage", {"text": "a red fox"}, 0.0))
        yield emulator


def provider(image: bytes | None = None, **call: Any) -> GptunnelEmulator:
    """One create as it should be, changed by `call`; `image` is its first frame."""
    usual = {"headers": {"Authorization": KEY}, "body": {"prompt": "a red fox"}}
    emulator = GptunnelEmulator(api_key=KEY)
    emulator.calls.append(ProviderCall(**{"name": "create", "at": 0.0, **usual, **call}))
    made: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
    made.set_result(Made(None, image))
    model = next(iter(MODELS.values()))
    emulator.tasks["1"] = Task("1", model, "a red fox", None, "https://x", 0.0, 0.0, made)
    return emulator


def photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=canaries.exif())
    return out.getvalue()


async def test_correct_calls_are_not_reported_as_leaks(
    telegram: TelegramEmulator, tmp_path: Path
) -> None:
    (tmp_path / "bot.db").write_bytes(b"a red fox")
    telegram.world.files.new_path().write_bytes(photo())  # a person's own
    assert canaries.leaks_to_telegram(telegram) == []
    assert canaries.leaks_to_provider(provider(b"\xff\xd8")) == []
    assert canaries.leaks_on_disk(tmp_path) == []


@pytest.mark.parametrize("secret", [TOKEN, TOKEN.partition(":")[2], KEY, PACKED])
@pytest.mark.parametrize("place", ["params", "headers", "result", "description"])
async def test_a_secret_in_a_call_of_telegram_is_found(
    telegram: TelegramEmulator, place: str, secret: str
) -> None:
    spoilt = f"so: {secret}"
    setattr(telegram.calls[0], place, {"x": spoilt} if place != "description" else spoilt)
    assert canaries.leaks_to_telegram(telegram)


async def test_a_location_in_an_upload_is_found(telegram: TelegramEmulator) -> None:
    content = photo()
    telegram.world.files.new_path().write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    telegram.calls[0].uploads = {"photo": {"name": "x", "size": 1, "sha256": digest}}
    assert canaries.leaks_to_telegram(telegram)


@pytest.mark.parametrize(
    "call",
    [
        {"body": {"prompt": TOKEN}},
        {"body": KEY},
        {"headers": {"Authorization": KEY, "Referer": f"https://x/?{KEY}"}},
        {"headers": {"Authorization": KEY}, "name": "download"},
    ],
    ids=["token in a body", "key in a body", "key in a header", "key to a download"],
)
async def test_a_secret_in_a_call_of_the_provider_is_found(call: dict[str, Any]) -> None:
    assert canaries.leaks_to_provider(provider(**call))


async def test_a_location_in_a_first_frame_is_found() -> None:
    assert canaries.leaks_to_provider(provider(photo()))


@pytest.mark.parametrize("content", [TOKEN.encode(), KEY.encode(), canaries.PLACE.encode()])
def test_a_secret_in_a_file_is_found(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bot.db-wal").write_bytes(b"\0" + content + b"\0")
    assert canaries.leaks_on_disk(tmp_path)


def test_a_secret_in_a_line_or_its_exception_is_found() -> None:
    logger = logging.getLogger("bot.jobs.steps")
    with canaries.leaks_in_log() as found:
        logger.error("all is well with %d", 7)
        assert found == []
        logger.error("so: %s", TOKEN)
        assert len(found) == 2  # the whole and its part
        try:
            raise ValueError(f"https://x/?{KEY}")
        except ValueError:
            logger.exception("failed")
        assert len(found) == 3
    logger.error("after it: %s", KEY)
    assert len(found) == 3
