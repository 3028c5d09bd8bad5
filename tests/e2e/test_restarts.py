"""The program is stopped and killed with open work: it continues automatically, and pays once."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot import texts
from bot.core.catalog import CATALOG
from bot.sandbox.faults import Fault
from tests.e2e.conftest import (
    QUICK,
    answers,
    card_for,
    creates,
    has_button,
    is_video,
    jobs,
    order,
    sent_videos,
    the_job,
    words,
)
from tests.support.media_files import GREEN, MODEL, clip, flag, jpeg, learnt
from tests.support.process_harness import ProcessHarness, open_process_harness, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = CATALOG[MODEL].price


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProcessHarness]:
    """A stand on whose database one bot follows the other."""
    async with open_process_harness(tmp_path_factory.mktemp("site"), renderer=clip) as opened:
        await learnt(opened.database_url, QUICK)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def harness(site: ProcessHarness) -> ProcessHarness:
    """With a bot that runs."""
    site.provider.delay, site.provider.create_latency = QUICK, 0.0
    site.provider.faults.clear()
    site.telegram.faults.clear()
    if not site.bots or site.bots[-1].ended:
        await site.start()
    return site


async def killed(harness: ProcessHarness) -> None:
    """kill -9; its work is released at the next start, long before its leases expire."""
    harness.bots[-1].kill()
    assert await harness.bots[-1].wait() == -signal.SIGKILL


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_an_open_video_is_delivered_by_the_next_run(
    harness: ProcessHarness, way: str
) -> None:
    prompt = f"a lighthouse, {way}"
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.delay = 3.0
    asked = await anna.send_photo(jpeg(flag((900, 900), GREEN)), prompt)
    card = await card_for(anna, asked)
    await anna.press(card, "9:16")
    job = await the_job(harness, prompt)
    await until(lambda: job.made and words(anna.chat.messages[card["message_id"]])[0] == "⏳")
    if way == "killed":
        await killed(harness)
    else:
        bot = harness.bots[-1]
        bot.kill(signal.SIGTERM)
        assert await bot.wait(10) == 0  # orderly, and soon

    while_away = await anna.send_text(f"said to nobody, {way}")
    await harness.start()
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    await until(lambda: card["message_id"] not in anna.chat.messages)
    assert len(creates(harness, prompt)) == len(jobs(harness, prompt)) == 1
    assert sent_videos(harness, anna.id) == 1
    assert await card_for(anna, while_away)


async def test_a_kill_during_the_paid_call_is_reported_and_never_repeated(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.provider.create_latency = 4.0
    asked, _ = await order(anna, "a kill in the call")
    await until(lambda: creates(harness, "a kill in the call"))
    await killed(harness)
    await harness.start()
    mine = answers(asked)
    unknown = texts.failures.unknown("en", PRICE).render()[0]
    said = await anna.expect(lambda m: mine(m) and words(m) == unknown, within=60)
    assert has_button(texts.results.button_retry("en", PRICE))(said)
    assert len(creates(harness, "a kill in the call")) == 1


async def test_a_press_being_handled_at_a_kill_takes_effect_once(harness: ProcessHarness) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    prompt = "a press in the last moment"
    card = await card_for(anna, await anna.send_text(prompt))
    # The handler is killed while its answer is being sent.
    hang = Fault(on="answerCallbackQuery", act="hang_after", delay=30)
    harness.telegram.faults.add(hang)
    answered = len(harness.telegram.calls_of("answerCallbackQuery"))
    await anna.press(card, "1:1")
    await until(lambda: len(harness.telegram.calls_of("answerCallbackQuery")) > answered)
    await until(lambda: not harness.telegram.world.pending)  # Telegram has forgotten the press
    await until(lambda: jobs(harness, prompt))
    await until(lambda: is_accepted(harness, jobs(harness, prompt)[0].id))
    await killed(harness)
    await harness.start()
    await anna.expect(is_video, within=60)
    assert len(creates(harness, prompt)) == len(jobs(harness, prompt)) == 1


def is_accepted(harness: ProcessHarness, job_id: str) -> bool:
    """Whether the bot has written the provider's id down."""
    return f"accepted as {job_id}" in harness.bots[-1].lines


async def test_a_kill_during_the_upload_sends_the_video_again_and_pays_nothing(
    harness: ProcessHarness,
) -> None:
    anna = harness.telegram.add_person("Anna", language_code="en")
    harness.telegram.faults.add(Fault(on="sendVideo", act="hang_before", delay=30))
    await order(anna, "a kill in the upload")
    await until(lambda: any(str(call.params.get("chat_id")) == str(anna.id)
                            for call in harness.telegram.calls_of("sendVideo")))  # fmt: skip
    assert not any(is_video(m) for m in anna.messages)
    await killed(harness)
    await harness.start()
    await anna.expect(is_video, within=60)
    assert len(creates(harness, "a kill in the upload")) == 1
    assert sum(is_video(m) for m in anna.messages) == 1
