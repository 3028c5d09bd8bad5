"""A broadcast reaches each person once, even if processes stop meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiogram.methods import CopyMessage
from aiogram.utils.formatting import Text

from bot.core.access import Access
from bot.core.errors import TelegramError, TelegramLater, TelegramLost, TelegramUnreachable
from bot.operator.broadcaster import PAGE, Broadcaster
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
        self.shown: list[str] = []

    async def __call__(self, method: CopyMessage) -> None:
        user_id = int(method.chat_id)
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
        return None

    return Broadcaster(
        telegram,  # type: ignore[arg-type]
        storage,
        telegram,  # type: ignore[arg-type]
        access=access,
        clock=lambda: NOON + timedelta(**later),
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
        PEOPLE[2]: [TelegramLater("flood", retry_after=3)],
        PEOPLE[3]: [TelegramLost("cut")],
    }
    await to_the_end(broadcaster(storage, telegram))
    assert telegram.copies == [PEOPLE[2], *PEOPLE[4:]]
    end = await storage.broadcasts.get(made.id)
    assert end is not None
    assert (end.total, end.sent, end.refused) == (len(PEOPLE) - 1, len(PEOPLE) - 2, 1)


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
