"""Pictures first: made by an image model, chosen by their number, and the first frame of a video.

The promises are those of a video: nothing is lost, nothing is paid twice, and a press counts once.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot import texts
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.task import TaskState
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.support.app_harness import AppHarness, OpenAppHarness

CATALOG = """
[[models]]
id = "seedream-3"
title = "Seedream 3"
kind = "picture"
takes_image = true
price = 6
"""
FIRST, CHANGE, USE = "🖼 Picture first", "🖌 Change the photo", "🎬 Make a video from it"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG, encoding="utf-8")
    return path


@pytest.fixture
async def harness(make_harness: OpenAppHarness, catalog: Path) -> AsyncIterator[AppHarness]:
    async with make_harness(catalog_file=catalog, image_model="seedream-3") as harness:
        yield harness


def photo(shade: int = 90) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (720, 1280), (shade, 120, 160)).save(out, "JPEG")
    return out.getvalue()


def buttons(message: Json) -> list[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


def pictures(harness: AppHarness, person: Person) -> list[Json]:
    """The pictures that were delivered, by their messages."""
    sent = {m for (m,) in harness.rows(
        "SELECT video_message_id FROM tasks WHERE kind = 'picture' AND state = 'delivered'"
    )}  # fmt: skip
    return [m for m in person.messages if m["message_id"] in sent]


async def the_card(harness: AppHarness, person: Person, first: str = FIRST) -> Json:
    """The card of a picture for a card with these words, not yet ordered."""
    card = await harness.card(person)
    await person.press(card, first)
    return await harness.find(person.chat, lambda m: "×4" in buttons(m))


async def drawn(harness: AppHarness, person: Person, count: int = 1) -> list[Json]:
    """So many pictures of one card."""
    card = await the_card(harness, person)
    if count > 1:
        await person.press(card, f"×{count}")
        await harness.until(lambda: harness.task(2)["variants"] == count)
    await person.press(card, "9:16")
    await harness.until(lambda: harness.states()[1:] == count * ["delivered"])
    await harness.until(lambda: not harness.rows("SELECT 1 FROM outbox"))
    await harness.settle()
    return pictures(harness, person)


def kinds(harness: AppHarness) -> list[tuple[str, str]]:
    return [tuple(row) for row in harness.rows("SELECT kind, state FROM tasks ORDER BY id")]


async def test_a_picture_is_made_first_and_the_video_starts_with_it(harness: AppHarness) -> None:
    anna = harness.person()
    card = await the_card(harness, anna)
    assert "🖼 Seedream 3" in card["text"]
    assert "💳 Price: 6\xa0₽" in card["text"]
    await anna.press(card, "9:16")
    await harness.ended("delivered", 2)
    [shown] = pictures(harness, anna)
    assert shown["caption"].startswith("a red fox\n🖼 Seedream 3 · 9:16\n")
    assert "💳 6\xa0₽" in shown["caption"]
    assert USE in buttons(shown)
    assert harness.task(2)["video_file_id"] == shown["photo"][-1]["file_id"]
    assert [(c.model, c.price) for c in harness.provider.charges] == [("seedream-3", Decimal(6))]
    await anna.press(shown, USE)
    video_card = await harness.find(
        anna.chat, lambda m: "photo" in m and "💳 Price: 17\xa0₽" in m.get("caption", "")
    )
    assert "🖼 The picture is the first frame." in video_card["caption"]
    assert "/privacy" not in video_card["caption"]  # nobody's photo is sent to anybody
    assert video_card["photo"][-1]["file_id"] == shown["photo"][-1]["file_id"]
    await anna.press(video_card, "9:16")
    await harness.ended("delivered", 1)
    assert kinds(harness) == [("video", "delivered"), ("picture", "delivered")]
    assert len(harness.videos(anna.chat)) == 1
    *_, order = harness.asked("create")
    assert order.body["images"][0].startswith("http")
    assert order.body["model"].startswith("seedance")
    [made] = [t for t in harness.provider.tasks.values() if not t.model.is_picture]
    assert made.made is not None
    with Image.open(io.BytesIO(made.made.image or b"")) as frame:
        assert frame.size[0] / frame.size[1] == pytest.approx(9 / 16, abs=0.01)
    assert not harness.rows("SELECT 1 FROM consents")
    assert not harness.rows("SELECT 1 FROM frames")


async def test_four_pictures_are_one_album_and_a_number_opens_the_card(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    album = await drawn(harness, anna, 4)
    assert len(harness.sent("sendMediaGroup")) == 1
    assert len({m["media_group_id"] for m in album}) == 1
    assert len({m["photo"][-1]["file_unique_id"] for m in album}) == 4  # variants differ
    assert "4 × 6\xa0₽ = 24\xa0₽" in album[0]["caption"]
    assert len(harness.asked("create")) == len(harness.provider.charges) == 4
    below = await harness.find(anna.chat, lambda m: "🎬 4" in buttons(m))
    await anna.press(below, "🎬 3")
    await harness.until(lambda: harness.task(1)["frame_file_id"] is not None)
    assert harness.task(1)["frame_file_id"] == album[2]["photo"][-1]["file_id"]
    at = below["message_id"]
    await harness.until(lambda: "picture 3 of 4" in anna.chat.messages[at]["text"])
    below = anna.chat.messages[at]
    # another one: the same card, which moves down here with the other picture
    await anna.press(below, "🎬 1")
    await harness.until(
        lambda: harness.task(1)["frame_file_id"] == album[0]["photo"][-1]["file_id"]
    )
    await harness.until(lambda: "picture 1 of 4" in anna.chat.messages[at]["text"])
    cards = [
        m for m in anna.messages if "💳 Price: 17\xa0₽" in str(m.get("caption") or m.get("text"))
    ]
    assert len(cards) == 1
    assert cards[0]["photo"][-1]["file_id"] == album[0]["photo"][-1]["file_id"]
    assert len(harness.asked("create")) == 4


async def test_pictures_that_are_done_at_once_come_together(harness: AppHarness) -> None:
    """A create may answer `done`, while the next variant still waits to be submitted."""
    anna = harness.person()
    card = await harness.card(anna, "a fox, instant-test")
    await anna.press(card, FIRST)
    drawing = await harness.find(anna.chat, lambda m: "×4" in buttons(m))
    await anna.press(drawing, "×3")
    await harness.until(lambda: harness.task(2)["variants"] == 3)
    await anna.press(drawing, "1:1")
    await harness.until(lambda: harness.states()[1:] == 3 * ["delivered"])
    assert len(harness.sent("sendMediaGroup")) == 1
    assert harness.sent("sendPhoto", caption="a fox, instant-test") == []


async def test_a_number_pressed_twice_opens_one_card(harness: AppHarness) -> None:
    anna = harness.person()
    [shown] = await drawn(harness, anna)
    await anna.press(shown, USE)
    await anna.press(shown, USE)
    await harness.settle()
    assert kinds(harness) == [("video", "draft"), ("picture", "delivered")]
    cards = [m for m in anna.messages if "9:16" in buttons(m)]
    assert len(cards) == 1
    # ordered and pressed again: another draft, once
    await anna.press(cards[0], "9:16")
    await harness.ended("delivered", 1)
    await anna.press(shown, USE)
    await anna.press(shown, USE)
    await harness.settle()
    assert kinds(harness)[2:] == [("video", "draft")]
    assert harness.task(3)["prompt"] == "a red fox"
    assert len([m for m in anna.messages if "9:16" in buttons(m)]) == 1


async def test_a_number_pressed_by_somebody_else_or_after_erasure_does_nothing(
    harness: AppHarness,
) -> None:
    anna, boris = harness.person(), harness.person(name="Boris")
    group = harness.telegram.add_group("Film club", [anna, boris])
    card = await harness.card(anna, chat=group)
    await anna.press(card, FIRST)
    drawing = await harness.find(group, lambda m: "×4" in buttons(m))
    await anna.press(drawing, "9:16")
    await harness.ended("delivered", 2)
    shown = await harness.find(group, lambda m: USE in buttons(m))
    await boris.press(shown, USE)
    await harness.settle()
    assert kinds(harness) == [("video", "draft"), ("picture", "delivered")]
    assert harness.task(1)["frame_file_id"] is None
    assert await harness.storage.privacy.erase_task(2, user_id=anna.id)
    await anna.press(shown, USE)
    await harness.settle()
    assert harness.task(1)["frame_file_id"] is None
    answers = [call.params["text"] for call in harness.sent("answerCallbackQuery")]
    assert answers[-2:] == [
        texts.statuses.press_foreign("en"), texts.statuses.press_expired("en"),
    ]  # fmt: skip


async def test_a_photo_is_changed_with_words(harness: AppHarness) -> None:
    anna = harness.person()
    await anna.send_photo(photo(), caption="the sea begins to move")
    card = await harness.find(anna.chat, lambda m: CHANGE in buttons(m))
    await anna.press(card, CHANGE)
    await harness.find(anna.chat, lambda m: "Write what should change" in m.get("text", ""))
    await anna.send_text("it is night")
    drawing = await harness.find(anna.chat, lambda m: "×4" in buttons(m))
    assert "🖌 The picture is changed as you wrote" in drawing["caption"]
    assert "/privacy" in drawing["caption"]  # the first photo of this person
    await anna.press(drawing, "9:16")
    await harness.ended("delivered", 2)
    assert harness.task(2)["prompt"] == "it is night"
    [order] = harness.asked("create")
    assert order.body["prompt"] == "it is night"
    assert len(order.body["images"]) == 1
    assert harness.rows("SELECT count(*) FROM consents") == [(1,)]
    [shown] = pictures(harness, anna)
    before = harness.task(1)["frame_file_id"]
    await anna.press(shown, USE)
    await harness.until(lambda: harness.task(1)["frame_file_id"] != before)
    await harness.settle()
    # the card keeps the words of the video
    assert harness.task(1)["prompt"] == "the sea begins to move"
    assert harness.task(1)["frame_kind"] == "picture"
    # and the picture can be changed again
    assert "🖌 Change the picture" in buttons(shown)
    await anna.press(shown, "🖌 Change the picture")
    await harness.until(lambda: len(harness.states()) == 3)
    again = harness.task(3)
    assert (again["kind"], again["prompt"], again["picture_for"]) == ("picture", None, 1)
    assert again["frame_file_id"] == shown["photo"][-1]["file_id"]


async def test_a_photo_without_words_can_be_changed_before_it_gets_them(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    await anna.send_photo(photo())
    asked = await harness.find(anna.chat, lambda m: CHANGE in buttons(m))
    await anna.press(asked, CHANGE)
    await harness.until(lambda: len(harness.states()) == 2)
    await harness.settle()
    await anna.send_text("make it snow")
    drawing = await harness.find(anna.chat, lambda m: "×4" in buttons(m))
    await anna.press(drawing, "9:16")
    await harness.ended("delivered", 2)
    [shown] = pictures(harness, anna)
    await anna.press(shown, USE)
    await harness.find(anna.chat, lambda m: "what should happen" in m.get("text", ""))
    await anna.send_text("snow falls on the roof")
    card = await harness.find(anna.chat, lambda m: "first frame" in m.get("caption", ""))
    assert card["reply_to_message"]["text"] == "snow falls on the roof"
    assert harness.task(1)["prompt"] == "snow falls on the roof"
    assert harness.task(1)["frame_file_id"] == shown["photo"][-1]["file_id"]
    assert len(harness.states()) == 2


async def test_a_failed_picture_says_so_and_the_card_stays(harness: AppHarness) -> None:
    anna = harness.person()
    card = await the_card(harness, anna)
    harness.provider.mode = Mode.FAILS
    await anna.press(card, "9:16")
    await harness.ended("failed", 2)
    [told] = [words for words in harness.words(anna.chat) if "There is no picture." in words]
    assert "started your picture but could not finish it" in told
    harness.provider.mode = Mode.WELL
    message = await harness.find(anna.chat, lambda m: "There is no picture." in m.get("text", ""))
    await anna.press(message, "🔁 Again · 6\xa0₽")
    await harness.ended("delivered", 3)
    assert harness.task(3)["picture_for"] == 1
    assert len(harness.provider.charges) == 2
    assert harness.state(1) == "draft"


async def test_a_picture_can_be_cancelled_for_free_until_it_is_accepted(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    card = await the_card(harness, anna)
    harness.provider.mode = Mode.OVERLOADED
    await anna.press(card, "9:16")
    await harness.until(lambda: harness.rows("SELECT 1 FROM tasks WHERE attempts > 0"))
    shown = await harness.find(anna.chat, lambda m: buttons(m) == ["Cancel"])
    await anna.press(shown, "Cancel")
    await harness.ended("cancelled", 2)
    harness.provider.mode = Mode.WELL
    await harness.pass_(600)
    assert harness.provider.charges == []
    assert harness.state(1) == "draft"
    booked = harness.rows("SELECT kind, kopecks FROM ledger WHERE task_id = 2 ORDER BY id")
    assert booked == [("reservation", 600), ("return", 600)]


@pytest.mark.parametrize("charged", [True, False])
async def test_a_picture_whose_answer_was_lost_is_settled_by_an_admin(
    harness: AppHarness, charged: bool
) -> None:
    anna = harness.person()
    card = await the_card(harness, anna)
    harness.spoil(Fault(on="create", act="reset_after", times=1))
    await anna.press(card, "9:16")
    await harness.ended("unknown", 2)
    assert len(harness.asked("create")) == 1
    told = await harness.find(anna.chat, lambda m: "Order again · 6\xa0₽" in buttons(m))
    assert "not known" in told["text"]
    if charged:
        job = next(iter(harness.provider.tasks))
        assert await harness.storage.operator.give_id(2, job, by=1, now=harness.time())
        harness.parts.worker.wake()
        await harness.ended("delivered", 2)
        assert len(pictures(harness, anna)) == 1
    else:
        assert await harness.storage.operator.settle(2, charged=False, by=1, now=harness.time())
        assert harness.state(2) == "failed"
    assert len(harness.asked("create")) == 1


async def test_a_picture_survives_the_death_of_its_worker(
    make_harness: OpenAppHarness, catalog: Path
) -> None:
    """Its lease runs out, and another process goes on: nothing is ordered twice."""
    async with make_harness(
        catalog_file=catalog,
        image_model="seedream-3",
        workers=2,
        at_once=4,
        lease=timedelta(seconds=30),
    ) as harness:
        anna = harness.person()
        card = await the_card(harness, anna)
        await anna.press(card, "×2")
        await harness.until(lambda: harness.task(2)["variants"] == 2)
        harness.provider.mode = Mode.HANGS
        await anna.press(card, "9:16")
        first, second = harness.workers
        harness.run(first.parts.worker)
        await harness.until(lambda: harness.states()[1:] == 2 * ["generating"])
        [dying] = [one for one in harness.running if one.get_name() == "Worker"]
        harness.running.remove(dying)
        dying.cancel()
        harness.provider.mode = Mode.WELL
        harness.run(second.parts.worker, second.parts.notices, second.parts.progress)
        await harness.until(lambda: harness.states()[1:] == 2 * ["delivered"])
        assert len(harness.asked("create")) == len(harness.provider.charges) == 2
        assert len(pictures(harness, anna)) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\0\x18ftypmp42 no picture at all", "result_unusable"),
        (b"\x89PNG\r\n\x1a\n and no more", "result_unusable"),
    ],
)
async def test_a_result_that_is_no_picture_is_a_clear_failure(
    make_harness: OpenAppHarness, catalog: Path, content: bytes, reason: str
) -> None:
    async with make_harness(catalog_file=catalog, image_model="seedream-3") as harness:
        harness.provider._studio._painter = lambda _scene: content
        anna = harness.person()
        card = await the_card(harness, anna)
        await anna.press(card, "9:16")
        await harness.until(lambda: harness.state(2) == "undeliverable")
        assert harness.task(2)["reason"] == reason
        told = await harness.find(
            anna.chat, lambda m: "Your picture was made, but I could not get it" in
            m.get("text", ""),
        )  # fmt: skip
        assert "💳 The money for this picture is spent." in told["text"]
        # the service repairs it: the button asks again, and nothing is ordered
        [task] = harness.provider.tasks.values()
        made: Any = task.work.result()
        object.__setattr__(made, "video", photo())
        await anna.press(told, "Send the picture")
        await harness.ended("delivered", 2)
        assert len(pictures(harness, anna)) == 1
        assert len(harness.provider.charges) == 1


async def test_a_picture_is_kept_while_telegram_refuses_the_chat(harness: AppHarness) -> None:
    anna = harness.person()
    card = await the_card(harness, anna)
    harness.provider.mode = Mode.HANGS
    await anna.press(card, "9:16")
    await harness.until(lambda: harness.state(2) == "generating")
    await anna.block_bot()
    harness.provider.mode = Mode.WELL
    await harness.until(lambda: harness.state(2) == "undeliverable")
    assert [*(harness.path.parent / "videos").glob("2.*")]
    await anna.unblock_bot()
    assert await harness.storage.tasks.redeliver(2, user_id=anna.id, now=harness.time())
    harness.parts.worker.wake()
    await harness.ended("delivered", 2)
    assert len(harness.asked("download")) == 1
    assert not [*(harness.path.parent / "videos").glob("2.*")]


async def test_the_history_shows_pictures_and_sends_them_again(harness: AppHarness) -> None:
    anna = harness.person("ru")
    await anna.send_text("рыжая лиса")
    card = await harness.find(anna.chat, lambda m: "🖼 Сначала картинка" in buttons(m))
    await anna.press(card, "🖼 Сначала картинка")
    drawing = await harness.find(anna.chat, lambda m: "×4" in buttons(m))
    assert "Выберите формат – и картинка начнёт создаваться:" in drawing["text"]
    await anna.press(drawing, "9:16")
    await harness.ended("delivered", 2)
    await anna.send_text("/history")
    page = await harness.find(anna.chat, lambda m: "Ваши видео и картинки" in m.get("caption", ""))
    assert "1. 🖼 рыжая лиса" in page["caption"]
    before = len(harness.sent("sendPhoto"))
    await anna.press(page, "1")
    await harness.until(lambda: len(harness.sent("sendPhoto")) > before)
    again = harness.sent("sendPhoto")[-1]
    assert again.params["photo"] == harness.task(2)["video_file_id"]


async def test_pictures_count_as_videos_for_a_guest(
    make_harness: OpenAppHarness, catalog: Path
) -> None:
    async with make_harness(
        catalog_file=catalog, image_model="seedream-3", show_prices="never", cap_user_per_day=3
    ) as harness:
        harness.storage.tasks.terms = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=3)})
        anna = harness.person()
        card = await the_card(harness, anna)
        assert "🎟 3 of 3 left today" in card["text"]
        assert "🎟 Each picture counts as one of your videos." in card["text"]
        assert "₽" not in card["text"]
        await anna.press(card, "×4")
        await harness.until(lambda: harness.task(2)["variants"] == 4)
        await anna.press(card, "9:16")  # one more than is left
        await harness.until(lambda: "today's limit" in str(_last_answer(harness)))
        assert harness.states() == ["draft", "draft"]
        await anna.press(card, "×2")
        await harness.until(lambda: harness.task(2)["variants"] == 2)
        await anna.press(card, "9:16")
        await harness.until(lambda: harness.states()[1:] == 2 * ["delivered"])
        assert await harness.storage.tasks.counts({TaskState.DELIVERED}) == {
            TaskState.DELIVERED: 2
        }


def _last_answer(harness: AppHarness) -> object:
    return harness.sent("answerCallbackQuery")[-1].params.get("text")


async def test_without_an_image_model_there_is_no_button(make_harness: OpenAppHarness) -> None:
    async with make_harness() as harness:
        card = await harness.card(harness.person())
        assert FIRST not in buttons(card)
