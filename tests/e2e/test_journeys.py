"""From a person's words to the video in their chat, through the real program as a process."""

from __future__ import annotations

import io
import json

import aiohttp
import pytest
from PIL import Image

from bot import texts
from bot.core.task import TaskState
from bot.sandbox.faults import Fault
from tests.e2e.conftest import (
    Json,
    answers,
    buttons,
    card_for,
    creates,
    has_button,
    is_video,
    jobs,
    order,
    sent_videos,
    the_job,
    words,
    written,
)
from tests.support.media_files import BLUE, GREEN, MODEL, RED, flag, from_a_camera, jpeg
from tests.support.process_harness import KEY, TOKEN, ProcessHarness, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def picture(content: bytes | None) -> Image.Image:
    assert content is not None
    return Image.open(io.BytesIO(content))


def is_colour(image: Image.Image, at: tuple[float, float], wanted: tuple[int, int, int]) -> bool:
    """Whether the pixel at these shares of the sides has about this colour."""
    found = image.getpixel((round(at[0] * image.width), round(at[1] * image.height)))
    assert isinstance(found, tuple)
    return all(abs(a - b) < 25 for a, b in zip(found, wanted, strict=True))


async def fetch(link: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(link) as answer:
        return answer.status


async def test_a_prompt_and_a_press_become_a_video_that_replies_to_the_prompt(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.delay = 3.0  # so that each word of the status message has its time
    asked = await anna.send_text("a red fox runs through fresh snow --ar 1:1")
    card = await card_for(anna, asked)
    prompt = "a red fox runs through fresh snow"
    assert words(card).startswith(f"{prompt}\n")
    assert "17\N{NO-BREAK SPACE}₽" in words(card)
    assert buttons(card) == [["1:1", "16:9", "9:16"], ["⚙️ 480p · 5 s"], ["Cancel"]]

    # long enough for each status to be seen on a busy machine
    slow = Fault(on="create", act="slow", delay=2, match={"prompt": prompt})
    harness.provider.faults.add(slow)
    pressed = await anna.press(card, "16:9")
    assert (await anna.answer_to(pressed))["text"] == texts.statuses.press_accepted("en")
    job = await the_job(harness, prompt)
    link = f"{job.id}_result.mp4"
    harness.provider.faults.add(Fault(on="download", act="slow", delay=4, match={"file": link}))
    video = await anna.expect(is_video, within=60)

    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    shape = {name: video["video"][name] for name in ("width", "height", "duration")}
    assert shape == {"width": 864, "height": 480, "duration": 5}
    preview = video["video"]["thumbnail"]
    assert (preview["width"], preview["height"]) == (320, 178)
    [call] = harness.telegram.calls_of("sendVideo", chat_id=anna.id)
    assert set(call.uploads) == {"video", "thumbnail"}  # bytes, not a link
    assert call.uploads["thumbnail"]["size"] <= 200_000
    assert call.notes == []
    assert call.params["supports_streaming"] is True

    # The card became the status message, showed every state, and is deleted.
    await until(lambda: card["message_id"] not in anna.chat.messages)
    said = [call.params["text"] for call in harness.telegram.calls_of("editMessageText")
            if call.params["message_id"] == card["message_id"]
            and call.params["chat_id"] == anna.id]  # fmt: skip
    heads = [text.partition("\n")[0] for text in said]
    order_of = [
        next(i for i, head in enumerate(heads) if head.startswith(sign)) for sign in "🕐⏳📤"
    ]
    assert order_of == sorted(order_of)

    [sent] = [call for call in harness.provider.calls if call.body.get("prompt") == prompt]
    assert sent.body == {"model": MODEL, "prompt": prompt, "ar": "16:9"}
    assert sent.headers["Authorization"] == KEY
    [(file_id, state)] = await written(
        harness, "SELECT video_file_id, state FROM tasks WHERE provider_id = ?", job.id
    )
    assert (file_id, state) == (video["video"]["file_id"], "delivered")


@pytest.mark.parametrize(
    ("ratio", "size"), [("9:16", (480, 864)), ("1:1", (640, 640))], ids=["tall", "square"]
)
async def test_the_video_has_the_chosen_ratio(
    harness: ProcessHarness, ratio: str, size: tuple[int, int]
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="ru")
    await order(anna, f"маяк в тумане {ratio}", ratio)
    video = await anna.expect(is_video, within=60)
    assert (video["video"]["width"], video["video"]["height"]) == size
    assert "💳 17\N{NO-BREAK SPACE}₽" in words(video)


async def test_a_photo_with_a_caption_is_the_first_frame_cut_to_the_ratio(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    photo = jpeg(flag((1280, 960), RED, GREEN, GREEN, BLUE))
    asked = await anna.send_photo(photo, "the curtain moves in the wind")
    card = await card_for(anna, asked)
    assert "photo" in card
    assert buttons(card)[0][0] == "16:9"  # the picture keeps its orientation
    await anna.press(card, "9:16")
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    assert (video["video"]["width"], video["video"]["height"]) == (480, 864)

    job = await the_job(harness, "the curtain moves in the wind")
    assert job.made is not None
    frame = picture(job.made.image)
    assert frame.format == "JPEG"
    assert frame.width * 16 == frame.height * 9
    assert frame.height >= 900  # cut, not made small
    assert all(is_colour(frame, at, GREEN) for at in ((0.05, 0.05), (0.5, 0.5), (0.95, 0.95)))
    assert not frame.getexif()

    # The link was the bot's own, contained no data, and has expired.
    assert job.image is not None
    assert job.image.startswith(f"http://127.0.0.1:{harness.http_port}/frames/")
    assert await fetch(job.image) == 404
    told = json.dumps([call.body for call in harness.provider.calls])
    assert TOKEN not in told
    assert harness.telegram.url not in told
    assert photo_id(asked) not in told


def photo_id(message: Json) -> str:
    return str(message["photo"][-1]["file_id"])


async def test_the_link_to_a_frame_works_while_the_video_is_made(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.delay = 1.5
    asked = await anna.send_photo(jpeg(flag((900, 900), GREEN)), "a field")
    await anna.press(await card_for(anna, asked), "1:1")
    job = await the_job(harness, "a field")
    assert job.image is not None
    assert await fetch(job.image) == 200
    await anna.expect(is_video, within=60)
    assert await fetch(job.image) == 404


async def test_a_photo_waits_for_its_prompt(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    photo = await anna.send_photo(jpeg(flag((800, 1000), BLUE)))
    waiting = await anna.expect(answers(photo))
    assert words(waiting) == texts.cards.frame_kept("en").render()[0]
    assert buttons(waiting) == [["Cancel"]]
    asked = await anna.send_text("the sea at night")
    card = await card_for(anna, asked)
    assert "photo" in card
    await anna.press(card, "1:1")
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    job = await the_job(harness, "the sea at night")
    assert job.made is not None
    assert is_colour(picture(job.made.image), (0.5, 0.5), BLUE)


async def test_a_picture_file_is_rotated_upright_and_loses_its_location(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    original = from_a_camera(flag((1200, 1600), RED, BLUE))
    assert b"CanaryCam" in original
    asked = await anna.send_document(original, "IMG_1.jpg", "image/jpeg", "two walls")
    card = await card_for(anna, asked)
    assert "photo" in card  # a preview: a file cannot be shown by its id
    await anna.press(card, "9:16")
    await anna.expect(is_video, within=60)
    job = await the_job(harness, "two walls")
    assert job.made is not None
    frame = picture(job.made.image)
    assert frame.width * 16 == frame.height * 9
    assert is_colour(frame, (0.1, 0.5), RED)
    assert is_colour(frame, (0.9, 0.5), BLUE)
    assert not frame.getexif()
    assert job.made.image is not None
    assert b"Exif" not in job.made.image
    assert b"CanaryCam" not in job.made.image
    # The shown picture contains no more data.
    shown = harness.telegram.world.files.get(photo_id(card))
    assert shown is not None
    assert b"CanaryCam" not in shown.path.read_bytes()


# --- double, late and foreign presses ----------------------------------------------------------


async def test_a_double_tap_orders_once(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    card = await card_for(anna, await anna.send_text("two swans"))
    first, second = await anna.press(card, "16:9"), await anna.press(card, "1:1", old=True)
    assert (await anna.answer_to(first))["text"] == texts.statuses.press_accepted("en")
    answer = await anna.answer_to(second)
    assert answer["text"] == texts.statuses.press_done("en", TaskState.QUEUED)
    assert answer["show_alert"] is True
    video = await anna.expect(is_video, within=60)
    assert video["video"]["width"] == 864
    assert len(jobs(harness, "two swans")) == 1
    assert sent_videos(harness, anna.id) == 1

    late = await anna.press(card, "9:16", old=True)
    assert (await anna.answer_to(late))["text"] == texts.statuses.press_done(
        "en", TaskState.DELIVERED
    )
    assert len(creates(harness, "two swans")) == 1


async def test_only_the_author_of_a_prompt_can_order_in_a_group(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    boris = harness.telegram.add_person("Boris", language_code="ru")
    group = harness.telegram.add_group("Cinema", [anna, boris])
    name = harness.telegram.world.bot["username"]
    await boris.send_text("nobody spoke to the bot", chat=group)
    asked = await anna.send_text(f"@{name} a paper boat", chat=group)
    mine = answers(asked)
    card = await anna.expect(lambda m: mine(m) and has_button("9:16")(m), chat=group)
    foreign = await boris.press(card, "9:16")
    answer = await boris.answer_to(foreign)
    assert answer["text"] == texts.statuses.press_foreign("ru")
    assert answer["show_alert"] is True
    taken = await boris.press(card, "Cancel")
    assert (await boris.answer_to(taken))["text"] == texts.statuses.press_foreign("ru")
    assert creates(harness, "a paper boat") == []

    await anna.press(card, "9:16")
    video = await anna.expect(is_video, chat=group, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    assert len(jobs(harness, "a paper boat")) == 1


async def test_a_cancelled_card_costs_nothing_and_its_buttons_report_it(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    card = await card_for(anna, await anna.send_text("a castle of sand"))
    said = await anna.send_text("/cancel")
    reply = await anna.expect(answers(said))
    assert words(reply) == texts.statuses.cancelled("en", "a castle of sand").render()[0]
    assert (
        words(anna.chat.messages[card["message_id"]]) == texts.statuses.cancelled("en").render()[0]
    )
    late = await anna.press(card, "16:9", old=True)
    assert (await anna.answer_to(late))["text"] == texts.statuses.press_done(
        "en", TaskState.CANCELLED
    )

    card = await card_for(anna, await anna.send_text("a castle of glass"))
    pressed = await anna.press(card, "Cancel")
    assert (await anna.answer_to(pressed))["text"] == texts.statuses.press_cancelled("en")
    assert creates(harness, "a castle of sand") == creates(harness, "a castle of glass") == []


async def test_cancelling_is_too_late_while_the_video_is_made(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.delay = 2.0
    asked, _ = await order(anna, "an old train")
    await the_job(harness, "an old train")
    said = await anna.send_text("/cancel")
    reply = await anna.expect(answers(said))
    assert words(reply) == texts.statuses.too_late_to_cancel("en").render()[0]
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]


# --- what Telegram does to a bot -----------------------------------------------------------------


async def test_an_update_that_comes_three_times_takes_effect_once(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    card = await card_for(anna, await anna.send_text("three echoes"))
    await anna.press(card, "1:1")
    video = await anna.expect(is_video, within=60)
    await until(lambda: card["message_id"] not in anna.chat.messages)
    numbers = [
        update["update_id"]
        for update in harness.telegram.world.updates
        for event in (update.get("message") or update.get("callback_query"),)
        if event and event["from"]["id"] == anna.id
    ]
    assert len(numbers) == 2
    before = len(harness.telegram.calls)
    for _ in range(2):
        for number in numbers:
            harness.telegram.redeliver(number)
    # A later message is answered, so these updates were received before.
    last = await anna.send_text("/help")
    await anna.expect(answers(last))
    # All journeys share one bot, which may still delete the status message of the last one.
    methods = [
        call.method
        for call in harness.telegram.calls[before:]
        if str(call.params.get("chat_id")) == str(anna.id)
    ]
    assert methods == ["sendMessage"]
    assert len(creates(harness, "three echoes")) == 1
    assert [m for m in anna.messages if is_video(m)] == [video]


async def test_an_unreadable_update_is_set_aside_and_the_others_continue(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    chat = {"id": anna.id, "type": "private", "first_name": "Anna"}
    odd = harness.telegram.inject({"message": {"message_id": "not a number", "chat": chat}})
    await card_for(anna, await anna.send_text("after the odd one"))
    [(state, payload)] = await written(
        harness, "SELECT state, payload FROM inbox WHERE update_id = ?", odd["update_id"]
    )
    assert state == "set_aside"
    assert "not a number" in payload


async def test_health_is_reported_over_http(harness: ProcessHarness) -> None:
    status, body = await harness.health()
    assert status == 200
    assert body["ok"] is True
    assert body["reasons"] == []
    assert body["database_writable"] is True
    assert {name: age is not None for name, age in body["seconds_since"].items()} == {
        "updates": True,
        "worker": True,
        "loop": True,
    }


async def test_no_secret_was_logged_in_any_of_these_journeys(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    await order(anna, "the last one")
    await anna.expect(is_video, within=60)
    log = harness.bots[0].lines
    assert "accepted as" in log
    assert TOKEN not in log
    assert TOKEN.partition(":")[2] not in log
    assert KEY not in log
