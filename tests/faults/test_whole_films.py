"""Films ordered as a whole: each part once and in order; what stops one, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.core.caps import Cap, Limit, OrderRules
from bot.sandbox.gptunnel import server as gptunnel_server
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.state import Json
from tests.faults.answers import broken
from tests.faults.refusals import REJECTED
from tests.support.app_harness import PRICE, AppHarness, OpenAppHarness, _buttons
from tests.support.handler_harness import jpeg

LOST = broken("reset_after")
SCENES = ("a keeper wakes", "he finds a letter", "he sails away", "the light goes on")
GO_ON, STOP = "▶️ Go on from here", "⏹ Stop after this part"


@pytest.fixture
async def harness(make_harness: OpenAppHarness) -> AsyncIterator[AppHarness]:
    async with make_harness(read_videos=True, story_model="gpt-4o-mini") as harness:
        yield harness


async def card_of(harness: AppHarness, anna: Person, *scenes: str) -> Json:
    """Write the scenes; return the card."""
    said = await anna.send_text("/film " + "\n".join(scenes or SCENES))
    return await harness.find(
        anna.chat,
        lambda m: (
            m.get("reply_to_message", {}).get("message_id") == said["message_id"]
            and "9:16" in _buttons(m)
        ),
    )


async def order(harness: AppHarness, anna: Person, card: Json) -> None:
    count = len(harness.states())
    await anna.press(card, "9:16")
    await harness.until(lambda: len(harness.states()) > count)


def places(harness: AppHarness) -> list[tuple[object, ...]]:
    return harness.rows("SELECT film_id, film_place, state FROM tasks ORDER BY id")


def money(harness: AppHarness, kind: str) -> int:
    """The roubles in the ledger's rows of this kind."""
    found = harness.rows("SELECT sum(kopecks) FROM ledger WHERE kind = ?", kind)
    return int((found[0][0] or 0) // 100)


def prompts(harness: AppHarness) -> list[str]:
    """The prompts of the orders, as the provider saw them."""
    return [task.prompt for task in harness.provider.tasks.values()]


async def said(harness: AppHarness, anna: Person, words: str) -> Json:
    return await harness.find(
        anna.chat, lambda m: words in str(m.get("text") or m.get("caption") or "")
    )


async def whole_film(harness: AppHarness, anna: Person) -> Json:
    return await harness.find(anna.chat, lambda m: "Film of" in str(m.get("caption")))


async def test_an_idea_becomes_a_film_part_by_part(harness: AppHarness) -> None:
    anna = harness.person()
    await anna.send_text("/film an old lighthouse keeper finds a letter")
    card = await harness.find(anna.chat, lambda m: "9:16" in _buttons(m))
    assert "Film of 4 parts · 20 seconds" in card["text"]
    assert "It begins: an old lighthouse keeper finds a letter" in card["text"]
    assert "wide shot, soft mist" in card["text"], "the prompt that is sent"
    assert f"4 × {PRICE}\xa0₽ = {4 * PRICE}\xa0₽" in card["text"]
    await order(harness, anna, card)
    assert money(harness, "reservation") == 4 * PRICE, "all parts in the commit of the press"
    await harness.ended("delivered", 4)
    assert places(harness) == [(1, place, "delivered") for place in (1, 2, 3, 4)]
    assert [prompt.split(", ")[1] for prompt in prompts(harness)] == [
        "quiet early morning", "a sudden discovery", "on the way", "a happy end",
    ]  # fmt: skip
    images = [call.body.get("images") for call in harness.asked("create")]
    assert not images[0]
    assert all(images[1:]), "each part starts from a picture"
    film = await whole_film(harness, anna)
    assert film["video"]["duration"] == 4
    assert money(harness, "charge") == 4 * PRICE
    assert money(harness, "return") == 0


async def test_the_status_message_says_which_part_is_made(harness: AppHarness) -> None:
    anna = harness.person()
    card = await card_of(harness, anna)
    harness.provider.delay = 60.0
    await order(harness, anna, card)
    await harness.until(lambda: harness.state(2) == "generating")
    await harness.until(lambda: "part 2 of 4" in anna.chat.messages[card["message_id"]]["text"])
    assert STOP in _buttons(anna.chat.messages[card["message_id"]])
    await harness.ended("delivered", 4)
    await harness.until(lambda: card["message_id"] not in anna.chat.messages)


async def test_a_failure_in_the_middle_stops_the_film_and_it_goes_on(harness: AppHarness) -> None:
    anna = harness.person()
    card = await card_of(harness, anna, SCENES[0], "an nsfw-test", *SCENES[2:])
    await order(harness, anna, card)
    await harness.ended("failed", 2)
    assert [state for *_, state in places(harness)] == [
        "delivered", "failed", "cancelled", "cancelled",
    ]  # fmt: skip
    assert len(harness.provider.charges) == 1
    assert money(harness, "return") == 3 * PRICE
    notice = await said(harness, anna, "Your film stops at part 2 of 4.")
    assert "1 part before it is made and stays yours." in notice["text"]
    assert f"2 parts were not ordered. Not spent: {2 * PRICE}\xa0₽" in notice["text"]
    await anna.press(notice, GO_ON)
    rest = await said(harness, anna, "It starts where part 1 ends.")
    assert f"3 × {PRICE}\xa0₽ = {3 * PRICE}\xa0₽" in rest["text"]
    assert money(harness, "reservation") == 4 * PRICE, "nothing is ordered by looking"
    await anna.press(rest, "2")
    await harness.until(lambda: "✏️ Edit" in _buttons(anna.chat.messages[rest["message_id"]]))
    await anna.press(rest, "✏️ Edit")
    asked = await said(harness, anna, "Write scene 2.")
    await anna.send_text(SCENES[1], reply_to=asked)
    rest = await said(harness, anna, f"2. {SCENES[1]}")
    assert rest["message_id"] > asked["message_id"]
    await order(harness, anna, rest)
    await harness.ended("delivered", 7)
    assert prompts(harness) == list(SCENES)
    film = await whole_film(harness, anna)
    assert film["video"]["duration"] == 4
    await anna.press(notice, GO_ON)
    await harness.settle()
    answers = harness.sent("answerCallbackQuery")
    assert answers[-1].params["text"] == "All parts of this film are there."


async def test_a_stop_in_the_middle_finishes_the_part_and_returns_the_rest(
    harness: AppHarness,
) -> None:
    anna = harness.person()
    card = await card_of(harness, anna)
    harness.provider.delay = 60.0
    await order(harness, anna, card)
    await harness.until(lambda: STOP in _buttons(anna.chat.messages[card["message_id"]]))
    await anna.press(anna.chat.messages[card["message_id"]], STOP)
    told = await said(harness, anna, "The film stops here.")
    assert "Part 1 is already being made and will still arrive." in told["text"]
    assert f"Not spent: {3 * PRICE}\xa0₽" in told["text"]
    await harness.ended("delivered")
    await harness.pass_(3600)
    assert [state for *_, state in places(harness)] == ["delivered", *["cancelled"] * 3]
    assert len(harness.asked("create")) == 1
    assert money(harness, "return") == 3 * PRICE
    assert card["message_id"] not in anna.chat.messages, "no status is left behind"


async def test_the_command_cancel_stops_a_film_too(harness: AppHarness) -> None:
    anna = harness.person()
    card = await card_of(harness, anna)
    harness.provider.delay = 60.0
    await order(harness, anna, card)
    await harness.until(lambda: harness.state(1) == "generating")
    await anna.send_text("/cancel")
    await said(harness, anna, "The film stops here.")
    await harness.ended("delivered")
    assert [state for *_, state in places(harness)] == ["delivered", *["cancelled"] * 3]
    assert money(harness, "return") == 3 * PRICE


async def test_two_presses_at_once_order_one_film(harness: AppHarness) -> None:
    anna = harness.person()
    card = await card_of(harness, anna)
    await anna.press(card, "9:16")
    await anna.press(card, "16:9")
    await harness.ended("delivered", 4)
    assert len(harness.states()) == 4
    assert prompts(harness) == list(SCENES)


async def test_a_cap_counts_every_part_and_gets_back_what_was_not_ordered(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(read_videos=True) as harness:
        harness.storage.tasks.terms = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=5)})
        anna = harness.person()
        card = await card_of(harness, anna)
        await order(harness, anna, card)
        second = await card_of(harness, anna, "one", "two")
        await anna.press(second, "9:16")
        await harness.ended("delivered", 4)
        assert len(harness.states()) == 4, "5 - 4 < 2"
        assert len(harness.asked("create")) == 4
        # a film that stops gives the rest back: 4 of 5 are taken, and one of two is not made
        harness.storage.tasks.terms = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=6)})
        third = await card_of(harness, anna, "an nsfw-test", "two")
        await order(harness, anna, third)
        await harness.ended("failed", 5)
        await order(harness, anna, await card_of(harness, anna, "one", "two"))
        await harness.ended("delivered", 8)


async def test_a_link_instead_of_a_video_stops_the_film(make_harness: OpenAppHarness) -> None:
    async with make_harness(read_videos=True) as harness:
        anna = harness.person()
        card = await card_of(harness, anna)
        harness.refuse(REJECTED["413"], "sendVideo")
        await order(harness, anna, card)
        await harness.ended("delivered")
        await said(harness, anna, "The next part cannot start")
        assert [state for *_, state in places(harness)] == ["delivered", *["cancelled"] * 3]
        assert money(harness, "return") == 3 * PRICE


@pytest.mark.parametrize("answer", ["no JSON at all", '{"scenes": []}', "[" * 90_000])
async def test_a_strange_story_falls_back_to_the_persons_own_scenes(
    make_harness: OpenAppHarness, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(gptunnel_server, "answer", lambda task, text: answer)
    async with make_harness(read_videos=True, story_model="gpt-4o-mini") as harness:
        anna = harness.person()
        await anna.send_text("/film an idea")
        asked = await said(harness, anna, "please write them yourself")
        await anna.send_text("\n".join(SCENES[:2]), reply_to=asked)
        card = await said(harness, anna, "Film of 2 parts")
        await order(harness, anna, card)
        await harness.ended("delivered", 2)
        assert prompts(harness) == list(SCENES[:2])


@pytest.mark.parametrize(
    ("part", "state"),
    [
        (1, "queued"), (1, "generating"), (1, "rendered"), (1, "delivered"), (2, "generating"),
        (2, "rendered"), (2, "delivered"), (3, "rendered"),
    ],
)  # fmt: skip
async def test_a_kill_between_two_commits_repeats_no_part(
    make_harness: OpenAppHarness, part: int, state: str
) -> None:
    async with make_harness(workers=2, lease=timedelta(seconds=30)) as harness:
        first, second = harness.workers
        anna = harness.person()
        card = await card_of(harness, anna, *SCENES[:3])
        await anna.press(card, "9:16")
        await harness.until(lambda: len(harness.states()) == 3)
        before = len(harness.running)
        harness.run(first.parts.worker, first.parts.notices, first.parts.progress)
        await harness.until(lambda: harness.state(part) == state)
        killed, harness.running[before:] = harness.running[before:], []
        for task in killed:
            task.cancel()
        await asyncio.gather(*killed, return_exceptions=True)
        assert harness.state(3) != "delivered", "it was killed before the end"
        harness.run(second.parts.worker, second.parts.notices, second.parts.progress)
        await harness.ended("delivered", 3)
        assert prompts(harness) == list(SCENES[:3])
        assert [state for *_, state in places(harness)] == ["delivered"] * 3
        assert money(harness, "charge") == 3 * PRICE


async def test_a_kill_during_the_paid_call_stops_the_film_and_pays_for_nothing_more(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(read_videos=True) as harness:
        anna = harness.person()
        card = await card_of(harness, anna)
        harness.spoil(LOST, "create")
        await order(harness, anna, card)
        await harness.ended("unknown")
        told = await said(harness, anna, "Your film stops at part 1 of 4.")
        assert f"3 parts were not ordered. Not spent: {3 * PRICE}\xa0₽" in told["text"]
        assert GO_ON in _buttons(told)
        assert len(harness.asked("create")) == 1
        assert money(harness, "return") == 3 * PRICE


async def test_a_part_that_arrives_after_a_doubt_says_that_its_film_stopped(
    harness: AppHarness,
) -> None:
    """One process records the doubt. Then a suspended process wakes up with the answer, so the
    notice about the doubt is not sent any more."""
    anna = harness.person()
    card = await card_of(harness, anna)
    harness.spoil(LOST, "create")
    await order(harness, anna, card)
    await harness.until(lambda: harness.state() == "unknown")
    [paid] = harness.provider.tasks
    assert await harness.storage.tasks.record_late_id(1, paid, now=harness.time())
    await harness.ended("delivered")
    told = await said(harness, anna, "The order of this part was in doubt, but it had been")
    assert "Your film stops at part 1 of 4." in told["text"]
    assert f"3 parts were not ordered. Not spent: {3 * PRICE}\xa0₽" in told["text"]
    assert "Telegram has no video" not in told["text"]
    assert GO_ON in _buttons(told)


async def test_a_card_survives_a_restart_and_a_photo_begins_the_film(
    make_harness: OpenAppHarness,
) -> None:
    async with make_harness(read_videos=True, story_model="gpt-4o-mini") as harness:
        anna = harness.person("ru")
        await anna.send_photo(jpeg(720, 1280), "/film старый кот находит письмо")
        card = await harness.find(anna.chat, lambda m: "9:16" in _buttons(m))
        assert "Начало: старый кот находит письмо" in card["text"]
        assert "Ваша фотография" in card["text"] or "фото" in card["text"]
        await order(harness, anna, card)
        await harness.ended("delivered", 4)
        images = [call.body.get("images") for call in harness.asked("create")]
        assert all(images)
        assert prompts(harness)[0].startswith("old cat")
