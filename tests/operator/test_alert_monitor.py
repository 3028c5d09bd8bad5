"""The operator is told about each problem once when it starts and once when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import texts
from bot.core.alerts import AlertKind, AlertSignals, Switch
from bot.core.errors import IntakeHeld, PhotosHeld, ProviderBusy, ProviderHeld
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Chat, Hold, Reason, TaskState
from bot.operator.alert_monitor import BALANCE_AGE, DISK_ENOUGH, DISK_LOW, TRAIL_WAIT, AlertMonitor
from bot.texts import keyboards
from bot.texts.alerts import ALERTS
from bot.texts.i18n import LANGUAGES
from storage import IncomingUpdate, Storage, open_storage, set_back
from storage.tables import tasks
from tests.support.databases import with_tables
from tests.support.factories import NOON, PHOTO, leased, queued, task_in

ADMINS = frozenset({1, 2})
MINUTE = timedelta(minutes=1)


@dataclass
class MonitorHarness:
    """An alert monitor and all its inputs."""

    storage: Storage
    signals: AlertSignals = field(default_factory=AlertSignals)
    now: datetime = NOON
    funds: Decimal | None = Decimal(500)
    asked: int = 0
    age: float | None = 1.0
    reads: bool = True  # this process, not another
    free: int = 10 << 30
    failure_breaker: int = 0
    refused: Hold | None = None

    def __post_init__(self) -> None:
        self.alert_monitor = AlertMonitor(
            self.storage,
            self.signals,
            self._balance,
            self._ages,
            clock=lambda: self.now,
            told=ADMINS,
            balance_alert=100,
            failure_breaker=self.failure_breaker,
            folder=Path(),
            free=lambda _: self.free,
        )

    async def _balance(self) -> Decimal:
        self.asked += 1
        if self.refused is not None:
            raise ProviderHeld(self.refused, "HTTP 401")
        if self.funds is None:
            raise ProviderBusy("no answer")
        return self.funds

    def _ages(self) -> dict[str, float | None]:
        return {"updates": self.age} if self.reads else {}

    async def look(self, after: timedelta = timedelta(0)) -> list[Notice]:
        """What the admins are told by it; each is told the same."""
        self.now += after
        await self.alert_monitor.check_here()
        await self.alert_monitor.look()
        waiting = await self.storage.outbox.claim(
            owner="test", now=self.now, lease_for=MINUTE, limit=99
        )
        told = [one.notice for one in waiting if one.notice.chat.chat_id in ADMINS]
        for one in waiting:
            await self.storage.outbox.done(one.id)
        chats = [notice.chat.chat_id for notice in told]
        assert chats == list(ADMINS) * (len(told) // len(ADMINS))
        return told[:: len(ADMINS)]


async def make_task(
    storage: Storage, user_id: int, *, now: datetime, provider_id: str, failed: bool
) -> bool:
    """A charged order that has ended; written directly, for the monitor reads rows alone."""
    state = TaskState.FAILED if failed else TaskState.DELIVERED
    async with storage.database.transaction() as connection:
        made = await connection.execute(
            sa.insert(tasks).values(
                user_id=user_id, chat_id=user_id, message_id=1, lang="en",
                model="seedance-1-lite-480P-5s", price_kopecks=Decimal(17), prompt="x",
                card_is_media=False, state=state, created_at=now, run_at=now, ended_at=now,
                overdue=False, attempts=0, claims=0, fence=0, provider_id=provider_id,
            )
        )  # fmt: skip
        return made.rowcount == 1


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[MonitorHarness]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        yield MonitorHarness(storage)


async def test_missing_updates_are_noticed_from_the_start(harness: MonitorHarness) -> None:
    harness.age = None
    assert await harness.look(4 * MINUTE) == []
    assert heard(await harness.look(2 * MINUTE)) == [("alert", AlertKind.NO_UPDATES.value)]
    assert await harness.look(MINUTE) == []
    harness.age = 1.0
    assert heard(await harness.look()) == [("alert_over", AlertKind.NO_UPDATES.value)]


async def test_a_process_that_takes_over_polling_gets_its_full_time(
    harness: MonitorHarness,
) -> None:
    harness.age, harness.reads = None, False
    assert await harness.look(20 * MINUTE) == []
    harness.reads = True
    assert await harness.look(4 * MINUTE) == []
    assert heard(await harness.look(2 * MINUTE)) == [("alert", AlertKind.NO_UPDATES.value)]


def heard(notices: list[Notice]) -> list[tuple[str, str]]:
    return [(notice.kind.value, str(notice.params["alert"])) for notice in notices]


async def test_a_healthy_bot_sends_no_alerts(harness: MonitorHarness) -> None:
    assert await harness.look() == []
    assert await harness.look(MINUTE) == []


def low_balance(harness: MonitorHarness, wrong: bool) -> None:
    harness.funds = Decimal("99.5") if wrong else Decimal(100)


def no_updates(harness: MonitorHarness, wrong: bool) -> None:
    harness.age = 301.0 if wrong else 0.0


def disk_low(harness: MonitorHarness, wrong: bool) -> None:
    harness.free = DISK_LOW - 1 if wrong else DISK_ENOUGH + 1


def held(hold: Hold) -> Callable[[MonitorHarness, bool], None]:
    def change(harness: MonitorHarness, wrong: bool) -> None:
        if wrong:
            harness.signals.held = (hold, harness.now)
        else:
            harness.signals.took("m", harness.now + MINUTE)

    return change


def overloaded(harness: MonitorHarness, wrong: bool) -> None:
    if wrong:
        harness.signals.busy_since = harness.now
    else:
        harness.signals.took("m", harness.now + MINUTE)


def model_gone(harness: MonitorHarness, wrong: bool) -> None:
    if wrong:
        harness.signals.gone["m"] = harness.now
    else:
        harness.signals.took("m", harness.now + MINUTE)


def other_poller(harness: MonitorHarness, wrong: bool) -> None:
    if wrong:
        harness.signals.conflict(harness.now)
        harness.signals.conflict(harness.now + timedelta(seconds=15))
    else:
        harness.signals.polled_at = harness.now + 20 * MINUTE


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (AlertKind.LOW_BALANCE, low_balance),
        (AlertKind.NO_UPDATES, no_updates),
        (AlertKind.DISK_LOW, disk_low),
        (AlertKind.NO_BALANCE, held(Hold.NO_BALANCE)),
        (AlertKind.KEY_REFUSED, held(Hold.KEY_REFUSED)),
        (AlertKind.WRONG_ADDRESS, held(Hold.WRONG_ADDRESS)),
        (AlertKind.OVERLOADED, overloaded),
        (AlertKind.MODEL_GONE, model_gone),
        (AlertKind.OTHER_POLLER, other_poller),
    ],
)
async def test_each_alert_is_sent_once_per_start_and_end(
    harness: MonitorHarness, kind: AlertKind, change: Callable[[MonitorHarness, bool], None]
) -> None:
    for _ in range(2):
        change(harness, True)
        soon = BALANCE_AGE if kind is AlertKind.LOW_BALANCE else timedelta(seconds=20)
        assert heard(await harness.look(soon)) == [("alert", kind.value)]
        if kind is not AlertKind.OTHER_POLLER:
            assert await harness.look(BALANCE_AGE) == []
        change(harness, False)
        assert heard(await harness.look(20 * MINUTE)) == [("alert_over", kind.value)]
        assert await harness.look(BALANCE_AGE) == []


async def test_a_process_without_observations_ends_no_alert(harness: MonitorHarness) -> None:
    harness.signals.held = (Hold.KEY_REFUSED, harness.now)
    assert len(await harness.look()) == 1
    other = MonitorHarness(harness.storage, now=harness.now)
    assert await other.look(MINUTE) == []
    other.signals.took("m", other.now)
    assert heard(await other.look(MINUTE)) == [("alert_over", "key_refused")]


async def test_unknown_and_undeliverable_orders_are_reported_by_number(
    harness: MonitorHarness,
) -> None:
    unknown = await task_in(harness.storage, TaskState.UNKNOWN)
    kept = await task_in(harness.storage, TaskState.UNDELIVERABLE)
    told = await harness.look()
    assert heard(told) == [("alert", "undeliverable")]
    told += await harness.look(TRAIL_WAIT)  # the balance around it could not be read
    assert heard(told) == [("alert", "undeliverable"), ("alert", "unknown")]
    assert [notice.params["task"] for notice in told] == [kept.id, unknown.id]
    assert told[1].params["finding"] == "reading"
    assert await harness.look(MINUTE) == []
    assert await harness.look(timedelta(days=2)) == []  # it rests still: nothing has ended
    await harness.storage.tasks.redeliver(kept.id, user_id=kept.user_id, now=harness.now)
    assert heard(await harness.look()) == [("alert_over", "undeliverable")]


async def test_old_problems_are_not_reported(harness: MonitorHarness) -> None:
    await task_in(harness.storage, TaskState.UNKNOWN)
    harness.now += timedelta(days=3)
    assert await harness.look() == []


async def test_an_update_set_aside_is_reported_with_its_reason(harness: MonitorHarness) -> None:
    rows = [IncomingUpdate(update_id=5, chat_key="7", payload="{}")]
    await harness.storage.inbox.add(rows, now=harness.now)
    await harness.storage.inbox.set_aside(5, error="the handler fails", now=harness.now)
    [told] = await harness.look()
    assert (told.params["alert"], told.params["update"]) == ("set_aside", 5)
    assert "the handler fails" in texts.notices.notice(told).render()[0]


async def test_the_balance_is_requested_rarely_and_no_answer_ends_no_alert(
    harness: MonitorHarness,
) -> None:
    harness.funds = Decimal(1)
    assert len(await harness.look()) == 1
    for _ in range(5):
        await harness.look(timedelta(seconds=5))
    assert harness.asked == 1
    harness.funds = None
    assert await harness.look(BALANCE_AGE) == []
    assert harness.asked == 2


async def test_a_key_that_is_refused_at_the_start_is_told_at_once_and_ends_when_it_works(
    harness: MonitorHarness,
) -> None:
    harness.refused = Hold.KEY_REFUSED
    assert heard(await harness.look()) == [("alert", AlertKind.KEY_REFUSED.value)]
    assert await harness.look(BALANCE_AGE) == []
    harness.refused = None
    restarted = MonitorHarness(harness.storage, now=harness.now)
    assert heard(await restarted.look()) == [("alert_over", AlertKind.KEY_REFUSED.value)]


async def test_an_order_that_was_refused_is_not_ended_by_the_balance(
    harness: MonitorHarness,
) -> None:
    harness.signals.held = (Hold.KEY_REFUSED, harness.now)
    assert heard(await harness.look()) == [("alert", AlertKind.KEY_REFUSED.value)]
    assert await harness.look(BALANCE_AGE) == []


async def test_a_short_conflict_while_one_process_takes_over_is_not_told(
    harness: MonitorHarness,
) -> None:
    harness.signals.conflict(harness.now)
    harness.signals.conflict(harness.now + timedelta(seconds=3))
    assert await harness.look(timedelta(seconds=5)) == []


async def test_two_processes_that_see_a_problem_report_it_once(harness: MonitorHarness) -> None:
    other = MonitorHarness(harness.storage, free=0)
    harness.free = 0
    assert len(await harness.look()) + len(await other.look()) == 1


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_has_texts_for_start_and_end_and_a_button(kind: AlertKind, lang: str) -> None:
    assert set(ALERTS) == set(AlertKind)
    names = ("model", "task", "update", "reason", "error", "roubles", "threshold", "minutes",
             "megabytes", "count", "stars", "user", "refund")  # fmt: skip
    values = dict.fromkeys(names, 7)
    params = {"alert": kind.value, "seconds": 90.0, **values}

    def notice(what: NoticeKind) -> Notice:
        return Notice(kind=what, chat=Chat(chat_id=1), lang=lang, params=params)

    begin, end = notice(NoticeKind.ALERT), notice(NoticeKind.ALERT_OVER)
    assert "{" not in texts.notices.notice(begin).render()[0]
    assert "{" not in texts.notices.notice(end).render()[0]
    keyboard = keyboards.notices.notice(begin)
    assert keyboard is not None
    assert keyboard.inline_keyboard
    assert keyboards.notices.notice(end) is None


@pytest.mark.parametrize(
    ("reason", "lang", "said"),
    [
        (Reason.CHAT_UNREACHABLE, "en", "kept here.\nTelegram did not let me write to this chat."),
        (
            Reason.RESULT_GONE,
            "en",
            "could not get its file.\nThe video was made, but the service no",
        ),
        (
            Reason.RESULT_UNUSABLE,
            "ru",
            "не смог получить файл.\nВместо видео сервис прислал что-то",
        ),
    ],
)
def test_an_undelivered_order_is_told_with_its_reason_and_whether_its_file_is_here(
    reason: Reason, lang: str, said: str
) -> None:
    params: dict[str, str | int | float | bool | None] = {
        "alert": AlertKind.UNDELIVERABLE.value, "task": 7, "reason": reason.value,
    }  # fmt: skip
    text = texts.alerts.alert(lang, params).render()[0]
    assert said in text
    assert reason.value not in text


async def test_a_refused_refund_is_an_alert_until_it_is_decided(harness: MonitorHarness) -> None:
    stars = harness.storage.stars
    assert await stars.purchase(
        user_id=7, payment_id="stx", stars=10, credit=Decimal(17), now=harness.now
    )
    assert await stars.refund("stx", now=harness.now)
    assert await harness.look() == []
    await stars.refund_refused("stx", now=harness.now, error="CHARGE_ID_INVALID")
    [told] = await harness.look()
    assert (told.params["user"], told.params["stars"]) == (7, 10)
    assert await harness.look(timedelta(days=3)) == []
    entry = int(str(told.params["refund"]))
    assert await stars.decide_refused(entry, again=False, by=1, now=harness.now)
    assert heard(await harness.look()) == [("alert_over", AlertKind.REFUND_REFUSED.value)]


# --- what is held --------------------------------------------------------------------------


async def test_a_paused_intake_accepts_no_orders_until_it_is_resumed(
    harness: MonitorHarness,
) -> None:
    assert await harness.storage.alerts.hold(Switch.INTAKE, by=1, now=NOON)
    assert not await harness.storage.alerts.hold(Switch.INTAKE, by=2, now=NOON)
    with pytest.raises(IntakeHeld):
        await queued(harness.storage)
    counts = await harness.storage.tasks.counts()
    assert (counts[TaskState.DRAFT], counts[TaskState.QUEUED]) == (1, 0)
    assert await harness.storage.alerts.release([Switch.INTAKE], by=1, now=NOON)
    assert (await queued(harness.storage)).state is TaskState.QUEUED
    acts = await harness.storage.audit.latest()
    assert [act.act for act in acts] == ["release intake", "hold intake"]


async def test_held_submits_stop_the_queue_and_nothing_else(harness: MonitorHarness) -> None:
    begun = await task_in(harness.storage, TaskState.GENERATING)
    waiting = await queued(harness.storage)
    await harness.storage.alerts.hold(Switch.SUBMITS, by=1, now=NOON)

    async def claim() -> set[int]:
        claimed = await harness.storage.tasks.claim_due(
            owner="one", now=NOON + MINUTE, lease_for=MINUTE, limit=9, slots=20
        )
        return {task.id for task in claimed}

    assert await claim() == {begun.id}
    await harness.storage.alerts.release([Switch.SUBMITS], by=1, now=NOON)
    assert await claim() == {waiting.id}


async def test_held_photos_leave_the_queue_of_photos_alone_and_the_rest_goes_on(
    harness: MonitorHarness,
) -> None:
    photo = await queued(harness.storage, frame=PHOTO)
    words = await queued(harness.storage)
    await harness.storage.alerts.hold(Switch.PHOTOS, by=1, now=NOON)

    async def claim() -> set[int]:
        claimed = await harness.storage.tasks.claim_due(
            owner="one", now=NOON + MINUTE, lease_for=MINUTE, limit=9, slots=20
        )
        return {task.id for task in claimed}

    assert await claim() == {words.id}
    with pytest.raises(PhotosHeld):
        await queued(harness.storage, frame=PHOTO)
    assert heard(await harness.look()) == []  # an admin knows what they did
    await harness.storage.alerts.release([Switch.PHOTOS], by=1, now=NOON)
    assert await claim() == {photo.id}


async def test_photos_that_the_program_held_are_told_until_an_admin_takes_them_again(
    harness: MonitorHarness,
) -> None:
    task = await task_in(harness.storage, TaskState.FAILED)
    async with harness.storage.database.transaction() as connection:
        await connection.execute(sa.update(tasks).values(reason=Reason.FRAME_UNFETCHED.value))
    await harness.storage.alerts.hold(Switch.PHOTOS, by=0, now=NOON)
    [told] = await harness.look(MINUTE)
    assert heard([told]) == [("alert", AlertKind.PHOTOS_UNFETCHED.value)]
    assert told.params["task"] == task.id
    assert await harness.look(MINUTE) == []
    await harness.storage.alerts.release([Switch.PHOTOS], by=1, now=NOON)
    assert heard(await harness.look()) == [("alert_over", AlertKind.PHOTOS_UNFETCHED.value)]


async def test_a_drain_is_told_when_nothing_is_under_way(harness: MonitorHarness) -> None:
    await queued(harness.storage)
    await harness.storage.alerts.hold(Switch.DRAIN, by=1, now=NOON)
    assert await harness.look() == []
    lease = await leased(harness.storage)
    ended = lease.to(TaskState.FAILED, run_at=NOON)
    assert await harness.storage.tasks.save(lease, ended, now=NOON)
    [told] = await harness.look()
    assert told.kind is NoticeKind.DRAINED
    assert await harness.look() == []
    with pytest.raises(IntakeHeld):
        await queued(harness.storage)


async def test_a_group_gets_alerts_in_the_language_of_the_last_admin(
    tmp_path: Path,
) -> None:
    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        for person, lang in ((1, "ru"), (2, "en")):
            await storage.users.see(person, lang=lang, name="A", now=NOON)
        group = -100500
        langs = []
        for admin in (2, 1):
            await storage.alerts.hold(Switch.DRAIN, by=admin, now=NOON)
            await storage.alerts.drained(told=[group], now=NOON)
            await storage.alerts.release([Switch.INTAKE], by=admin, now=NOON)
            [told] = await storage.outbox.claim(owner="test", now=NOON, lease_for=MINUTE, limit=9)
            await storage.outbox.done(told.id)
            langs.append((told.notice.chat.chat_id, told.notice.lang))
        assert langs == [(group, "en"), (group, "ru")]


async def finished(harness: MonitorHarness, *, failed: bool, count: int) -> None:
    """Orders that the provider charged, ended one after the other."""
    for number in range(count):
        harness.now += MINUTE
        key = f"{harness.now:%H%M}-{number}"
        task = await make_task(harness.storage, 7, now=harness.now, provider_id=key, failed=failed)
        assert task


async def test_a_series_of_charged_failures_is_reported_and_ends_with_a_video(
    harness: MonitorHarness,
) -> None:
    await finished(harness, failed=True, count=4)
    assert heard(await harness.look()) == []
    await finished(harness, failed=True, count=1)
    [told] = await harness.look()
    assert heard([told]) == [("alert", AlertKind.CHARGED_FAILURES.value)]
    assert (told.params["count"], told.params["roubles"]) == (5, "85.00")
    assert await harness.look(MINUTE) == []
    assert not await harness.storage.alerts.is_held(Switch.INTAKE)
    await finished(harness, failed=False, count=1)
    assert heard(await harness.look()) == [("alert_over", AlertKind.CHARGED_FAILURES.value)]


async def test_the_failure_breaker_pauses_new_orders(tmp_path: Path) -> None:
    async with open_storage(with_tables(tmp_path / "bot.db")) as storage:
        harness = MonitorHarness(storage, failure_breaker=3)
        await finished(harness, failed=True, count=2)
        await harness.look()
        assert not await storage.alerts.is_held(Switch.INTAKE)
        await finished(harness, failed=True, count=1)
        await harness.look()
        assert await storage.alerts.is_held(Switch.INTAKE)


HOUR = timedelta(hours=1)


async def test_an_order_taken_before_the_clock_went_back_ends_no_alert(
    harness: MonitorHarness,
) -> None:
    """Otherwise the alert would open and close every five seconds for an hour."""
    harness.signals.took("model", harness.now)
    harness.now -= HOUR
    await harness.look()
    harness.signals.held = (Hold.KEY_REFUSED, harness.now)
    assert [kind for kind, _ in heard(await harness.look(MINUTE))] == ["alert"]
    for _ in range(3):
        assert await harness.look(MINUTE) == []
    harness.signals.took("model", harness.now + MINUTE)
    assert [kind for kind, _ in heard(await harness.look(MINUTE))] == ["alert_over"]


async def test_an_alert_from_before_the_clock_went_back_ends_by_what_comes_after(
    harness: MonitorHarness,
) -> None:
    harness.signals.held = (Hold.KEY_REFUSED, harness.now)
    assert [kind for kind, _ in heard(await harness.look())] == ["alert"]
    harness.now -= HOUR
    await set_back.bring_nearer(harness.storage.database, HOUR, now=harness.now)
    harness.signals.took("model", harness.now + MINUTE)
    assert [kind for kind, _ in heard(await harness.look(2 * MINUTE))] == ["alert_over"]


async def test_the_balance_is_read_although_the_clock_went_back(harness: MonitorHarness) -> None:
    await harness.look()
    asked = harness.asked
    await harness.look(-HOUR)
    assert harness.asked == asked + 1


async def test_updates_that_never_came_are_told_although_the_clock_went_back(
    harness: MonitorHarness,
) -> None:
    harness.age = None
    assert await harness.look(-HOUR) == []
    assert await harness.look(4 * MINUTE) == []
    assert heard(await harness.look(2 * MINUTE)) == [("alert", AlertKind.NO_UPDATES.value)]
