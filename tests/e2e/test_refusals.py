"""Failures of the provider: the texts for people, and the charges."""

from __future__ import annotations

import pytest

from bot import texts
from bot.core.catalog import CATALOG
from bot.core.task import Charge, Reason
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.telegram.people import Person
from bot.texts import keyboards
from tests.e2e.conftest import (
    Json,
    answers,
    buttons,
    creates,
    has_button,
    is_video,
    jobs,
    order,
    sent_videos,
    the_job,
    until_written,
    words,
)
from tests.support.media_files import MODEL
from tests.support.process_harness import ProcessHarness, until

pytestmark = pytest.mark.asyncio(loop_scope="session")
PRICE = CATALOG[MODEL].price


async def told(person: Person, asked: Json, text: str) -> Json:
    """The message with exactly these words, in answer to the person's own."""
    mine = answers(asked)
    return await person.expect(lambda m: mine(m) and words(m) == text, within=60)


@pytest.mark.parametrize(
    ("prompt", "reason", "charge", "paid"),
    [
        ("a nsfw-test scene", Reason.SENSITIVE_CONTENT, Charge.NONE, 0),
        ("an unsafe-test scene", Reason.UNSAFE_PROMPT, Charge.NONE, 0),
        ("a fail-test scene", Reason.PROVIDER_FAILED, Charge.UNKNOWN, 1),
        ("a late-moderation-test scene", Reason.SENSITIVE_CONTENT, Charge.UNKNOWN, 1),
    ],
)
async def test_a_failed_video_is_reported_with_reason_and_charge_and_never_repeated(
    harness: ProcessHarness, prompt: str, reason: Reason, charge: Charge, paid: int
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="ru")
    asked, card = await order(anna, prompt)
    said = await told(anna, asked, texts.failures.failure("ru", reason, charge).render()[0])
    helps = keyboards.results.failed(1, "ru", reason, CATALOG[MODEL].price).inline_keyboard
    assert buttons(said) == [[button.text for button in row] for row in helps]
    await until(lambda: card["message_id"] not in anna.chat.messages)
    assert len(creates(harness, prompt)) == 1
    assert len(jobs(harness, prompt)) == paid


async def test_an_order_waits_while_the_provider_is_overloaded(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.mode = Mode.OVERLOADED
    asked, card = await order(anna, "a busy street")
    await until(lambda: "very busy" in words(anna.chat.messages[card["message_id"]]))
    harness.provider.mode = Mode.WELL
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    assert len(jobs(harness, "a busy street")) == 1


async def test_an_empty_balance_holds_the_queue_and_loses_nothing(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    vera = harness.telegram.add_person("Vera", language_code="ru")
    harness.provider.mode = Mode.NO_BALANCE
    _, card = await order(anna, "a first order")
    held = texts.statuses.held("en").render()[0]
    await until(lambda: words(anna.chat.messages[card["message_id"]]) == held)
    assert buttons(anna.chat.messages[card["message_id"]]) == [["Cancel"]]
    # The second order meets a queue that is held: it is not even tried.
    second, _ = await order(vera, "второй заказ")
    harness.provider.mode = Mode.WELL
    await anna.expect(is_video, within=60)
    video = await vera.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == second["message_id"]
    assert len(creates(harness, "a first order")) == 2
    assert len(creates(harness, "второй заказ")) == 1
    assert len(jobs(harness, "a first order")) == 1
    for person in (anna, vera):
        assert sent_videos(harness, person.id) == 1


async def test_a_video_that_comes_after_the_deadline_is_still_delivered(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.delay = 7.0  # the deadline of this bot is 5 s
    asked, card = await order(anna, "a slow river")
    await told(anna, asked, texts.statuses.overdue("en").render()[0])
    assert not any(is_video(m) for m in anna.messages)
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    await until(lambda: card["message_id"] not in anna.chat.messages)
    assert len(jobs(harness, "a slow river")) == 1


async def test_a_lost_answer_is_repeated_only_by_the_person(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    prompt = "a bridge in the rain"
    harness.provider.faults.add(Fault(on="create", act="reset_after", match={"prompt": prompt}))
    asked, _ = await order(anna, prompt)
    said = await told(anna, asked, texts.failures.unknown("en", PRICE).render()[0])
    assert len(creates(harness, prompt)) == len(jobs(harness, prompt)) == 1

    again = texts.results.button_retry("en", PRICE)
    assert has_button(again)(said)
    pressed = await anna.press(said, again)
    assert (await anna.answer_to(pressed))["text"] == texts.results.press_retried("en")
    twice = await anna.press(said, again, old=True)
    assert (await anna.answer_to(twice))["show_alert"] is True
    # The balance after the lost answer is read first, at once and after `balance_gap`.
    video = await anna.expect(is_video, within=180)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    assert len(creates(harness, prompt)) == 2
    assert sent_videos(harness, anna.id) == 1


async def test_a_create_that_was_surely_not_accepted_is_tried_again(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    prompt = "a lantern"
    busy = Fault(
        on="create",
        act="answer",
        status=503,
        body={"code": 6, "message": "Heavy load, try again later"},
        match={"prompt": prompt},
    )
    harness.provider.faults.add(busy)
    await order(anna, prompt)
    await anna.expect(is_video, within=60)
    assert len(creates(harness, prompt)) == 2
    assert len(jobs(harness, prompt)) == 1


async def test_flood_control_delays_the_video_and_causes_no_second_one(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.telegram.flood("sendVideo", retry_after=2, times=1)
    await order(anna, "a calm lake")
    await anna.expect(is_video, within=60)
    assert len(jobs(harness, "a calm lake")) == 1
    assert [call.fault for call in harness.telegram.calls_of("sendVideo")[-2:]] == ["answer", None]


async def test_a_video_for_a_person_who_blocked_the_bot_is_kept(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.delay = 2.0
    await order(anna, "a locked door")
    job = await the_job(harness, "a locked door")
    await anna.block_bot()
    query = "SELECT id, reason FROM tasks WHERE provider_id = ? AND state = 'undeliverable'"
    [(task_id, reason)] = await until_written(harness, query, job.id)
    assert reason == "chat_unreachable"
    kept = harness.folder / "data" / "videos" / f"{task_id}.mp4"
    assert job.made is not None
    assert kept.stat().st_size == len(job.made.video or b"")
    assert len(jobs(harness, "a locked door")) == 1
