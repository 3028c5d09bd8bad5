"""The campaign finds seeded bugs: a check that cannot fail proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.processes import Launcher
from tests.crash.steps import CARD_SECONDS, JOURNEYS, Point, lead

pytestmark = pytest.mark.campaign

LOST_SECONDS = 8.0
"""How long the test waits for the card that the bug loses; a kept card takes less than a second,
on a busy machine a little longer."""


@pytest.mark.parametrize(
    ("bug", "point", "words"),
    [
        ("no-intent", ("create late", 1), "was charged 2 times, ordered 1"),
        ("repost", ("create late", 1), "was charged 2 times, ordered 1"),
        ("early-done", ("sendPhoto before", 1), "has no card"),
        (
            "no-begin",
            ("commit [update tasks queued, …] between", 1),
            "draft → submitting cannot be",
        ),
    ],
)
async def test_a_seeded_bug_is_found(
    bug: str, point: Point, words: str, launcher: Launcher, tmp_path: Path
) -> None:
    seconds = LOST_SECONDS if bug == "early-done" else CARD_SECONDS
    result = await lead(
        JOURNEYS["photo"], launcher, tmp_path, [point], bug=bug, card_seconds=seconds
    )
    assert result.deaths == [point[0]]
    assert any(words in violation for violation in result.violations), result.violations
