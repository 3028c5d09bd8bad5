"""The bounds of caps, to the kopeck and the microsecond, and the sums of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from bot.core.alerts import Switch
from bot.core.caps import Cap, Limit, OrderRules, day_start, next_day
from bot.core.errors import IntakeHeld, LimitReached
from bot.core.prices import Left
from bot.core.task import AspectRatio, Task, TaskState
from storage import Entry, Storage
from tests.support.factories import ANN, BOB, MINUTE, NOON, draft, queued

S = TaskState
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
MIDNIGHT = NOON - timedelta(hours=12)
PRICE = Decimal("16.4")


def capped(storage: Storage, cap: Cap, *, sold: bool = False, **bound: int) -> Storage:
    """The same database, with one cap."""
    return Storage.over(storage.database, OrderRules(caps={cap: Limit(**bound)}, sold=sold))


async def order(
    storage: Storage, *, now: datetime = NOON, price: Decimal = PRICE, user_id: int = ANN
) -> Task:
    task = await draft(storage, price=price, user_id=user_id)
    ordered = await storage.tasks.confirm(
        task.id, user_id=user_id, aspect_ratio=AspectRatio.TALL, update_id=task.id, now=now
    )
    assert ordered is not None
    return ordered


async def refused(storage: Storage, *, now: datetime = NOON, price: Decimal = PRICE) -> None:
    with pytest.raises(LimitReached):
        await order(storage, now=now, price=price)


async def carry(storage: Storage, task: Task, *way: TaskState) -> None:
    """The one task that is due goes this way."""
    [lease] = await storage.tasks.claim_due(
        owner="w", now=NOON + DAY, lease_for=MINUTE, limit=9, slots=None
    )
    assert lease.id == task.id
    for state in way:
        extra = {"provider_id": f"p{task.id}"} if state is S.GENERATING else {}
        after = lease.to(state, run_at=NOON, **extra)
        assert await storage.tasks.save(lease, after, now=NOON)
        lease = after


# --- a day -----------------------------------------------------------------------------------


def test_a_day_begins_at_midnight_of_utc_to_the_microsecond() -> None:
    last = MIDNIGHT + DAY - MICROSECOND
    assert (day_start(MIDNIGHT), day_start(last), day_start(last + MICROSECOND)) == (
        MIDNIGHT, MIDNIGHT, MIDNIGHT + DAY,
    )  # fmt: skip
    assert next_day(MIDNIGHT) == next_day(last) == MIDNIGHT + DAY


@pytest.mark.parametrize(
    ("zone", "now", "begins", "hours"),
    [
        ("Europe/Moscow", "2026-03-01T20:59:59", "2026-02-28T21:00:00", 24),
        ("Europe/Moscow", "2026-03-01T21:00:00", "2026-03-01T21:00:00", 24),
        ("Asia/Kolkata", "2026-03-01T12:00:00", "2026-02-28T18:30:00", 24),
        ("Europe/Berlin", "2026-03-29T12:00:00", "2026-03-28T23:00:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00", "2026-10-24T22:00:00", 25),
    ],
)
def test_a_day_begins_at_midnight_of_its_zone(
    zone: str, now: str, begins: str, hours: int
) -> None:
    moment, first = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, begins))
    assert day_start(moment, ZoneInfo(zone)) == first
    assert next_day(moment, ZoneInfo(zone)) == first + timedelta(hours=hours)
    assert day_start(moment, ZoneInfo(zone), days=1) == next_day(moment, ZoneInfo(zone))


async def test_a_cap_per_day_renews_at_midnight_of_its_zone(storage: Storage) -> None:
    terms = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=1)}, zone=ZoneInfo("Europe/Moscow"))
    capped = Storage.over(storage.database, terms)
    evening = datetime(2026, 3, 1, 20, 59, tzinfo=UTC)  # 23:59 in Moscow
    await queued(capped, now=evening)
    with pytest.raises(LimitReached) as reached:
        await queued(capped, now=evening)
    assert reached.value.renews_at == evening + timedelta(minutes=1)
    await queued(capped, now=evening + timedelta(minutes=1))


async def test_a_day_that_begins_twice_gives_its_videos_once(storage: Storage) -> None:
    """The clock is set back from after midnight to before it."""
    strict = capped(storage, Cap.USER_PER_DAY, videos=1)
    await order(strict, now=MIDNIGHT + MINUTE)
    for now in (MIDNIGHT - MINUTE, MIDNIGHT, MIDNIGHT + DAY - MINUTE):
        await refused(strict, now=now)
    await order(strict, now=MIDNIGHT + DAY)


@pytest.mark.parametrize(
    ("at", "counts"), [(MIDNIGHT, True), (MIDNIGHT - MICROSECOND, False)], ids=["first", "before"]
)
async def test_the_first_moment_of_a_day_belongs_to_it(
    storage: Storage, at: datetime, counts: bool
) -> None:
    strict = capped(storage, Cap.USER_PER_DAY, videos=1)
    await order(strict, now=at)
    if counts:
        await refused(strict)
    else:
        await order(strict)


# --- what counts -----------------------------------------------------------------------------


async def test_a_cap_in_roubles_may_be_reached_to_the_kopeck(storage: Storage) -> None:
    strict = capped(storage, Cap.GLOBAL_PER_DAY, roubles=20)
    await order(strict, price=Decimal("16.40"))
    await order(strict, price=Decimal("3.60"))
    await refused(strict, price=Decimal("0.01"))


async def test_a_video_that_is_charged_counts_once(storage: Storage) -> None:
    strict = capped(storage, Cap.USER_PER_DAY, videos=2)
    await carry(storage, await order(strict), S.SUBMITTING, S.GENERATING)
    await order(strict)
    await refused(strict)


@pytest.mark.parametrize("price", [PRICE, Decimal(1), Decimal("0.01")])
async def test_a_return_frees_only_its_own_amount(storage: Storage, price: Decimal) -> None:
    strict = capped(storage, Cap.USER_PER_DAY, videos=2)
    first = await order(strict, price=price)
    await order(strict, price=price)
    assert await storage.tasks.cancel(first.id, user_id=ANN, now=NOON)
    await order(strict, price=price)
    await refused(strict, price=price)


async def test_returned_credit_of_a_charged_video_frees_no_cap(storage: Storage) -> None:
    strict = capped(storage, Cap.USER_PER_DAY, sold=True, videos=1)
    assert await storage.stars.purchase(
        user_id=ANN, payment_id="p", stars=1, credit=9 * PRICE, now=NOON
    )
    task = await order(strict)
    await carry(storage, task, S.SUBMITTING, S.GENERATING, S.FAILED)
    assert await storage.ledger.credit(ANN) == 9 * PRICE
    back = (await storage.ledger.of_task(task.id))[-1]
    assert (back.kind, back.task_id) == (Entry.RETURN, task.id)
    assert (back.roubles, back.credit, back.stars) == (Decimal(0), PRICE, 0)
    await refused(strict)


# --- held ------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", [Switch.INTAKE, Switch.DRAIN])
async def test_no_order_is_accepted_while_an_admin_pauses_them(
    storage: Storage, switch: Switch
) -> None:
    assert await storage.alerts.hold(switch, by=1, now=NOON)
    with pytest.raises(IntakeHeld, match=r"^an admin holds new orders$"):
        await order(storage)
    assert (await storage.tasks.counts())[S.QUEUED] == 0


@pytest.mark.parametrize("switch", list(Switch))
async def test_only_held_submits_stop_the_queue(storage: Storage, switch: Switch) -> None:
    waiting = await queued(storage)
    assert await storage.alerts.hold(switch, by=1, now=NOON)
    claimed = await storage.tasks.claim_due(
        owner="w", now=NOON, lease_for=MINUTE, limit=9, slots=9
    )
    wanted = [] if switch is Switch.SUBMITS else [waiting.id]
    assert [task.id for task in claimed] == wanted


# --- sums ------------------------------------------------------------------------------------


async def test_sums_are_limited_to_their_period_and_person(storage: Storage) -> None:
    for number, (who, at) in enumerate(
        ((ANN, NOON - MICROSECOND), (ANN, NOON), (BOB, NOON), (ANN, NOON + MINUTE))
    ):
        assert await storage.stars.purchase(
            user_id=who, payment_id=f"p{number}", stars=10**number, credit=PRICE, now=at
        )
    book = storage.ledger
    every = (await book.totals(NOON, NOON + MINUTE))[Entry.PURCHASE]
    assert (every.rows, every.stars, every.credit) == (2, 110, 2 * PRICE)
    hers = (await book.totals(NOON, NOON + MINUTE, user_id=ANN))[Entry.PURCHASE]
    assert (hers.rows, hers.stars, hers.credit, hers.roubles) == (1, 10, PRICE, Decimal(0))
    assert (await book.totals(NOON, NOON + DAY))[Entry.CHARGE].rows == 0


# --- what is left ------------------------------------------------------------------------------


async def test_what_is_left_today_is_what_can_still_be_ordered(storage: Storage) -> None:
    bot = capped(storage, Cap.USER_PER_DAY, videos=3)
    rules = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=3)})

    async def left(user_id: int = ANN, now: datetime = NOON) -> Left | None:
        return await bot.ledger.left_today(user_id, rules, PRICE, now)

    assert await left() == Left(3, 3)
    for number in (2, 1, 0):
        task = await order(bot)
        assert await left() == Left(number, 3)
    await refused(bot)
    assert await left() == Left(0, 3)
    assert await left(BOB) == Left(3, 3)
    assert await left(now=NOON + DAY) == Left(3, 3)
    await bot.tasks.cancel(task.id, user_id=ANN, now=NOON)
    assert await left() == Left(1, 3)


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        (Limit(), None),
        (Limit(roubles=40), Left(2)),
        (Limit(videos=1, roubles=40), Left(1)),
        (Limit(videos=9, roubles=40), Left(2)),
    ],
)
async def test_a_cap_in_roubles_leaves_as_many_videos_as_it_pays(
    storage: Storage, limit: Limit, left: Left | None
) -> None:
    rules = OrderRules(caps={Cap.USER_PER_DAY: limit})
    assert await storage.ledger.left_today(ANN, rules, PRICE, NOON) == left


async def test_what_is_left_is_counted_by_the_day_of_the_settings_zone(storage: Storage) -> None:
    """Midnight in Moscow is 21:00 UTC, so an order at 20:00 UTC belongs to the day before."""
    rules = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=1)}, zone=ZoneInfo("Europe/Moscow"))
    bot = Storage.over(storage.database, rules)
    evening = NOON.replace(hour=20)
    await order(bot, now=evening)
    assert await bot.ledger.left_today(ANN, rules, PRICE, evening) == Left(0, 1)
    night = NOON.replace(hour=22)
    assert await bot.ledger.left_today(ANN, rules, PRICE, night) == Left(1, 1)
    await order(bot, now=night)
    assert await bot.ledger.left_today(ANN, rules, PRICE, night + timedelta(hours=3)) == Left(0, 1)


@pytest.mark.parametrize(("own", "left"), [(5, Left(5, 5)), (0, None), (None, Left(1, 1))])
async def test_what_is_left_follows_the_persons_own_cap(
    storage: Storage, own: int | None, left: Left | None
) -> None:
    rules = OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=1)})
    await storage.people.set_cap(ANN, Cap.USER_PER_DAY, own, by=1, now=NOON)
    assert await storage.ledger.left_today(ANN, rules, PRICE, NOON) == left
    await storage.people.set_cap(BOB, Cap.USER_PER_DAY, 2, by=1, now=NOON)
    assert await storage.ledger.left_today(BOB, OrderRules(), PRICE, NOON) == Left(2, 2)
