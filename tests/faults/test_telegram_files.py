"""A first frame on its way from Telegram, and everything that can happen to it before the order.

The promise: nothing is ordered without its photo; temporary problems are waited for, and permanent
ones end the order free of charge, with a notice.
"""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.core.task import Charge, Reason
from bot.sandbox.faults import Fault
from bot.sandbox.telegram.people import Person
from tests.faults import words
from tests.faults.answers import broken, http
from tests.faults.refusals import AWAY, LATER, REJECTED, TAKEN, UNREACHABLE
from tests.support import canaries
from tests.support.app_harness import AppHarness


def photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (720, 1280), (40, 90, 160)).save(out, "JPEG", exif=canaries.exif())
    return out.getvalue()


async def ordered(harness: AppHarness, person: Person, fault: Fault, on: str) -> None:
    """A photo with its words, whose file is in trouble from the press on."""
    await person.send_photo(photo(), "a red fox")
    card = await harness.find(person.chat, lambda m: "9:16" in str(m.get("reply_markup")))
    await harness.settle()
    harness.refuse(fault, on=on)
    await person.press(card, "9:16")


GET_FILE: dict[str, tuple[Fault, float]] = {**LATER, **{k: (v, 1) for k, v in TAKEN.items()}}
DOWNLOAD: dict[str, Fault] = {
    "429": http(429),
    "500": http(500),
    "502": http(502),
    "reset before": broken("reset_before"),
    "reset after": broken("reset_after"),
    "truncated": broken("truncate"),
}


@pytest.mark.parametrize("cell", GET_FILE)
async def test_a_photo_whose_getfile_fails_temporarily_is_waited_for(
    harness: AppHarness, cell: str
) -> None:
    fault, wait = GET_FILE[cell]
    anna = harness.person()
    await ordered(harness, anna, fault, "getFile")
    await harness.ended("delivered", within=12_000)
    (create,) = harness.asked("create")
    assert len(create.body["images"]) == 1
    assert create.at - harness.time.unix() <= -wait or harness.time.elapsed >= wait
    assert len(harness.videos(anna.chat)) == 1


@pytest.mark.parametrize("cell", DOWNLOAD)
async def test_a_photo_whose_download_fails_temporarily_is_waited_for(
    harness: AppHarness, cell: str
) -> None:
    anna = harness.person()
    await ordered(harness, anna, DOWNLOAD[cell], "download")
    await harness.ended("delivered", within=600)
    (create,) = harness.asked("create")
    assert len(create.body["images"]) == 1


async def test_a_photo_that_telegram_cannot_find_now_is_asked_for_again(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    await ordered(harness, anna, AWAY.model_copy(update={"times": 3}), "getFile")
    await harness.ended("delivered", within=600)
    (create,) = harness.asked("create")
    assert len(create.body["images"]) == 1


GONE: dict[str, tuple[str, Fault]] = {
    **{f"getFile: {cell}": ("getFile", fault) for cell, fault in UNREACHABLE.items()},
    **{
        f"getFile: {cell}": ("getFile", REJECTED[cell])
        for cell in ("404", "message to edit is gone")
    },
    "getFile: not found for long": ("getFile", AWAY),
    "download: 404": ("download", http(404)),
    "download: 410": ("download", http(410)),
}


@pytest.mark.parametrize("cell", GONE)
async def test_a_deleted_photo_ends_the_order_free_of_charge(
    harness: AppHarness, cell: str
) -> None:
    on, fault = GONE[cell]
    boris = harness.person("ru")
    await ordered(harness, boris, fault.model_copy(update={"times": 0}), on)
    await harness.ended("failed", within=60)
    said = words.failed("ru", Reason.FRAME_UNAVAILABLE, Charge.NONE)
    assert said in harness.words(boris.chat)
    assert harness.asked("create") == []


async def test_an_unreadable_photo_ends_the_order_free_of_charge(
    harness: AppHarness,
) -> None:
    boris = harness.person("ru")
    noise = http(200, b"no picture " * 99, content_type="image/jpeg")
    await ordered(harness, boris, noise.model_copy(update={"times": 0}), "download")
    await harness.ended("failed", within=60)
    said = words.failed("ru", Reason.FRAME_UNUSABLE, Charge.NONE)
    assert said in harness.words(boris.chat)
    assert harness.asked("create") == []
