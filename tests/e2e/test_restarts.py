"""The program is stopped and killed with work in hand: it goes on by itself, and pays once."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot import texts
from bot.catalog import CATALOG
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
from tests.e2e.given import GREEN, MODEL, clip, flag, jpeg, learnt
from tests.stand import Stand, open_stand, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = CATALOG[MODEL].price


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A stand on whose database one bot follows the other."""
    async with open_stand(tmp_path_factory.mktemp("site"), renderer=clip) as opened:
        await learnt(opened.database_url, QUICK)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def stand(site: Stand) -> Stand:
    """With a bot that runs."""
    site.provider.delay, site.provider.create_latency = QUICK, 0.0
    site.provider.faults.clear()
    site.telegram.faults.clear()
    if not site.bots or site.bots[-1].process.returncode is not None:
        await site.start()
    return site


async def killed(stand: Stand) -> None:
    """kill -9; what it held is free at the next start, long before its leases run out."""
    stand.bots[-1].kill()
    assert await stand.bots[-1].wait() == -signal.SIGKILL


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_a_video_under_way_is_delivered_by_the_next_run(stand: Stand, way: str) -> None:
    prompt = f"a lighthouse, {way}"
    anna = stand.telegram.add_person("Anna", language_code="en")
    stand.provider.delay = 3.0
    asked = await anna.send_photo(jpeg(flag((900, 900), GREEN)), prompt)
    card = await card_for(anna, asked)
    await anna.press(card, "9:16")
    job = await the_job(stand, prompt)
    await until(lambda: job.made and words(anna.chat.messages[card["message_id"]])[0] == "⏳")
    if way == "killed":
        await killed(stand)
    else:
        bot = stand.bots[-1]
        bot.kill(signal.SIGTERM)
        assert await bot.wait(10) == 0  # orderly, and soon

    while_away = await anna.send_text(f"said to nobody, {way}")
    await stand.start()
    video = await anna.expect(is_video, within=60)
    assert video["reply_to_message"]["message_id"] == asked["message_id"]
    await until(lambda: card["message_id"] not in anna.chat.messages)
    assert len(creates(stand, prompt)) == len(jobs(stand, prompt)) == 1
    assert sent_videos(stand, anna.id) == 1
    assert await card_for(anna, while_away)


async def test_a_kill_during_the_paid_call_is_told_and_never_repeated(stand: Stand) -> None:
    anna = stand.telegram.add_person("Anna", language_code="en")
    stand.provider.create_latency = 4.0
    asked, _ = await order(anna, "a kill in the call")
    await until(lambda: creates(stand, "a kill in the call"))
    await killed(stand)
    await stand.start()
    mine = answers(asked)
    unknown = texts.unknown("en", PRICE).render()[0]
    said = await anna.expect(lambda m: mine(m) and words(m) == unknown, within=60)
    assert has_button(texts.button_retry("en", PRICE))(said)
    assert len(creates(stand, "a kill in the call")) == 1


async def test_a_press_in_hand_at_a_kill_takes_effect_once(stand: Stand) -> None:
    anna = stand.telegram.add_person("Anna", language_code="en")
    prompt = "a press in the last moment"
    card = await card_for(anna, await anna.send_text(prompt))
    # The handler never hears what became of its answer: it dies in the middle.
    hang = Fault(on="answerCallbackQuery", act="hang_after", delay=30)
    stand.telegram.faults.add(hang)
    answered = len(stand.telegram.calls_of("answerCallbackQuery"))
    await anna.press(card, "1:1")
    await until(lambda: len(stand.telegram.calls_of("answerCallbackQuery")) > answered)
    await until(lambda: not stand.telegram.world.pending)  # Telegram has forgotten the press
    await until(lambda: jobs(stand, prompt))
    await until(lambda: is_accepted(stand, jobs(stand, prompt)[0].id))
    await killed(stand)
    await stand.start()
    await anna.expect(is_video, within=60)
    assert len(creates(stand, prompt)) == len(jobs(stand, prompt)) == 1


def is_accepted(stand: Stand, job_id: str) -> bool:
    """Whether the bot has written the provider's id down."""
    return f"accepted as {job_id}" in stand.bots[-1].lines


async def test_a_kill_during_the_upload_sends_the_video_again_and_pays_nothing(
    stand: Stand,
) -> None:
    anna = stand.telegram.add_person("Anna", language_code="en")
    stand.telegram.faults.add(Fault(on="sendVideo", act="hang_before", delay=30))
    await order(anna, "a kill in the upload")
    await until(lambda: any(str(call.params.get("chat_id")) == str(anna.id)
                            for call in stand.telegram.calls_of("sendVideo")))  # fmt: skip
    assert not any(is_video(m) for m in anna.messages)
    await killed(stand)
    await stand.start()
    await anna.expect(is_video, within=60)
    assert len(creates(stand, "a kill in the upload")) == 1
    assert sum(is_video(m) for m in anna.messages) == 1
