"""Admins run the bot from a chat; for everybody else these commands do not exist."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from bot.core.access import Access
from bot.core.catalog_file import Taken
from bot.core.chat_models import ChatModel
from bot.core.notices import NoticeKind
from bot.core.task import AspectRatio, Task, TaskState
from bot.texts.callback_data import Operate, Operation
from storage import IncomingUpdate
from storage.tables import BroadcastState
from tests.support.factories import NOON, task_in
from tests.support.handler_harness import HandlerHarness, Person
from tests.support.zones import texts_in

ADMIN = 1
O = Operation  # noqa: E741


@pytest.fixture
def admin(harness: HandlerHarness) -> Person:
    harness.clock.now = NOON
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({ADMIN}))
    return Person(harness, user_id=ADMIN)


def press(person: Person, operation: Operation, number: int = 0) -> dict[str, Any]:
    return person.press(Operate(operation=operation, number=number).pack())


def acts(harness: HandlerHarness) -> list[tuple[Any, ...]]:
    return harness.rows("SELECT actor_id, act, task_id FROM audit ORDER BY id")


async def in_state(harness: HandlerHarness, state: TaskState, **changes: Any) -> Task:
    return await task_in(harness.storage, state, now=NOON, **changes)


async def test_admin_commands_and_buttons_do_not_exist_for_others(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    task = await in_state(harness, TaskState.UNKNOWN)
    for words in ("/admin", "/order 1", "/user 7", f"/settle {task.id} abc", "/stats", "/ledger"):
        await harness.feed(**ann.text(words))
        assert "help" in harness.telegram.sent[-1].text
    for operation in Operation:
        await harness.feed(**press(ann, operation, task.id))
    assert acts(harness) == []
    assert harness.states() == ["unknown"]
    assert await harness.storage.alerts.held() == {}


async def test_the_panel_shows_the_numbers_of_the_day(
    harness: HandlerHarness, admin: Person
) -> None:
    await in_state(harness, TaskState.DELIVERED)
    await in_state(harness, TaskState.UNKNOWN)
    await in_state(harness, TaskState.QUEUED)
    await harness.feed(**admin.text("/admin"))
    text = harness.telegram.sent[-1].text
    for line in ("Ordered: 3", "Delivered: 1", "Not known: 1", "In the queue: 1", "16.40"):
        assert line in text, line
    assert "Tunnel" not in text


async def test_the_panel_shows_the_state_of_the_tunnel(
    harness: HandlerHarness, admin: Person
) -> None:
    state = "cloudflared: open at https://a.trycloudflare.com"
    offer = replace(harness.dispatcher["offer"], tunnel_state=lambda: state)
    harness.dispatcher["offer"] = offer
    await harness.feed(**admin.text("/admin"))
    assert f"Tunnel: {state}" in harness.telegram.sent[-1].text


@pytest.mark.parametrize(
    ("hold", "release"),
    [(O.HOLD_INTAKE, O.RELEASE_INTAKE), (O.DRAIN, O.RELEASE_INTAKE)],
)
async def test_a_paused_intake_is_reported_to_people_until_it_is_resumed(
    harness: HandlerHarness, admin: Person, ann: Person, hold: Operation, release: Operation
) -> None:
    await harness.feed(**ann.text("a cat"))
    await harness.feed(**admin.text("/admin"))
    await harness.feed(**press(admin, hold))
    assert "New orders are paused" in harness.telegram.edits[-1].text or (
        "no new orders" in harness.telegram.edits[-1].text
    )
    order = ann.press(f"r|1|{AspectRatio.TALL.value}")
    await harness.feed(**order)
    assert "No new videos at the moment" in harness.telegram.toasts[-1]
    assert "No money was taken" in harness.telegram.toasts[-1]
    assert harness.states() == ["draft"]
    await harness.feed(**press(admin, release))
    await harness.feed(**order)
    assert harness.states() == ["queued"]


async def test_photos_are_switched_off_and_on_alone(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**ann.photo(caption="It waves"))
    await harness.feed(**admin.text("/admin"))
    shown = [data for row in harness.telegram.sent[-1].buttons for _, data in row]
    assert Operate(operation=O.HOLD_PHOTOS).pack() in shown
    await harness.feed(**press(admin, O.HOLD_PHOTOS))
    assert "with a photo are paused" in harness.telegram.edits[-1].text
    order = ann.press(f"r|1|{AspectRatio.TALL.value}")
    await harness.feed(**order)
    assert "without a photo" in harness.telegram.toasts[-1]
    await harness.feed(**ann.photo(caption="It jumps"))
    assert "Photos cannot be used" in harness.telegram.sent[-1].text
    await harness.feed(**ann.text("a cat"))
    await harness.feed(**ann.press(f"r|2|{AspectRatio.TALL.value}"))
    assert harness.states() == ["draft", "queued"]
    await harness.feed(**press(admin, O.RELEASE_PHOTOS))
    assert harness.woken
    await harness.feed(**order)
    assert harness.states() == ["queued", "queued"]
    assert acts(harness) == [(ADMIN, "hold photos", None), (ADMIN, "release photos", None)]


async def test_the_queue_is_held_and_released(harness: HandlerHarness, admin: Person) -> None:
    await harness.feed(**press(admin, O.HOLD_SUBMITS))
    await harness.feed(**press(admin, O.HOLD_SUBMITS))
    assert "already" in harness.telegram.toasts[-1]
    await harness.feed(**press(admin, O.RELEASE_SUBMITS))
    assert harness.woken
    assert acts(harness) == [(ADMIN, "hold submits", None), (ADMIN, "release submits", None)]


async def test_try_now_makes_postponed_orders_due_and_wakes_the_worker(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.QUEUED)
    later = (NOON + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S.000000")
    harness.rows("UPDATE tasks SET run_at = ?", later)
    await harness.feed(**press(admin, O.TRY_NOW))
    assert harness.tried == [harness.clock()]
    found = await harness.storage.tasks.get(task.id)
    assert found is not None
    assert found.run_at == harness.clock()


@pytest.mark.parametrize(
    ("taken", "said", "recorded"),
    [
        (Taken.DONE, "new cards show", [(ADMIN, "take over catalog", None)]),
        (Taken.NOTHING, "already", []),
        (Taken.NO_ANSWER, "does not answer", []),
        (Taken.NOT_WRITTEN, "cannot be written", []),
    ],
)
async def test_taking_over_prices_reports_its_outcome(
    harness: HandlerHarness, admin: Person, taken: Taken, said: str, recorded: list[Any]
) -> None:
    harness.taken = taken
    await harness.feed(**press(admin, O.TAKE_OVER))
    assert said in harness.telegram.toasts[-1]
    assert acts(harness) == recorded


async def test_an_order_is_shown_with_its_history_and_without_the_prompt(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.UNDELIVERABLE, prompt="my secret wish")
    await harness.feed(**admin.text(f"/order {task.id}"))
    shown = harness.telegram.sent[-1]
    for state in ("queued", "submitting", "generating", "rendered", "undeliverable"):
        assert state in shown.text
    assert "secret" not in shown.text
    await harness.feed(**press(admin, O.REDELIVER, task.id))
    assert harness.states() == ["rendered"]
    assert harness.woken
    await harness.feed(**press(admin, O.REDELIVER, task.id))
    assert "already" in harness.telegram.toasts[-1]
    assert acts(harness) == [(ADMIN, "redeliver", task.id)]


@pytest.mark.parametrize(
    ("operation", "entries", "charge"),
    [
        (O.CHARGED, ["reservation", "charge"], "taken"),
        (O.NOT_CHARGED, ["reservation", "return"], "none"),
    ],
)
async def test_an_unknown_order_is_settled_once_with_notice_and_ledger_entry(
    harness: HandlerHarness, admin: Person, operation: Operation, entries: list[str], charge: str
) -> None:
    task = await in_state(harness, TaskState.UNKNOWN)
    before = len(harness.rows("SELECT id FROM outbox"))
    await harness.feed(**press(admin, operation, task.id))
    await harness.feed(**press(admin, operation, task.id))
    assert "already" in harness.telegram.toasts[-1]
    assert harness.states() == ["failed"]
    assert [kind for (kind,) in harness.rows("SELECT kind FROM ledger ORDER BY id")] == entries
    told = harness.rows("SELECT kind, params FROM outbox ORDER BY id")[before:]
    assert [kind for kind, _ in told] == [NoticeKind.FAILED.value]
    assert json.loads(told[0][1])["charge"] == charge
    assert acts(harness) == [(ADMIN, "settle", task.id)]


async def test_an_unknown_order_that_was_found_is_polled_by_its_id(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.UNKNOWN)
    taken = await in_state(harness, TaskState.GENERATING)
    await harness.feed(**admin.text(f"/settle {task.id} {taken.provider_id}"))
    assert harness.task(task.id)["state"] == "unknown"
    await harness.feed(**admin.text(f"/settle {task.id} found-it"))
    row = harness.task(task.id)
    assert (row["state"], row["provider_id"]) == ("generating", "found-it")
    kinds = harness.rows("SELECT kind FROM ledger WHERE task_id = ? ORDER BY id", task.id)
    assert [kind for (kind,) in kinds] == ["reservation", "charge"]
    assert acts(harness) == [(ADMIN, "give id", task.id)]
    await harness.feed(**admin.text("/settle what"))
    assert "/settle 12" in harness.telegram.sent[-1].text
    await harness.feed(**admin.text("/settle 999"))
    assert "Nothing was found under this number" in harness.telegram.sent[-1].text


async def test_what_was_settled_by_hand_can_be_settled_again_until_a_video_was_delivered(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.UNKNOWN)
    await harness.feed(**press(admin, O.NOT_CHARGED, task.id))
    await harness.feed(**admin.text(f"/order {task.id}"))
    shown = [data for row in harness.telegram.sent[-1].buttons for _, data in row]
    assert Operate(operation=O.CHARGED, number=task.id).pack() in shown
    assert f"/settle {task.id}" in harness.telegram.sent[-1].text
    await harness.feed(**admin.text(f"/settle {task.id} wrong"))
    await harness.feed(**admin.text(f"/settle {task.id} right"))
    row = harness.task(task.id)
    assert (row["state"], row["provider_id"], row["ended_at"]) == ("generating", "right", None)
    kinds = harness.rows("SELECT kind FROM ledger WHERE task_id = ? ORDER BY id", task.id)
    assert [kind for (kind,) in kinds] == ["reservation", "return", "charge"]
    harness.rows("UPDATE tasks SET state = 'delivered' WHERE id = ?", task.id)
    await harness.feed(**admin.text(f"/settle {task.id} third"))
    await harness.feed(**press(admin, O.CHARGED, task.id))
    assert "Nothing was changed" in harness.telegram.sent[-1].text
    assert harness.task(task.id)["provider_id"] == "right"
    assert [act for _, act, _ in acts(harness)] == ["settle", "give id", "give id"]


async def test_a_charge_entered_by_mistake_comes_back_once(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.UNKNOWN)
    for operation in (O.CHARGED, O.NOT_CHARGED, O.NOT_CHARGED):
        await harness.feed(**press(admin, operation, task.id))
    rows = harness.rows("SELECT kind, kopecks FROM ledger ORDER BY id")
    assert rows == [("reservation", 1640), ("charge", 1640), ("return", 1640)]
    told = harness.rows("SELECT params FROM outbox WHERE kind = 'failed' ORDER BY id")
    assert [json.loads(params)["charge"] for (params,) in told] == ["taken", "none"]


async def test_an_order_that_failed_by_itself_is_not_settled(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.FAILED)
    await harness.feed(**admin.text(f"/settle {task.id} some-id"))
    await harness.feed(**press(admin, O.CHARGED, task.id))
    assert harness.states() == ["failed"]
    assert acts(harness) == []


async def test_a_person_is_looked_up_and_a_payment_given_back(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**ann.text("a cat"))
    credit = (await harness.storage.ledger.credit(7)) + 100
    await harness.storage.stars.purchase(
        user_id=7, payment_id="pay-1", stars=50, credit=credit, now=NOON
    )
    await harness.feed(**admin.text("/user 7"))
    shown = harness.telegram.sent[-1]
    assert "Ann" in shown.text
    [refund] = [data for row in shown.buttons for _, data in row if data.startswith("op|r|")]
    await harness.feed(**admin.press(refund))
    await harness.feed(**admin.press(refund))
    assert "already" in harness.telegram.toasts[-1]
    assert harness.rows("SELECT payment_id FROM star_refunds") == [("pay-1",)]
    assert acts(harness) == [(ADMIN, "refund", None)]


async def test_an_update_that_was_set_aside_is_shown_and_handled_again(
    harness: HandlerHarness, admin: Person
) -> None:
    row = IncomingUpdate(update_id=99, chat_key="7", payload='{"update_id": 99}')
    await harness.storage.inbox.add([row], now=NOON)
    await harness.storage.inbox.set_aside(99, error="the handler fails", now=NOON)
    await harness.feed(**press(admin, O.UPDATE, 99))
    assert "the handler fails" in harness.telegram.sent[-1].text
    await harness.feed(**press(admin, O.HANDLE, 99))
    await harness.feed(**press(admin, O.HANDLE, 99))
    assert harness.rows("SELECT state, attempts FROM inbox") == [("pending", 0)]
    assert acts(harness) == [(ADMIN, "handle again", None)]


@pytest.mark.parametrize("given", ["", "x"])
async def test_a_command_without_a_number_explains_itself(
    harness: HandlerHarness, admin: Person, given: str
) -> None:
    for command, said in (("/order", "/order 12 shows"), ("/user", "/user 123456")):
        await harness.feed(**admin.text(f"{command} {given}".strip()))
        assert said in harness.telegram.sent[-1].text


@pytest.mark.parametrize("number", ["12345"])
async def test_what_is_not_there_is_said_to_be_not_there(
    harness: HandlerHarness, admin: Person, number: str
) -> None:
    for command in ("/order", "/user"):
        await harness.feed(**admin.text(f"{command} {number}".strip()))
        assert "Nothing was found" in harness.telegram.sent[-1].text


async def test_stats_are_a_picture_even_without_data(
    harness: HandlerHarness, admin: Person
) -> None:
    sizes = []
    for _ in range(2):
        await harness.feed(**admin.text("/stats"))
        call = harness.telegram.named("sendPhoto")[-1]
        [png] = call.files.values()
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.format == "PNG"
            sizes.append((picture.size, png))
        await in_state(harness, TaskState.DELIVERED)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] != sizes[1][1]


async def test_stats_come_in_words_where_no_pictures_are_taken(
    harness: HandlerHarness, admin: Person
) -> None:
    harness.telegram.refuse("sendPhoto", 400, "Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN")
    await harness.feed(**admin.text("/stats"))
    [words] = harness.telegram.sent
    assert "14 days" in words.text


async def test_stats_of_other_numbers_of_days(harness: HandlerHarness, admin: Person) -> None:
    offer = replace(harness.dispatcher["offer"], zone=ZoneInfo("Europe/Moscow"))
    harness.dispatcher["offer"] = offer
    for command, said in (("/stats", "14 days"), ("/stats 30", "30 days"), ("/stats 1", "1 day")):
        await harness.feed(**admin.text(command))
        assert f"The last {said} (Europe/Moscow)" in harness.telegram.named("sendPhoto")[-1].text
    for wrong in ("/stats 0", "/stats 91", "/stats many"):
        await harness.feed(**admin.text(wrong))
        assert "at most 90" in harness.telegram.sent[-1].text


async def test_the_ledger_is_a_file_in_the_private_chat(
    harness: HandlerHarness, admin: Person
) -> None:
    await in_state(harness, TaskState.DELIVERED)
    await harness.storage.stars.purchase(
        user_id=7, payment_id="pay-1", stars=50, credit=Decimal("99.5"), now=NOON
    )
    chat = {"id": -100, "type": "supergroup", "title": "Ours"}
    await harness.feed(**Person(harness, user_id=ADMIN, chat=chat).text("/ledger 7"))
    call = harness.telegram.named("sendDocument")[-1]
    assert int(call.params["chat_id"]) == ADMIN
    assert "The last 7 days (UTC)" in call.text
    assert "3 entries" in call.text
    assert "in private" in harness.telegram.sent[-1].text
    [content] = call.files.values()
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [(row["kind"], row["roubles"], row["credit"], row["stars"]) for row in rows] == [
        ("reservation", "16.4", "0", "0"),
        ("charge", "16.4", "0", "0"),
        ("purchase", "0", "99.5", "50"),
    ]
    assert rows[0]["at"] == "2026-03-01T12:00:00+00:00"
    for wrong in ("/ledger 367", "/ledger x"):
        await harness.feed(**admin.text(wrong))
        assert "at most 366" in harness.telegram.sent[-1].text
    harness.telegram.refuse("sendDocument", 403, "Forbidden: bot can't initiate conversation")
    await harness.feed(**admin.text("/ledger"))
    assert "/start" in harness.telegram.sent[-1].text


async def test_a_broadcast_is_drafted_once_started_once_and_can_be_stopped(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**ann.text("a cat"))
    await harness.feed(**admin.text("/broadcast"))
    assert "reply to it with /broadcast" in harness.telegram.sent[-1].text
    opened = admin.message(forum_topic_created={"name": "News", "icon_color": 1})["message"]
    topic = {"message_thread_id": opened["message_id"], "is_topic_message": True}
    await harness.feed(**admin.text("/broadcast", reply_to_message=opened, **topic))
    assert "reply to it with /broadcast" in harness.telegram.sent[-1].text
    message = admin.text("News!")["message"]
    command = admin.text("/broadcast", reply_to_message=message)
    number = await harness.feed(**command)
    await harness.again(number, **command)
    assert "2 people" in harness.telegram.sent[-1].text
    assert harness.rows("SELECT state, total FROM broadcasts") == [("draft", 2)]
    await harness.feed(**press(admin, O.SEND, 1))
    await harness.feed(**press(admin, O.SEND, 1))
    assert "already" in harness.telegram.toasts[-1]
    assert harness.rows("SELECT state FROM broadcasts") == [(BroadcastState.RUNNING.value,)]
    await harness.feed(**press(admin, O.STOP, 1))
    assert harness.rows("SELECT state FROM broadcasts") == [("cancelled",)]
    assert "Stopped" in harness.telegram.edits[-1].text
    assert [act for _, act, _ in acts(harness)] == ["broadcast", "stop broadcast"]


@pytest.mark.parametrize(("found", "said"), [(False, "does not know this ID"), (None, "later")])
async def test_a_mistyped_id_settles_nothing(
    harness: HandlerHarness, admin: Person, found: bool | None, said: str
) -> None:
    harness.jobs["typo"] = found
    await harness.feed(**admin.text("/settle 7 typo"))
    assert said in harness.telegram.sent[-1].text
    assert acts(harness) == []


async def test_the_panel_names_the_chat_model_and_what_it_costs(
    harness: HandlerHarness, admin: Person
) -> None:
    async def line() -> str:
        await harness.feed(**admin.text("/admin"))
        text = harness.telegram.sent[-1].text
        return next(one for one in text.splitlines() if one.startswith("🌐"))

    assert await line() == "🌐 Translation: off"
    offer = replace(harness.dispatcher["offer"], translator=object())
    harness.dispatcher["offer"] = offer
    assert await line() == "🌐 Translation: on"
    harness.dispatcher["offer"] = replace(offer, translates_by=ChatModel("gpt-4o-mini"))
    assert await line() == "🌐 Translation: gpt-4o-mini"
    priced = ChatModel("gpt-4o-mini", Decimal("0.3"), Decimal("1.2"))
    harness.dispatcher["offer"] = replace(offer, translates_by=priced)
    assert await line() == "🌐 Translation: gpt-4o-mini, about 0.21\N{NO-BREAK SPACE}₽ a prompt"


async def test_the_day_names_the_model_that_looks_at_photos(
    harness: HandlerHarness, admin: Person
) -> None:
    async def line() -> str | None:
        await harness.feed(**admin.text("/admin"))
        lines = harness.telegram.sent[-1].text.splitlines()
        return next((line for line in lines if "Ideas" in line), None)

    assert await line() is None
    offer = replace(harness.dispatcher["offer"], viewer=object())
    harness.dispatcher["offer"] = offer
    assert await line() == "💡 Ideas for photos: on"
    harness.dispatcher["offer"] = replace(offer, views_by=ChatModel("gpt-4o"))
    assert await line() == "💡 Ideas for photos: gpt-4o"
    priced = ChatModel("gpt-4.1-mini", Decimal("0.3"), Decimal("1.2"))
    harness.dispatcher["offer"] = replace(offer, views_by=priced)
    assert (
        await line() == "💡 Ideas for photos: gpt-4.1-mini, about 0.51\N{NO-BREAK SPACE}₽ a photo"
    )


async def test_a_charge_that_was_taken_back_is_not_counted_as_spent(
    harness: HandlerHarness, admin: Person
) -> None:
    """In /admin and /stats; an order that is found later counts again."""
    await in_state(harness, TaskState.DELIVERED)
    task = await in_state(harness, TaskState.UNKNOWN)
    await harness.feed(**press(admin, O.CHARGED, task.id))
    for words, spent in (("/admin", "32.80"), ("/stats", "32.80")):
        await harness.feed(**admin.text(words))
        assert f"Spent: {spent}" in harness.telegram.sent[-1].text
    await harness.feed(**press(admin, O.NOT_CHARGED, task.id))
    for words in ("/admin", "/stats"):
        await harness.feed(**admin.text(words))
        assert "Spent: 16.40" in harness.telegram.sent[-1].text
    other = await in_state(harness, TaskState.UNKNOWN)
    await harness.feed(**press(admin, O.NOT_CHARGED, other.id))
    await harness.feed(**admin.text(f"/settle {other.id} found"))
    await harness.feed(**admin.text("/admin"))
    assert "Spent: 32.80" in harness.telegram.sent[-1].text


async def test_the_sums_of_the_charts_are_in_words(harness: HandlerHarness, admin: Person) -> None:
    for state in (TaskState.DELIVERED, TaskState.DELIVERED, TaskState.FAILED, TaskState.UNKNOWN):
        await in_state(harness, state)
    await harness.storage.stars.purchase(
        user_id=7, payment_id="pay-1", stars=50, credit=Decimal(85), now=NOON
    )
    await harness.feed(**admin.text("/stats 7"))
    lines = harness.telegram.sent[-1].text.splitlines()
    assert lines[1:] == [
        "Ordered: 4",
        "Delivered: 2",
        "Failed: 1",
        "Others (cancelled, waiting, in doubt): 1",
        "Half of the videos came within 0 seconds",
        "💳 Spent: 32.80\N{NO-BREAK SPACE}₽",
        "⭐ Received: 50",
    ]


async def test_the_day_adds_up_with_what_was_cancelled(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.QUEUED)
    await in_state(harness, TaskState.DELIVERED)
    await harness.feed(**admin.text("/admin"))
    assert "Cancelled" not in harness.telegram.sent[-1].text
    assert await harness.storage.tasks.cancel(task.id, user_id=task.user_id, now=NOON)
    await harness.feed(**admin.text("/admin"))
    text = harness.telegram.sent[-1].text
    assert all(line in text for line in ("Ordered: 2", "Delivered: 1", "Cancelled: 1"))


@pytest.fixture
def in_moscow() -> Iterator[None]:
    with texts_in("Europe/Moscow"):
        yield


@pytest.mark.usefixtures("in_moscow")
async def test_times_are_those_of_the_operators_zone(
    harness: HandlerHarness, admin: Person, ann: Person
) -> None:
    await harness.feed(**ann.text("a cat"))
    for words, line in (
        ("/order 1", "01.03 15:00:00 · draft\nTimes: Europe/Moscow"),
        ("/user 7", "Last seen: 01.03.2026 15:00 MSK"),
        ("/user 7", "1 · 01.03 15:00 · draft"),
    ):
        await harness.feed(**admin.text(words))
        assert line in harness.telegram.sent[-1].text


async def test_a_failure_is_told_in_words_beside_its_code(
    harness: HandlerHarness, admin: Person
) -> None:
    task = await in_state(harness, TaskState.FAILED)
    harness.rows(
        "UPDATE tasks SET reason = 'provider_failed', detail = 'HTTP 500' WHERE id = ?", task.id
    )
    russian = Person(harness, user_id=ADMIN, lang="ru")
    await harness.feed(**russian.text(f"/order {task.id}"))
    text = harness.telegram.sent[-1].text
    assert "Человеку сказано: Видеосервис начал создавать" in text
    assert "provider_failed: HTTP 500" in text
