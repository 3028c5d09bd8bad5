"""A broadcast reaches each person once, even if processes stop meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiogram.methods import CopyMessage
from aiogram.utils.formatting import Text

from bot.core.access import Access
from bot.core.errors import (
    TelegramError,
    TelegramFlood,
    TelegramLater,
    TelegramLost,
    TelegramNothingToCopy,
    TelegramRejected,
    TelegramUnreachable,
)
from bot.operator.broadcaster import LEASE, PAGE, TRIED_FOR, Broadcaster
from storage import Storage, open_storage
from storage.tables import BroadcastState
from tests.support.databases import with_tables
from tests.support.factories import NOON

B = BroadcastState
PEOPLE = list(range(100, 150))
OPEN = Access(is_open=True)


class Telegram:
    """Takes copies, and fails as it is told."""

    def __init__(self) -> None:
        self.copies: list[int] = []
        self.faults: dict[int, list[TelegramError]] = {}
        self.is_away = False
        self.tried: list[int] = []
        self.shown: list[str] = []
        self.slept: list[float] = []

    async def __call__(self, method: CopyMessage) -> None:
        user_id = int(method.chat_id)
        self.tried.append(user_id)
        if self.is_away:
            raise TelegramLater("Bad Gateway")
        assert (method.from_chat_id, method.message_id) == (1, 77)
        if faults := self.faults.get(user_id):
            raise faults.pop(0)
        self.copies.append(user_id)

    async def edit(self, chat: Any, message_id: int, text: Text, **_: Any) -> None:
        self.shown.append(text.render()[0])


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        for user_id in PEOPLE:
            await opened.users.see(user_id, lang="en", name="N", now=NOON)
        yield opened


def broadcaster(
    storage: Storage,
    telegram: Telegram,
    owner: str = "one",
    access: Access = OPEN,
    **later: int,
) -> Broadcaster:
    async def sleep(seconds: float) -> None:
        telegram.slept.append(seconds)

    def clock() -> datetime:
        return NOON + timedelta(**later) + timedelta(seconds=sum(telegram.slept))

    return Broadcaster(
        telegram,  # type: ignore[arg-type]
        storage,
        telegram,  # type: ignore[arg-type]
        access=access,
        clock=clock,
        owner=owner,
        sleep=sleep,
    )


async def started(storage: Storage) -> int:
    made = await storage.broadcasts.draft(
        by=1, lang="en", from_chat_id=1, message_id=77, update_id=5, now=NOON, access=OPEN
    )
    assert made.total == len(PEOPLE)
    assert await storage.broadcasts.start(made.id, shown_message_id=78, by=1, now=NOON)
    return made.id


async def to_the_end(hand: Broadcaster) -> None:
    while await hand.page():
        pass


async def hours(hand: Broadcaster, telegram: Telegram, number: float) -> None:
    """Let the loop run as it does, woken twice an hour."""
    until = sum(telegram.slept) + number * 3600
    while sum(telegram.slept) < until:
        if not await hand.page():
            telegram.slept.append(1800)


async def test_everybody_gets_it_once_and_the_progress_is_shown(storage: Storage) -> None:
    number, telegram = await started(storage), Telegram()
    await to_the_end(broadcaster(storage, telegram))
    assert telegram.copies == PEOPLE
    end = await storage.broadcasts.get(number)
    assert end is not None
    assert (end.state, end.sent, end.refused) == (B.DONE, len(PEOPLE), 0)
    assert f"{PAGE / len(PEOPLE):.0%}" in telegram.shown[0]
    assert "100%" in telegram.shown[-1]


async def test_a_draft_is_sent_to_nobody(storage: Storage) -> None:
    await storage.broadcasts.draft(
        by=1, lang="en", from_chat_id=1, message_id=77, update_id=5, now=NOON, access=OPEN
    )
    assert not await broadcaster(storage, Telegram()).page()


async def test_after_a_kill_the_next_process_continues_after_the_last_recipient(
    storage: Storage,
) -> None:
    await started(storage)
    telegram = Telegram()
    await broadcaster(storage, telegram).page()
    assert not await broadcaster(storage, telegram, "two").page()  # it is held
    await to_the_end(broadcaster(storage, telegram, "two", minutes=2))
    assert telegram.copies == PEOPLE


async def test_a_process_that_lost_the_lease_counts_nobody_twice(storage: Storage) -> None:
    number, telegram = await started(storage), Telegram()
    slow = await storage.broadcasts.claim(owner="slow", now=NOON, lease_for=timedelta(seconds=60))
    assert slow is not None
    await to_the_end(broadcaster(storage, telegram, "two", minutes=2))
    assert not await storage.broadcasts.advance(number, 999, owner="slow", sent=True)


async def test_a_cancelled_broadcast_sends_at_most_one_more(storage: Storage) -> None:
    number, telegram = await started(storage), Telegram()
    hand = broadcaster(storage, telegram)
    await hand.page()
    assert await storage.broadcasts.stop(number, by=1, now=NOON)
    assert not await storage.broadcasts.stop(number, by=1, now=NOON)
    await to_the_end(hand)
    assert telegram.copies == PEOPLE[:PAGE]


async def test_banned_people_get_nothing_and_blocked_sends_are_counted(
    storage: Storage,
) -> None:
    await storage.access.ban(PEOPLE[0], by=1, now=NOON)
    made = await storage.broadcasts.draft(
        by=1, lang="en", from_chat_id=1, message_id=77, update_id=6, now=NOON, access=OPEN
    )
    await storage.broadcasts.start(made.id, shown_message_id=78, by=1, now=NOON)
    telegram = Telegram()
    telegram.faults = {
        PEOPLE[1]: [TelegramUnreachable("blocked")],
        PEOPLE[2]: [TelegramFlood("flood", retry_after=3)],
        PEOPLE[3]: [TelegramLost("cut")],
    }
    await to_the_end(broadcaster(storage, telegram))
    assert telegram.copies == [PEOPLE[2], *PEOPLE[4:]]
    end = await storage.broadcasts.get(made.id)
    assert end is not None
    assert (end.total, end.sent, end.refused) == (len(PEOPLE) - 1, len(PEOPLE) - 2, 1)


async def test_a_long_flood_wait_is_kept_and_skips_nobody(storage: Storage) -> None:
    """Telegram may ask for many minutes; the lease is renewed meanwhile."""
    number, telegram = await started(storage), Telegram()
    telegram.faults = {PEOPLE[3]: [TelegramFlood("flood", retry_after=500)] * 9}
    await to_the_end(broadcaster(storage, telegram))
    assert telegram.copies == PEOPLE
    assert sum(telegram.slept) >= 9 * 500
    assert max(telegram.slept) < LEASE.total_seconds()
    end = await storage.broadcasts.get(number)
    assert end is not None
    assert (end.sent, end.refused) == (len(PEOPLE), 0)


@pytest.mark.parametrize("away", [0.1, 3])
async def test_an_outage_delays_and_loses_nobody(storage: Storage, away: float) -> None:
    number, telegram = await started(storage), Telegram()
    hand = broadcaster(storage, telegram)
    await hand.page()
    telegram.is_away = True
    await hours(hand, telegram, away)
    assert telegram.copies == PEOPLE[:PAGE]
    # It is tried once a minute at most, whoever is next.
    assert len(telegram.tried) <= PAGE + 10 + 60 * away
    telegram.is_away = False
    await hours(hand, telegram, 2)
    assert sorted(telegram.copies) == PEOPLE
    end = await storage.broadcasts.get(number)
    assert end is not None
    assert (end.state, end.sent, end.refused) == (B.DONE, len(PEOPLE), 0)
    assert await storage.broadcasts.postponed(number) == 0


async def test_one_person_for_whom_telegram_fails_holds_nobody_up_and_is_tried_for_a_day(
    storage: Storage,
) -> None:
    number, telegram = await started(storage), Telegram()
    ends_well, never = PEOPLE[3], PEOPLE[5]
    telegram.faults[ends_well] = [TelegramLater("Internal Server Error")] * 20
    telegram.faults[never] = [TelegramLater("Internal Server Error")] * 1000
    hand = broadcaster(storage, telegram)
    await to_the_end(hand)
    assert telegram.copies == [one for one in PEOPLE if one not in (ends_well, never)]
    assert sum(telegram.slept) < 60
    assert "To be tried again, for a day at most: 2" in telegram.shown[-1]
    another = broadcaster(storage, telegram, "two")  # after a kill
    await hours(another, telegram, TRIED_FOR.total_seconds() / 3600 - 1)
    assert telegram.copies[-1] == ends_well
    middle = await storage.broadcasts.get(number)
    assert middle is not None
    assert (middle.state, middle.sent, middle.refused) == (B.RUNNING, len(PEOPLE) - 1, 0)
    await hours(another, telegram, 3)
    end = await storage.broadcasts.get(number)
    assert end is not None
    assert (end.state, end.sent, end.refused) == (B.DONE, len(PEOPLE) - 1, 1)
    assert telegram.tried.count(never) < 40


async def test_who_is_banned_or_erased_while_they_wait_is_not_tried_again(
    storage: Storage,
) -> None:
    number, telegram = await started(storage), Telegram()
    banned, erased = PEOPLE[:2]
    for one in (banned, erased):
        telegram.faults[one] = [TelegramLater("Internal Server Error")]
    hand = broadcaster(storage, telegram)
    await to_the_end(hand)
    await storage.access.ban(banned, by=1, now=NOON)
    await storage.privacy.erase_person(erased, now=NOON)
    assert await storage.broadcasts.postponed(number) == 1
    await hours(hand, telegram, 1)
    assert telegram.copies == PEOPLE[2:]
    end = await storage.broadcasts.get(number)
    assert end is not None
    assert (end.state, end.sent, end.refused) == (B.DONE, len(PEOPLE) - 2, 0)


async def test_a_broadcast_that_only_waits_holds_up_no_other_and_is_stopped_at_once(
    storage: Storage,
) -> None:
    first, telegram = await started(storage), Telegram()
    telegram.faults[PEOPLE[0]] = [TelegramLater("Internal Server Error")] * 1000
    hand = broadcaster(storage, telegram)
    await to_the_end(hand)
    made = await storage.broadcasts.draft(
        by=1, lang="en", from_chat_id=1, message_id=77, update_id=6, now=NOON, access=OPEN
    )
    await storage.broadcasts.start(made.id, shown_message_id=79, by=1, now=NOON)
    telegram.copies.clear()
    await to_the_end(hand)
    assert telegram.copies == PEOPLE[1:]
    assert await storage.broadcasts.stop(first, by=1, now=NOON)
    assert await storage.broadcasts.postponed(first) == 0
    assert await storage.broadcasts.postponed(made.id) == 1


async def test_a_broadcast_is_stopped_while_telegram_is_away(storage: Storage) -> None:
    number, telegram = await started(storage), Telegram()
    telegram.faults = {PEOPLE[0]: [TelegramFlood("flood", retry_after=500)] * 1000}
    hand = broadcaster(storage, telegram)
    assert await hand.page()
    assert await hand.page()
    assert await storage.broadcasts.stop(number, by=1, now=NOON)
    assert not await hand.page()
    assert telegram.copies == []


async def test_a_message_that_was_deleted_ends_the_broadcast_and_says_why(
    storage: Storage,
) -> None:
    number, telegram = await started(storage), Telegram()
    gone = TelegramNothingToCopy("Bad Request: message to copy not found")
    telegram.faults = {user_id: [gone] for user_id in PEOPLE[3:]}
    telegram.faults[PEOPLE[1]] = [TelegramRejected("Bad Request: VOICE_MESSAGES_FORBIDDEN")]
    await to_the_end(broadcaster(storage, telegram))
    end = await storage.broadcasts.get(number)
    assert end is not None
    assert (end.state, end.sent, end.refused) == (B.CANCELLED, 2, 1)
    assert "deleted" in telegram.shown[-1]


async def test_a_closed_bot_sends_to_whom_it_serves_and_not_to_who_only_asked(
    storage: Storage,
) -> None:
    """Somebody who asked for access and was never let in has a row too."""
    admin, named, let_in, banned, named_and_banned, asked = PEOPLE[:6]
    access = Access(admins=frozenset({admin}), allowed=frozenset({named, named_and_banned}))
    await storage.access.allow(let_in, by=admin, now=NOON)
    await storage.access.ban(banned, by=admin, now=NOON)
    await storage.access.ban(named_and_banned, by=admin, now=NOON)
    await storage.access.ban(admin, by=2, now=NOON)  # nobody can
    made = await storage.broadcasts.draft(
        by=admin, lang="en", from_chat_id=1, message_id=77, update_id=9, now=NOON, access=access
    )
    assert made.total == 3
    await storage.broadcasts.start(made.id, shown_message_id=78, by=admin, now=NOON)
    telegram = Telegram()
    await to_the_end(broadcaster(storage, telegram, access=access))
    assert telegram.copies == [admin, named, let_in]
    assert asked not in telegram.copies
