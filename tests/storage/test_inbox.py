"""Updates until they have taken effect: kept once, in order within a chat."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage import InboxState, InboxUpdate, IncomingUpdate, Storage
from tests.support.factories import MINUTE, NOON, SECOND


def update(update_id: int, chat: str = "5") -> IncomingUpdate:
    return IncomingUpdate(update_id=update_id, chat_key=chat, payload=f'{{"n": {update_id}}}')


async def claim(
    storage: Storage, *, owner: str = "one", now: datetime = NOON, limit: int = 100
) -> list[InboxUpdate]:
    return await storage.inbox.claim(owner=owner, now=now, lease_for=MINUTE, limit=limit)


def ids(updates: list[InboxUpdate]) -> list[int]:
    return [each.update_id for each in updates]


async def test_an_update_is_kept_once_however_often_it_comes(
    storage: Storage, other: Storage
) -> None:
    assert await storage.inbox.add([update(1), update(2)], now=NOON) == 2
    assert await other.inbox.add([update(2), update(3), update(3)], now=NOON) == 1
    assert await storage.inbox.add([], now=NOON) == 0
    [first] = await claim(storage)
    assert first == InboxUpdate(
        update_id=1, chat_key="5", payload='{"n": 1}', attempts=1, received_at=NOON
    )
    await storage.inbox.done([1], now=NOON)
    assert await other.inbox.add([update(1)], now=NOON) == 0
    assert ids(await claim(other)) == [2]


async def test_a_thousand_updates_fit_in_one_commit(storage: Storage) -> None:
    page = [update(n, chat=str(n)) for n in range(10_000)]
    assert await storage.inbox.add(page, now=NOON) == 10_000
    assert await storage.inbox.add(page, now=NOON) == 0
    assert ids(await claim(storage, limit=5_000)) == list(range(5_000))


async def test_an_urgent_update_passes_all_waiting_ones(storage: Storage) -> None:
    await storage.inbox.add([update(n, chat=str(n)) for n in range(50)], now=NOON)
    hurried = IncomingUpdate(update_id=99, chat_key="checkout 1", payload="{}", is_urgent=True)
    await storage.inbox.add([hurried], now=NOON + SECOND)
    assert ids(await claim(storage, now=NOON + SECOND, limit=1)) == [99]
    assert ids(await claim(storage, now=NOON + SECOND, limit=1)) == [0]
    assert await storage.inbox.lag(NOON + SECOND) == SECOND


async def test_a_chat_is_handled_in_order_and_chats_side_by_side(storage: Storage) -> None:
    await storage.inbox.add(
        [update(4, "a"), update(1, "a"), update(2, "b"), update(3, "a")], now=NOON
    )
    assert ids(await claim(storage)) == [1, 2]
    assert ids(await claim(storage, owner="two")) == []
    await storage.inbox.done([1], now=NOON)
    assert ids(await claim(storage, owner="two")) == [3]
    await storage.inbox.done([3], now=NOON)
    assert ids(await claim(storage, limit=1)) == [4]


async def test_a_chat_waits_for_a_postponed_update(storage: Storage) -> None:
    await storage.inbox.add([update(1), update(2)], now=NOON)
    assert ids(await claim(storage)) == [1]
    await storage.inbox.later(1, run_at=NOON + 5 * SECOND, error="locked")
    assert await claim(storage, now=NOON + SECOND) == []
    assert await storage.due.next("inbox", NOON) == NOON + 5 * SECOND
    [again] = await claim(storage, now=NOON + 5 * SECOND)
    assert (again.update_id, again.attempts) == (1, 2)


async def test_a_chat_continues_after_an_update_set_aside(
    storage: Storage, other: Storage
) -> None:
    await storage.inbox.add([update(1), update(2)], now=NOON)
    await claim(storage)
    await storage.inbox.set_aside(1, error="cannot be parsed", now=NOON)
    assert ids(await claim(other)) == [2]
    assert await other.inbox.counts() == {
        InboxState.PENDING: 1,
        InboxState.DONE: 0,
        InboxState.SET_ASIDE: 1,
    }
    assert await other.inbox.add([update(1)], now=NOON) == 0


async def test_a_finished_update_stays_finished(storage: Storage) -> None:
    await storage.inbox.add([update(1)], now=NOON)
    await claim(storage)
    await storage.inbox.done([1], now=NOON)
    await storage.inbox.later(1, run_at=NOON, error="too late")
    await storage.inbox.set_aside(1, error="too late", now=NOON)
    assert await claim(storage, now=NOON + 9 * MINUTE) == []
    assert (await storage.inbox.counts())[InboxState.DONE] == 1


async def test_an_update_whose_holder_died_is_handled_by_another(storage: Storage) -> None:
    await storage.inbox.add([update(1)], now=NOON)
    assert ids(await claim(storage)) == [1]
    assert await storage.due.next("inbox", NOON + MINUTE - SECOND) == NOON + MINUTE
    assert await claim(storage, owner="two", now=NOON + MINUTE - SECOND) == []
    [again] = await claim(storage, owner="two", now=NOON + MINUTE)
    assert again.attempts == 2


async def test_a_heartbeat_keeps_an_update(storage: Storage) -> None:
    await storage.inbox.add([update(1, "a"), update(2, "b")], now=NOON)
    await claim(storage)
    await storage.inbox.done([2], now=NOON)
    until = NOON + 5 * MINUTE
    assert await storage.inbox.extend("two", [1, 2], until=until) == set()
    assert await storage.inbox.extend("one", [1, 2], until=until) == {1}
    assert await claim(storage, owner="two", now=until - SECOND) == []


async def test_a_clean_stop_releases_the_updates_and_counts_no_attempt(storage: Storage) -> None:
    await storage.inbox.add([update(1)], now=NOON)
    await claim(storage)
    await storage.inbox.release("two")
    assert await claim(storage, owner="two") == []
    await storage.inbox.release("one")
    [again] = await claim(storage, owner="two")
    assert again.attempts == 1


async def test_only_done_updates_are_deleted_after_a_while(
    storage: Storage,
) -> None:
    await storage.inbox.add([update(n, str(n)) for n in (1, 2, 3, 4)], now=NOON)
    await storage.inbox.done([1], now=NOON)
    await storage.inbox.done([2], now=NOON + MINUTE)
    await storage.inbox.set_aside(3, error="?", now=NOON)
    assert await storage.inbox.forget(before=NOON + MINUTE) == 1
    assert await storage.inbox.counts() == {
        InboxState.PENDING: 1,
        InboxState.DONE: 1,
        InboxState.SET_ASIDE: 1,
    }
    assert await storage.inbox.add([update(1), update(2)], now=NOON) == 1


async def test_the_lag_is_the_age_of_the_oldest_update_that_could_be_handled(
    storage: Storage,
) -> None:
    assert await storage.inbox.lag(NOON) == timedelta(0)
    await storage.inbox.add([update(1, "a")], now=NOON)
    await storage.inbox.add([update(2, "b")], now=NOON + 2 * SECOND)
    assert await storage.inbox.lag(NOON + 5 * SECOND) == 5 * SECOND
    await storage.inbox.later(1, run_at=NOON + MINUTE, error="?")
    assert await storage.inbox.lag(NOON + 5 * SECOND) == 3 * SECOND


async def test_a_flood_of_one_chat_does_not_hide_the_others(
    storage: Storage, other: Storage
) -> None:
    flood = [update(n, "flood") for n in range(4_000)]
    people = [update(4_000 + n, chat=f"person {n % 40}") for n in range(80)]
    await storage.inbox.add(flood, now=NOON)
    await storage.inbox.add(people, now=NOON + SECOND)
    now = NOON + SECOND
    assert ids(await claim(storage, now=now, limit=10)) == [0, *range(4_000, 4_009)]
    rest = ids(await claim(other, owner="two", now=now, limit=100))
    assert rest == list(range(4_009, 4_040))
    await storage.inbox.later(4_000, run_at=now + MINUTE, error="locked")
    await storage.inbox.done([0, 4_001], now=now)
    assert ids(await claim(other, owner="two", now=now)) == [1, 4_041]
