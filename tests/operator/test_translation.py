"""The chat model for translations is chosen from the provider's list, and told once."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

import pytest

from bot.core.chat_models import AUTO, KNOWN, KNOWN_SEEING, ChatModel, choose
from bot.core.errors import ProviderBusy
from bot.operator.translation import (
    AGAIN_SECONDS,
    RETRY_FIRST,
    TranslationModel,
    picture_cost,
    story_cost,
)

BEST = ChatModel(KNOWN[0], Decimal("0.3"), Decimal("1.2"))
SECOND = ChatModel(KNOWN[1])
OTHER = ChatModel("yandex-art-chat")


class Provider:
    """Gives these answers in turn, and stops the job when there are no more."""

    def __init__(self, *answers: list[ChatModel] | None) -> None:
        self.answers = list(answers)
        self.slept: list[float] = []
        self.taken: list[str] = []
        self.used: list[ChatModel | None] = []

    def take(self, model: str) -> None:
        self.taken.append(model)

    async def listed(self) -> list[ChatModel]:
        if not self.answers:
            raise asyncio.CancelledError
        answer = self.answers.pop(0)
        if answer is None:
            raise ProviderBusy("no answer")
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def run(self, wanted: str = AUTO) -> None:
        job = TranslationModel(self.listed, self, wanted, self.used.append, sleep=self.sleep)
        with pytest.raises(asyncio.CancelledError):
            await job.run()


def test_auto_takes_the_best_that_is_offered() -> None:
    assert choose(AUTO, [OTHER, SECOND, BEST]) == BEST
    assert choose(AUTO, [OTHER, SECOND]) == SECOND
    assert choose(AUTO, [OTHER]) is None
    assert choose(OTHER.id, [BEST, OTHER]) == OTHER
    assert choose("gone", [BEST]) is None


def test_a_translation_costs_what_its_tokens_cost() -> None:
    assert BEST.price == Decimal("0.21")
    assert SECOND.price is None


async def test_it_is_told_once_with_its_price(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot.operator.translation")
    provider = Provider([SECOND, BEST], [SECOND, BEST])
    await provider.run()
    assert provider.taken == [BEST.id] * 2
    assert provider.used == [BEST] * 2
    assert provider.slept == [AGAIN_SECONDS] * 2
    assert [r.message for r in caplog.records] == [
        f"translation: by {BEST.id}, about 0.21 ₽ a prompt"
    ]


async def test_none_on_offer_is_off_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider([OTHER], [OTHER], [SECOND])
    await provider.run()
    assert provider.used == [None, None, SECOND]
    told = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert told == [f"translation: off; GPTunnel does not list {', '.join(KNOWN)}"]


async def test_a_list_that_does_not_answer_is_asked_again() -> None:
    provider = Provider(None, None, [BEST], None)
    await provider.run()
    assert provider.used == [BEST]
    assert provider.slept[:3] == [RETRY_FIRST, 2 * RETRY_FIRST, AGAIN_SECONDS]


async def test_a_model_of_the_settings_is_used_though_it_is_not_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = Provider([BEST])
    await provider.run("my-own")
    assert provider.used == []
    assert provider.taken == []
    assert "may fail; GPTunnel does not list my-own" in caplog.text


async def test_the_model_that_looks_at_photos_is_chosen_the_same_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="bot.operator.translation")
    seeing = ChatModel(KNOWN_SEEING[1], Decimal("0.12"), Decimal("0.48"))
    blind = ChatModel("deepseek-chat")
    provider = Provider([blind, seeing])
    job = TranslationModel(
        provider.listed, provider, AUTO, provider.used.append,
        what="ideas for photos", known=KNOWN_SEEING, cost=picture_cost, sleep=provider.sleep,
    )  # fmt: skip
    with pytest.raises(asyncio.CancelledError):
        await job.run()
    assert provider.taken == [seeing.id]
    assert [r.message for r in caplog.records] == [
        f"ideas for photos: by {seeing.id}, about 0.48 ₽ a photo"
    ]


async def test_the_model_of_stories_is_told_with_its_price(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="bot.operator.translation")
    provider = Provider([BEST])
    job = TranslationModel(
        provider.listed, provider, AUTO, provider.used.append,
        what="stories", cost=story_cost, sleep=provider.sleep,
    )  # fmt: skip
    with pytest.raises(asyncio.CancelledError):
        await job.run()
    assert BEST.story_price == Decimal("0.945")
    assert [r.message for r in caplog.records] == [f"stories: by {BEST.id}, about 0.94 ₽ a film"]
    assert story_cost(SECOND) == "its price is not known"
