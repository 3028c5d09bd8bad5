"""Texts show days and times in the zone of DAY_TIMEZONE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot import texts
from bot.core.task import TaskEvent, TaskState
from bot.texts.i18n import words
from bot.texts.people import PersonOverview
from tests.support.zones import texts_in
from tests.texts.test_texts import task

LATE = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)


@pytest.fixture
def moscow() -> Iterator[None]:
    with texts_in("Europe/Moscow"):
        yield


@pytest.mark.usefixtures("moscow")
def test_a_day_begins_at_midnight_of_the_zone() -> None:
    assert words("en").day(LATE) == "1 January 2027"
    assert words("ru").day(LATE) == "1 января 2027"
    assert "01.01.2027" in texts.payments.button_refund("en", 5, LATE)
    assert "01.01.2027" in texts.payments.button_refund_rest("en", 5, LATE)


@pytest.mark.usefixtures("moscow")
def test_admins_read_times_of_the_zone() -> None:
    done = replace(task("en", state=TaskState.DELIVERED), created_at=LATE)
    about = PersonOverview(
        user_id=7, name="Ann", lang="en", strikes=0, credit=Decimal(0), seen_at=LATE, orders=[done]
    )
    page = texts.people.person("en", about).render()[0]
    assert "Last seen: 01.01.2027 01:30" in page
    assert f"{done.id} · 01.01 01:30" in page
    events = [TaskEvent(task_id=done.id, state=TaskState.QUEUED, at=LATE)]
    assert "01.01 01:30:00" in texts.admin.order("en", done, events).render()[0]
