"""Texts show days and times in the zone of DAY_TIMEZONE."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.texts.zone import local, use_zone
from tests.support.app_harness import OpenAppHarness


async def test_the_program_shows_times_of_its_setting(make_harness: OpenAppHarness) -> None:
    late = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
    try:
        async with make_harness(day_timezone="Europe/Moscow"):
            assert local(late).isoformat() == "2027-01-01T01:30:00+03:00"
    finally:
        use_zone(UTC)
