"""A finished video that is no plain MP4, on its way into the chat.

The promise: what plays somewhere arrives. Telegram plays MP4 only, so another container comes as a
document with a word why; pixels that are not square are told as they are shown.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from bot.core.task import Reason
from tests.faults import words
from tests.support.app_harness import open_app_harness
from tests.support.media_files import film


@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_a_webm_comes_as_a_document_and_is_sent_again_as_one(
    tmp_path: Path, empty_database: Path, lang: str
) -> None:
    webm = film("webm", "libvpx")
    async with open_app_harness(tmp_path, empty_database, webm, read_videos=True) as harness:
        anna = harness.person(lang)
        await harness.order(anna)
        await harness.ended("delivered", within=60)
        assert harness.sent("sendVideo") == []
        assert len(harness.sent("sendDocument")) == 1
        file = await harness.find(anna.chat, lambda m: "document" in m)
        assert file["document"]["file_name"] == "video-1.webm"
        assert file["document"]["file_size"] == len(webm)
        why = {"en": "comes as a file", "ru": "приходит файлом"}[lang]
        assert why in file["caption"]
        assert len(harness.asked("create")) == len(harness.asked("download")) == 1
        # the history, and the button for a file, send the same file again
        await anna.send_text("/history")
        page = await harness.find(anna.chat, lambda m: "ho|1" in str(m.get("reply_markup")))
        await anna.press(page, "1")
        await harness.until(lambda: len(harness.sent("sendDocument")) == 2)
        await anna.press(file, "b|m|1")  # shows all buttons
        await harness.until(lambda: "b|d|1" in str(anna.chat.messages[file["message_id"]]))
        await anna.press(file, "b|d|1")
        await harness.until(lambda: len(harness.sent("sendDocument")) == 3)
        await harness.settle()
        files = [m["document"]["file_id"] for m in anna.chat.messages.values() if "document" in m]
        assert files == 3 * [file["document"]["file_id"]]
        # inline mode sends videos only
        query = await anna.inline_query("fox")
        await harness.until(lambda: query.results is not None)
        assert query.results is not None
        assert query.results["results"] == []


async def test_variants_in_another_container_come_one_by_one(
    tmp_path: Path, empty_database: Path
) -> None:
    """Documents and videos do not mix in an album."""
    clip = film("matroska", "libx264")
    async with open_app_harness(tmp_path, empty_database, clip, read_videos=True) as harness:
        anna = harness.person()
        card = await harness.card(anna)
        assert await harness.storage.tasks.choose(1, user_id=anna.id, variants=2)
        await anna.press(card, "9:16")
        await harness.until(lambda: harness.states() == ["delivered", "delivered"], within=120)
        assert harness.sent("sendMediaGroup") == []
        assert len(harness.sent("sendDocument")) == 2


async def test_pixels_that_are_not_square_are_told_as_they_are_shown(
    tmp_path: Path, empty_database: Path
) -> None:
    clip = film("mp4", "libx264", Fraction(2))
    async with open_app_harness(tmp_path, empty_database, clip, read_videos=True) as harness:
        await harness.order(harness.person())
        await harness.ended("delivered", within=60)
        [sent] = harness.sent("sendVideo")
        assert (sent.params["width"], sent.params["height"]) == (320, 96)


async def test_what_cannot_be_read_as_a_video_is_refused_as_before(
    tmp_path: Path, empty_database: Path
) -> None:
    clip = b"\x1aE\xdf\xa3" + b"\x01" * 5000
    async with open_app_harness(tmp_path, empty_database, clip, read_videos=True) as harness:
        anna = harness.person()
        await harness.order(anna)
        await harness.ended("undeliverable", within=600)
        assert words.undeliverable("en", Reason.RESULT_UNUSABLE) in harness.words(anna.chat)
