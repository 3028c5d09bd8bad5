"""Whether speech can be turned into text is logged when it changes, and not more often."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.operator.hearing import AGAIN_SECONDS, RETRY_SECONDS, HearingCheck


async def test_changes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot.operator.hearing")
    answers, slept = (
        ["", "", "the service answers HTTP 401", "the service answers HTTP 401", ""],
        [],
    )

    async def check() -> str:
        if not answers:
            raise asyncio.CancelledError
        return answers.pop(0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.raises(asyncio.CancelledError):
        await HearingCheck(check, "ears at ear.example", sleep=sleep).run()
    assert [record.message for record in caplog.records] == [
        "voice messages: by ears at ear.example, it answers",
        "voice messages: ears at ear.example does not work: the service answers HTTP 401",
        "voice messages: by ears at ear.example, it answers",
    ]
    assert slept == [
        AGAIN_SECONDS, AGAIN_SECONDS, RETRY_SECONDS, RETRY_SECONDS, AGAIN_SECONDS,
    ]  # fmt: skip
