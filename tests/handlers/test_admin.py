"""Admins run the bot from a chat; for everybody else there is nothing of it."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from bot.access import Access
from bot.buttons import Operate, Operation
from bot.notice import NoticeKind
from bot.task import AspectRatio, Task, TaskState
from storage import IncomingUpdate
from storage.tables import BroadcastState
from tests.handlers.conftest import Person, World
from tests.storage.given import NOON, task_in

ADMIN = 1
O = Operation  # noqa: E741


@pytest.fixture
def admin(world: World) -> Person:
    world.clock.now = NOON
    world.dispatcher["access"] = Access(is_open=True, admins=frozenset({ADMIN}))
    return Person(world, user_id=ADMIN)


def press(person: Person, operation: Operation, number: int = 0) -> dict[str, Any]:
    return person.press(Operate(operation=operation, number=number).pack())


def acts(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT actor_id, act, task_id FROM audit ORDER BY id")


async def in_state(world: World, state: TaskState, **changes: Any) -> Task:
    return await task_in(world.storage, state, now=NOON, **changes)


async def test_for_everybody_else_there_is_no_such_command_and_no_such_button(
    world: World, admin: Person, ann: Person
) -> None:
    task = await in_state(world, TaskState.UNKNOWN)
    for words in ("/admin", "/order 1", "/user 7", f"/settle {task.id} abc", "/stats"):
        await world.feed(**ann.text(words))
        assert "help" in world.telegram.sent[-1].text
    for operation in Operation:
        await world.feed(**press(ann, operation, task.id))
    assert acts(world) == []
    assert world.states() == ["unknown"]
    assert await world.storage.alerts.held() == {}


async def test_the_panel_tells_the_day_in_numbers(world: World, admin: Person) -> None:
    await in_state(world, TaskState.DELIVERED)
    await in_state(world, TaskState.UNKNOWN)
    await in_state(world, TaskState.QUEUED)
    await world.feed(**admin.text("/admin"))
    text = world.telegram.sent[-1].text
    for line in ("Ordered: 3", "Delivered: 1", "Not known: 1", "In the queue: 1", "16.40"):
        assert line in text, line


@pytest.mark.parametrize(
    ("hold", "release"),
    [(O.HOLD_INTAKE, O.RELEASE_INTAKE), (O.DRAIN, O.RELEASE_INTAKE)],
)
async def test_a_held_intake_is_told_to_whoever_orders_and_released_again(
    world: World, admin: Person, ann: Person, hold: Operation, release: Operation
) -> None:
    await world.feed(**ann.text("a cat"))
    await world.feed(**admin.text("/admin"))
    await world.feed(**press(admin, hold))
    assert "No orders are taken" in world.telegram.edits[-1].text or (
        "no orders are taken" in world.telegram.edits[-1].text
    )
    order = ann.press(f"r|1|{AspectRatio.TALL.value}")
    await world.feed(**order)
    assert "No new videos for the moment" in world.telegram.toasts[-1]
    assert "No money was taken" in world.telegram.toasts[-1]
    assert world.states() == ["draft"]
    await world.feed(**press(admin, release))
    await world.feed(**order)
    assert world.states() == ["queued"]


async def test_the_queue_is_held_and_released(world: World, admin: Person) -> None:
    await world.feed(**press(admin, O.HOLD_SUBMITS))
    await world.feed(**press(admin, O.HOLD_SUBMITS))
    assert "already" in world.telegram.toasts[-1]
    await world.feed(**press(admin, O.RELEASE_SUBMITS))
    assert world.woken
    assert acts(world) == [(ADMIN, "hold submits", None), (ADMIN, "release submits", None)]


async def test_try_now_makes_what_was_put_off_due_and_wakes_the_worker(
    world: World, admin: Person
) -> None:
    task = await in_state(world, TaskState.QUEUED)
    later = (NOON + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S.000000")
    world.rows("UPDATE tasks SET run_at = ?", later)
    await world.feed(**press(admin, O.TRY_NOW))
    assert world.tried == [world.clock()]
    found = await world.storage.tasks.get(task.id)
    assert found is not None
    assert found.run_at == world.clock()


async def test_an_order_is_looked_up_with_its_way_and_without_the_persons_words(
    world: World, admin: Person
) -> None:
    task = await in_state(world, TaskState.UNDELIVERABLE, prompt="my secret wish")
    await world.feed(**admin.text(f"/order {task.id}"))
    shown = world.telegram.sent[-1]
    for state in ("queued", "submitting", "generating", "rendered", "undeliverable"):
        assert state in shown.text
    assert "secret" not in shown.text
    await world.feed(**press(admin, O.REDELIVER, task.id))
    assert world.states() == ["rendered"]
    assert world.woken
    await world.feed(**press(admin, O.REDELIVER, task.id))
    assert "already" in world.telegram.toasts[-1]
    assert acts(world) == [(ADMIN, "redeliver", task.id)]


@pytest.mark.parametrize(
    ("operation", "entries", "charge"),
    [
        (O.CHARGED, ["reservation", "charge"], "taken"),
        (O.NOT_CHARGED, ["reservation", "return"], "none"),
    ],
)
async def test_an_unknown_order_is_settled_once_and_the_person_and_the_ledger_hear_it(
    world: World, admin: Person, operation: Operation, entries: list[str], charge: str
) -> None:
    task = await in_state(world, TaskState.UNKNOWN)
    before = len(world.rows("SELECT id FROM outbox"))
    await world.feed(**press(admin, operation, task.id))
    await world.feed(**press(admin, operation, task.id))
    assert "already" in world.telegram.toasts[-1]
    assert world.states() == ["failed"]
    assert [kind for (kind,) in world.rows("SELECT kind FROM ledger ORDER BY id")] == entries
    told = world.rows("SELECT kind, params FROM outbox ORDER BY id")[before:]
    assert [kind for kind, _ in told] == [NoticeKind.FAILED.value]
    assert json.loads(told[0][1])["charge"] == charge
    assert acts(world) == [(ADMIN, "settle", task.id)]


async def test_an_unknown_order_that_was_found_is_asked_for_by_its_number(
    world: World, admin: Person
) -> None:
    task = await in_state(world, TaskState.UNKNOWN)
    taken = await in_state(world, TaskState.GENERATING)
    await world.feed(**admin.text(f"/settle {task.id} {taken.provider_id}"))
    assert world.task(task.id)["state"] == "unknown"
    await world.feed(**admin.text(f"/settle {task.id} found-it"))
    row = world.task(task.id)
    assert (row["state"], row["provider_id"]) == ("generating", "found-it")
    kinds = world.rows("SELECT kind FROM ledger WHERE task_id = ? ORDER BY id", task.id)
    assert [kind for (kind,) in kinds] == ["reservation", "charge"]
    assert acts(world) == [(ADMIN, "give id", task.id)]
    await world.feed(**admin.text("/settle what"))
    assert "/settle 12" in world.telegram.sent[-1].text


async def test_a_person_is_looked_up_and_a_payment_given_back(
    world: World, admin: Person, ann: Person
) -> None:
    await world.feed(**ann.text("a cat"))
    credit = (await world.storage.ledger.credit(7)) + 100
    await world.storage.ledger.purchase(
        user_id=7, payment_id="pay-1", stars=50, credit=credit, now=NOON
    )
    await world.feed(**admin.text("/user 7"))
    shown = world.telegram.sent[-1]
    assert "Ann" in shown.text
    [refund] = [data for row in shown.buttons for _, data in row if data.startswith("op|r|")]
    await world.feed(**admin.press(refund))
    await world.feed(**admin.press(refund))
    assert "already" in world.telegram.toasts[-1]
    assert world.rows("SELECT payment_id FROM star_refunds") == [("pay-1",)]
    assert acts(world) == [(ADMIN, "refund", None)]


async def test_an_update_that_was_set_aside_is_shown_and_handled_again(
    world: World, admin: Person
) -> None:
    row = IncomingUpdate(update_id=99, chat_key="7", payload='{"update_id": 99}')
    await world.storage.inbox.add([row], now=NOON)
    await world.storage.inbox.set_aside(99, error="the handler fails", now=NOON)
    await world.feed(**press(admin, O.UPDATE, 99))
    assert "the handler fails" in world.telegram.sent[-1].text
    await world.feed(**press(admin, O.HANDLE, 99))
    await world.feed(**press(admin, O.HANDLE, 99))
    assert world.rows("SELECT state, attempts FROM inbox") == [("pending", 0)]
    assert acts(world) == [(ADMIN, "handle again", None)]


@pytest.mark.parametrize("number", ["", "0", "12345", "x"])
async def test_what_is_not_there_is_said_to_be_not_there(
    world: World, admin: Person, number: str
) -> None:
    for command in ("/order", "/user"):
        await world.feed(**admin.text(f"{command} {number}".strip()))
        assert "nothing of this number" in world.telegram.sent[-1].text


async def test_stats_are_a_picture_also_when_there_is_nothing_yet(
    world: World, admin: Person
) -> None:
    sizes = []
    for _ in range(2):
        await world.feed(**admin.text("/stats"))
        call = world.telegram.named("sendPhoto")[-1]
        [png] = call.files.values()
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.format == "PNG"
            sizes.append((picture.size, png))
        await in_state(world, TaskState.DELIVERED)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] != sizes[1][1]


async def test_a_broadcast_is_drafted_once_started_once_and_can_be_stopped(
    world: World, admin: Person, ann: Person
) -> None:
    await world.feed(**ann.text("a cat"))
    await world.feed(**admin.text("/broadcast"))
    assert "answer it with /broadcast" in world.telegram.sent[-1].text
    message = admin.text("News!")["message"]
    command = admin.text("/broadcast", reply_to_message=message)
    number = await world.feed(**command)
    await world.again(number, **command)
    assert "2 people" in world.telegram.sent[-1].text
    assert world.rows("SELECT state, total FROM broadcasts") == [("draft", 2)]
    await world.feed(**press(admin, O.SEND, 1))
    await world.feed(**press(admin, O.SEND, 1))
    assert "already" in world.telegram.toasts[-1]
    assert world.rows("SELECT state FROM broadcasts") == [(BroadcastState.RUNNING.value,)]
    await world.feed(**press(admin, O.STOP, 1))
    assert world.rows("SELECT state FROM broadcasts") == [("cancelled",)]
    assert "Stopped" in world.telegram.edits[-1].text
    assert [act for _, act, _ in acts(world)] == ["broadcast", "stop broadcast"]
