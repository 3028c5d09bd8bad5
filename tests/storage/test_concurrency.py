"""Several workers on one database, for real: processes, and connections at the same time."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from subprocess import PIPE
from typing import Any

import pytest
import sqlalchemy as sa

from bot.core.access import Verdict
from bot.core.caps import OrderRules
from bot.core.notices import Notice, NoticeKind
from bot.core.storyboard import Scene
from bot.core.task import AspectRatio, Task, TaskState
from storage import IncomingUpdate, RedeemResult, Storage
from storage.permits import permit
from storage.tables import access_requests, balance_trails, permits, tasks
from tests.support.factories import (
    ANN,
    BOB,
    CHAT,
    MINUTE,
    NOON,
    SECOND,
    draft,
    queued,
    task_in,
    wish,
)

S = TaskState


async def fill_queue(storage: Storage, count: int) -> None:
    """Many at once, past the store: one commit."""
    row = {
        "user_id": ANN, "chat_id": ANN, "message_id": 1, "lang": "ru", "model": "m",
        "price_kopecks": 17, "prompt": "a cat", "aspect_ratio": AspectRatio.TALL,
        "card_is_media": False, "state": S.QUEUED, "created_at": NOON, "confirmed_at": NOON,
        "run_at": NOON, "overdue": False, "attempts": 0, "claims": 0, "fence": 0,
    }  # fmt: skip
    async with storage.database.transaction() as connection:
        await connection.execute(sa.insert(tasks), [row] * count)


async def test_two_processes_claim_each_of_2000_tasks_once(storage: Storage, url: str) -> None:
    await fill_queue(storage, 2_000)
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.storage.claimer", url, owner, stdin=PIPE, stdout=PIPE
        )
        for owner in ("one", "two")
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
    async with asyncio.timeout(100):
        printed = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    shares = [out.split() for out, _ in printed]
    assert all(shares), "both had work"
    assert [worker.returncode for worker in workers] == [0, 0]
    claimed = Counter(task_id for share in shares for task_id in share)
    assert len(claimed) == 2_000
    assert set(claimed.values()) == {1}


async def test_concurrent_claims_never_exceed_the_slots(storage: Storage, other: Storage) -> None:
    await fill_queue(storage, 60)
    claims = await asyncio.gather(
        *(
            which.tasks.claim_due(owner=f"w{n}", now=NOON, lease_for=MINUTE, limit=3, slots=7)
            for n, which in enumerate((storage, other) * 12)
        )
    )
    taken = [task.id for claimed in claims for task in claimed]
    assert len(taken) == len(set(taken)) == 7


async def test_the_limit_of_slots_holds_for_whole_orders(storage: Storage, other: Storage) -> None:
    await fill_queue(storage, 30)
    at_provider: set[int] = set()
    most = 0
    finished: list[int] = []

    async def worker(which: Storage, owner: str) -> None:
        nonlocal most
        while len(finished) < 30:
            for lease in await which.tasks.claim_due(
                owner=owner, now=NOON, lease_for=MINUTE, limit=2, slots=3
            ):
                at_provider.add(lease.id)
                most = max(most, len(at_provider))
                step = lease
                for state in (S.SUBMITTING, S.GENERATING):
                    after = step.to(state, run_at=NOON)
                    assert await which.tasks.save(step, after, now=NOON)
                    step = after
                at_provider.discard(lease.id)
                for state in (S.RENDERED, S.DELIVERED):
                    after = step.to(state, run_at=NOON)
                    assert await which.tasks.save(step, after, now=NOON)
                    step = after
                finished.append(lease.id)

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(worker(which, f"w{n}") for n, which in enumerate((storage, other) * 3))
        )
    assert sorted(finished) == sorted(set(finished))
    assert 1 <= most <= 3


async def test_chats_keep_their_order_among_many_handlers(
    storage: Storage, other: Storage
) -> None:
    await storage.inbox.add(
        [IncomingUpdate(update_id=n, chat_key=str(n % 8), payload=str(n)) for n in range(160)],
        now=NOON,
    )
    handled: dict[str, list[int]] = defaultdict(list)

    async def handler(which: Storage, owner: str) -> None:
        while sum(map(len, handled.values())) < 160:
            claimed = await which.inbox.claim(owner=owner, now=NOON, lease_for=MINUTE, limit=3)
            for update in claimed:
                handled[update.chat_key].append(update.update_id)
                await which.inbox.done([update.update_id], now=NOON)

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(handler(which, f"h{n}") for n, which in enumerate((storage, other) * 4))
        )
    for chat in range(8):
        assert handled[str(chat)] == list(range(chat, 160, 8))


async def test_a_stale_worker_and_its_successor_never_both_write(
    storage: Storage, other: Storage
) -> None:
    await fill_queue(storage, 40)
    stale = await storage.tasks.claim_due(
        owner="one", now=NOON, lease_for=SECOND, limit=40, slots=None
    )
    fresh = await other.tasks.claim_due(
        owner="two", now=NOON + SECOND, lease_for=MINUTE, limit=40, slots=None
    )
    at = NOON + 2 * SECOND
    saves = await asyncio.gather(
        *(storage.tasks.save(lease, lease.to(S.SUBMITTING, run_at=at), now=at) for lease in stale),
        *(other.tasks.save(lease, lease.to(S.SUBMITTING, run_at=at), now=at) for lease in fresh),
    )
    assert saves == [False] * 40 + [True] * 40


async def test_concurrent_cancelling_and_submitting_have_one_winner(
    storage: Storage, other: Storage
) -> None:
    await fill_queue(storage, 40)
    leases = await storage.tasks.claim_due(
        owner="one", now=NOON, lease_for=MINUTE, limit=40, slots=None
    )
    results = await asyncio.gather(
        *(storage.tasks.save(lease, lease.to(S.SUBMITTING, run_at=NOON), now=NOON)
          for lease in leases),
        *(other.tasks.cancel(lease.id, user_id=ANN, now=NOON) for lease in leases),
    )  # fmt: skip
    for lease, sent, cancelled in zip(leases, results[:40], results[40:], strict=True):
        assert bool(sent) != bool(cancelled)
        found = await other.tasks.get(lease.id)
        assert found is not None
        assert found.state is (S.SUBMITTING if sent else S.CANCELLED)


async def test_a_frame_is_not_published_for_a_task_that_ends_or_is_taken_concurrently(
    storage: Storage, other: Storage
) -> None:
    """It would stay behind, or take the place of a frame whose link is at the provider."""
    changes: tuple[dict[str, object], ...] = ({"state": S.CANCELLED}, {"fence": 9})
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number, change in enumerate(changes, 1):
            await fill_queue(storage, 1)
            task = await storage.tasks.get(number)
            assert task is not None
            token = f"late {number}"
            async with other.database.transaction() as connection:
                taken = sa.update(tasks).where(tasks.c.id == task.id).values(**change)
                await connection.execute(taken)
                publishing = group.create_task(
                    storage.frames.publish(
                        task, token=token, jpeg=b"jpeg", expires_at=NOON + MINUTE
                    )
                )
                await asyncio.wait({publishing}, timeout=0.2)  # it waits for this commit
            assert await publishing is False
            assert await other.frames.get(token, NOON) is None


@pytest.mark.parametrize("film", [False, True])
async def test_a_person_who_is_erased_during_a_press_pays_for_none_of_its_videos(
    storage: Storage, other: Storage, film: bool
) -> None:
    """The deletion begins before the press commits, and waits for its first row. Only then do the
    other videos of the order exist."""
    await storage.stars.purchase(
        user_id=ANN, payment_id="p", stars=9, credit=Decimal(90), now=NOON
    )
    sold = Storage.over(storage.database, OrderRules(sold=True))
    how: dict[str, Any] = {
        "user_id": ANN, "aspect_ratio": AspectRatio.TALL, "update_id": 1, "now": NOON,
    }  # fmt: skip
    press: Coroutine[Any, Any, object]
    if film:
        scenes = [Scene("a cat", "a cat")] * 3
        board = await storage.storyboards.create(**wish(scenes=scenes))
        press = sold.storyboards.order(board, card_message_id=7, **how)
    else:
        task = await draft(storage)
        await storage.tasks.choose(task.id, user_id=ANN, variants=3)
        press = sold.tasks.confirm(task.id, **how)
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        other.database.transaction() as connection,
    ):
        await connection.lock("ledger")
        pressing = group.create_task(press)
        await asyncio.wait({pressing}, timeout=0.2)  # it is checked when the lock is free
        erasing = group.create_task(other.privacy.erase_person(ANN, now=NOON))
        await asyncio.wait({erasing}, timeout=0.2)
    assert len(erasing.result()) == 3
    assert await storage.tasks.latest(ANN) == []
    assert await storage.ledger.credit(ANN) == 90


async def test_a_cancel_beside_a_submit_takes_the_next_newest(
    storage: Storage, other: Storage
) -> None:
    """The newest order has just begun: the one before it still waits."""
    before, newest = await queued(storage), await queued(storage)
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        submitted = sa.update(tasks).where(tasks.c.id == newest.id).values(state=S.SUBMITTING)
        await connection.execute(submitted)
        cancelling = group.create_task(
            other.tasks.cancel_latest(user_id=ANN, chat=CHAT, update_id=1, now=NOON)
        )
        await asyncio.wait({cancelling}, timeout=0.2)  # it waits for this commit
    cancelled = cancelling.result()
    assert cancelled is not None
    assert (cancelled.id, cancelled.state) == (before.id, S.CANCELLED)


@pytest.mark.parametrize(
    ("film", "way"),
    [(False, "latest"), (False, "button"), (True, "latest"), (True, "button"), (True, "stop")],
)
async def test_who_cancels_a_whole_order_locks_its_videos_by_number(
    storage: Storage, other: Storage, film: bool, way: str
) -> None:
    """A worker holds the first row and locks the others next. In another order each would wait for
    the other until the database stops one of them."""
    how: dict[str, Any] = {
        "user_id": ANN, "aspect_ratio": AspectRatio.TALL, "update_id": 1, "now": NOON,
    }  # fmt: skip
    if film:
        board = await storage.storyboards.create(**wish(scenes=[Scene("a cat", "a cat")] * 3))
        await storage.storyboards.order(board, card_message_id=7, **how)
    else:
        task = await draft(storage)
        await storage.tasks.choose(task.id, user_id=ANN, variants=3)
        await storage.tasks.confirm(task.id, **how)
    first, second, third = sorted(task.id for task in await storage.tasks.latest(ANN))
    ways: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "latest": lambda: other.tasks.cancel_latest(user_id=ANN, chat=CHAT, update_id=2, now=NOON),
        "button": lambda: other.tasks.cancel(second if film else first, user_id=ANN, now=NOON),
        "stop": lambda: other.storyboards.stop(second, user_id=ANN, now=NOON),
    }
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        for number in (first, second, third):
            touched = sa.update(tasks).where(tasks.c.id == number).values(attempts=1)
            await connection.execute(touched)
            if number == first:
                group.create_task(ways[way]())
                await asyncio.sleep(0.2)
    assert {task.state for task in await storage.tasks.latest(ANN)} == {S.CANCELLED}


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_an_invite_that_is_used_beside_a_decision_counts_nobody(
    storage: Storage, other: Storage, verdict: Verdict
) -> None:
    invite = await storage.access.invite(
        by=1, uses=1, expires_at=NOON + MINUTE, update_id=1, now=NOON
    )
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        decided = sa.insert(permits).values(
            subject_id=ANN, verdict=verdict, decided_by=1, decided_at=NOON
        )
        await connection.execute(decided)
        using = group.create_task(other.access.redeem(invite.token, user_id=ANN, now=NOON))
        await asyncio.wait({using}, timeout=0.2)  # it waits for this commit
    expected = RedeemResult.BANNED if verdict is Verdict.BANNED else RedeemResult.KNOWN
    assert using.result() is expected
    assert (await other.access.verdicts(ANN)).person is verdict
    assert await other.access.redeem(invite.token, user_id=BOB, now=NOON) is RedeemResult.WELCOME


@pytest.mark.parametrize("way", ["request", "overview"])
async def test_a_ban_beside_an_admins_allow_stays_and_is_shown(
    storage: Storage, other: Storage, way: str
) -> None:
    """An admin presses Allow; before that is written, the ban of another admin is."""
    await storage.access.ask(
        user_id=ANN, name="Ann", username=None, lang="en", admins=[1, 2], now=NOON
    )
    ways: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "request": lambda: other.access.decide(ANN, allow=True, by=2, now=NOON),
        "overview": lambda: other.access.allow(ANN, by=2, now=NOON, even_banned=False),
    }
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        await permit(connection, ANN, Verdict.BANNED, 1, NOON)
        deciding = group.create_task(ways[way]())
        await asyncio.wait({deciding}, timeout=0.2)  # it waits for this commit
    if way == "overview":
        assert deciding.result() is False
    assert (await other.access.verdicts(ANN)).person is Verdict.BANNED
    shown = await other.access.answered(ANN)
    assert shown is not None
    assert shown.allowed is False
    assert [act.act for act in await other.audit.latest(limit=9)] == ["ban"]


@pytest.mark.parametrize("first", [True, False])
async def test_of_two_admins_who_answer_a_request_at_once_the_first_counts(
    storage: Storage, other: Storage, first: bool
) -> None:
    await storage.access.ask(
        user_id=ANN, name="Ann", username=None, lang="en", admins=[1, 2], now=NOON
    )
    answered = sa.update(access_requests).values(allowed=first, decided_by=1, decided_at=NOON)
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        if first:
            await permit(connection, ANN, Verdict.ALLOWED, 1, NOON)
        await connection.execute(answered)
        deciding = group.create_task(other.access.decide(ANN, allow=not first, by=2, now=NOON))
        await asyncio.wait({deciding}, timeout=0.2)
    shown = deciding.result()
    assert shown is not None
    assert shown.allowed is first
    assert (await other.access.verdicts(ANN)).person is (Verdict.ALLOWED if first else None)


async def test_a_person_is_erased_while_an_order_in_doubt_is_decided(
    storage: Storage, other: Storage
) -> None:
    """Both transactions lock the order first and its trail of balances second, so neither waits
    for ever."""
    task = await task_in(storage, S.UNKNOWN)
    async with other.database.transaction() as connection:
        await connection.execute(sa.update(balance_trails).values(due_at=None))
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        storage.database.transaction() as connection,
    ):
        order = tasks.c.id == task.id
        await connection.execute(sa.update(tasks).where(order).values(attempts=1))
        deciding = group.create_task(other.doubts.decide(task.id, account=None, now=NOON))
        await asyncio.wait({deciding}, timeout=0.2)
        await connection.execute(sa.delete(tasks).where(order))
    assert deciding.result() is None


async def test_tasks_saved_in_one_commit_are_locked_by_number(
    storage: Storage, other: Storage
) -> None:
    """Everything that locks several rows does it in this order; otherwise this and the heartbeat
    could wait for each other."""
    await fill_queue(storage, 2)
    one, two = await storage.tasks.claim_due(
        owner="one", now=NOON, lease_for=MINUTE, limit=2, slots=None
    )
    changes = [(lease, lease.to(S.FAILED, run_at=NOON)) for lease in (two, one)]

    def tell(ended: Sequence[Task]) -> Notice:
        return Notice(kind=NoticeKind.OVERDUE, chat=CHAT, lang="en")

    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        other.database.transaction() as connection,
    ):
        for lease in (one, two):
            longer = sa.update(tasks).where(tasks.c.id == lease.id).values(attempts=1)
            await connection.execute(longer)
            if lease is one:
                saving = group.create_task(
                    storage.tasks.save_together(changes, now=NOON, tell=tell)
                )
                await asyncio.sleep(0.2)
    assert saving.result() == {one.id, two.id}
