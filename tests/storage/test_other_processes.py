"""Acts for one person change no row of another person with the same data.

One world like the other: tasks in every state, cards and messages of the same numbers, payments,
refunds, presses, files. Every row of every table is compared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bot.core.notices import Notice, NoticeKind
from bot.core.task import AspectRatio, Chat, Frame, Task, TaskState
from storage import Storage
from storage.tables import metadata
from tests.support.factories import ANN, BOB, MINUTE, NOON, PHOTO, draft, task_in

S = TaskState
DAY = timedelta(days=1)
TALL = AspectRatio.TALL
PRICE = Decimal(17)
FIRST = 100
"""The number of a person's first message: the same in every chat."""

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


async def rows(storage: Storage) -> Rows:
    """The whole database, by table and key."""
    found: Rows = {}
    async with storage.database.transaction() as connection:
        for table in metadata.sorted_tables:
            for row in (await connection.execute(sa.select(table))).all():
                key = tuple(row._mapping[column] for column in table.primary_key.columns)
                found[table.name, *key] = tuple(row)
    return found


@dataclass
class World:
    """What one person has."""

    who: int
    of: dict[TaskState, Task] = field(default_factory=dict)
    spare: Task | None = None  # a second draft
    waiting: Task | None = None  # a photo without words

    @property
    def chat(self) -> Chat:
        return Chat(chat_id=self.who)

    def pay(self, number: int) -> str:
        return f"pay-{self.who}-{number}"


async def settle_in(storage: Storage, who: int) -> World:
    """Everything that a person can have; nobody else can lease what is due of it."""
    world = World(who)
    place: dict[str, Any] = {"user_id": who, "chat": world.chat}
    for number, state in enumerate(S):
        task = await task_in(storage, state, message_id=FIRST + number, **place)
        if state in (S.DRAFT, S.QUEUED):
            await storage.tasks.set_card(task.id, card_message_id=FIRST + 50, is_media=True)
        world.of[state] = task
    await storage.tasks.cancel(world.of[S.CANCELLED].id, user_id=who, now=NOON)
    for number in range(4):
        await storage.stars.purchase(
            payment_id=world.pay(number), user_id=who, stars=10, credit=PRICE, now=NOON
        )
    assert await storage.stars.refund(world.pay(0), user_id=who, now=NOON)
    delivered = world.of[S.DELIVERED].id
    pressed = await storage.callback_actions.draft_from(
        delivered, update_id=who * 1000, lang="en", model="m", price=PRICE, now=NOON, user_id=who
    )
    assert pressed is not None
    await storage.tasks.confirm(
        pressed.id, user_id=who, aspect_ratio=TALL, update_id=who * 1000, now=NOON
    )
    await storage.callback_actions.keep_document(delivered, "doc")
    world.spare = await draft(storage, message_id=FIRST + 60, **place)
    world.waiting = await storage.tasks.draft_from_frame(
        **place, message_id=FIRST + 61, lang="ru", model="m", price=PRICE, prompt=None,
        frame=PHOTO, now=NOON, media_group_id="album",
    )  # fmt: skip
    told = Notice(kind=NoticeKind.OVERDUE, chat=world.chat, lang="en", reply_to=FIRST)
    await storage.outbox.add([told], now=NOON)
    generating = world.of[S.GENERATING]
    await storage.frames.publish(
        generating, token=f"frame-{who}", jpeg=b"j", expires_at=NOON + DAY
    )
    await storage.tasks.claim_due(
        owner=f"of {who}", now=NOON + MINUTE, lease_for=30 * DAY, limit=1_000, slots=None
    )
    found = {state: await storage.tasks.get(task.id) for state, task in world.of.items()}
    world.of = {state: task for state, task in found.items() if task is not None}
    return world


Act = Callable[[], Awaitable[object]]


async def check(storage: Storage, other: Storage, acts: dict[str, Act], before: Rows) -> None:
    """Each act does something, and leaves the rows of `before` as they were."""
    everything = await rows(other)
    for name, act in acts.items():
        await act()
        now = await rows(other)
        changed = {key for key, row in before.items() if now.get(key) != row}
        changed.discard(("provider_account", 1))  # it belongs to nobody: it counts all creates
        assert not changed, f"{name} changed what is another's: {sorted(map(str, changed))}"
        assert now != everything, f"{name} did nothing"
        everything = now


async def test_acts_of_a_person_change_no_rows_of_another(
    storage: Storage, other: Storage
) -> None:
    await settle_in(storage, BOB)
    before = await rows(storage)
    ann = await settle_in(storage, ANN)
    tasks = storage.tasks
    mine: dict[str, Any] = {"user_id": ANN}
    assert ann.spare is not None
    spare = ann.spare.id
    place: dict[str, Any] = {"chat": ann.chat, **mine}
    words: dict[str, Any] = {**place, "lang": "ru", "model": "m", "price": PRICE, "now": NOON}
    frame = Frame(file_id="other", kind="document")
    shown = await tasks.get(spare)
    assert shown is not None
    acts: dict[str, Act] = {
        "choose": lambda: tasks.choose(spare, model="other", price=Decimal(41), **mine),
        "reword": lambda: tasks.choose_wording(
            spare, prompt="x", original="y", rewritten="x", **mine
        ),
        "card shown": lambda: tasks.card_shown(shown, card_message_id=FIRST + 51, is_media=True),
        "card set": lambda: tasks.set_card(spare, card_message_id=FIRST + 52, is_media=False),
        "edited": lambda: tasks.edited(**place, message_id=FIRST, prompt="it is a dog"),
        "words for the card": lambda: tasks.draft_from_text(
            **words, message_id=FIRST + 70, prompt="to the card", replied_to=FIRST + 50
        ),
        "words for the photo": lambda: tasks.draft_from_text(
            **words, message_id=FIRST + 71, prompt="to the photo", replied_to=FIRST + 61
        ),
        "words for the album": lambda: tasks.draft_from_frame(
            **words, message_id=FIRST + 72, frame=frame, prompt=None, media_group_id="album 2"
        ),
        "later words for the album": lambda: tasks.draft_from_frame(
            **words, message_id=FIRST + 73, frame=frame, prompt="hm", media_group_id="album 2"
        ),
        "words alone": lambda: tasks.draft_from_text(
            **words, message_id=FIRST + 74, prompt="alone"
        ),
        "a photo to them": lambda: tasks.draft_from_frame(
            **words, message_id=FIRST + 75, frame=frame, prompt=None
        ),
        "confirm": lambda: tasks.confirm(
            spare, aspect_ratio=TALL, update_id=9_001, now=NOON, **mine
        ),
        "cancel": lambda: tasks.cancel(spare, now=NOON, **mine),
        "cancel the latest": lambda: tasks.cancel_latest(**place, update_id=9_002, now=NOON),
        "order once more": lambda: tasks.retry_unknown(
            ann.of[S.UNKNOWN].id, update_id=9_003, now=NOON, **mine
        ),
        "send once more": lambda: tasks.redeliver(ann.of[S.UNDELIVERABLE].id, now=NOON, **mine),
        "press": lambda: storage.callback_actions.draft_from(
            ann.of[S.FAILED].id,
            update_id=9_004,
            lang="en",
            model="m",
            price=PRICE,
            now=NOON,
            **mine,
        ),
        "a file": lambda: storage.callback_actions.keep_document(
            ann.of[S.UNDELIVERABLE].id, "doc"
        ),
        "a move": lambda: tasks.migrate_chat(ANN, -100_500),
    }
    await check(storage, other, acts, before)


async def test_acts_of_a_worker_change_no_rows_of_other_tasks(
    storage: Storage, other: Storage
) -> None:
    await settle_in(storage, BOB)
    before = await rows(storage)
    ann = await settle_in(storage, ANN)
    tasks, now = storage.tasks, NOON + MINUTE
    generating, rendered = ann.of[S.GENERATING], ann.of[S.RENDERED]
    queued, submitting = ann.of[S.QUEUED], ann.of[S.SUBMITTING]
    held = [(rendered.id, rendered.fence)]
    acts: dict[str, Act] = {
        "heartbeat": lambda: tasks.extend(f"of {ANN}", held, now=now, until=now + 40 * DAY),
        "save": lambda: tasks.save(queued, queued.to(S.SUBMITTING, run_at=now), now=now),
        "end": lambda: tasks.save(generating, generating.to(S.FAILED, run_at=now), now=now),
        "late id": lambda: tasks.record_late_id(submitting.id, "late", now=now),
        "late id of an unknown": lambda: tasks.record_late_id(ann.of[S.UNKNOWN].id, "l", now=now),
        "release": lambda: tasks.release(f"of {ANN}", held),
    }
    await check(storage, other, acts, before)


async def test_refunds_change_no_rows_of_another_person(storage: Storage, other: Storage) -> None:
    bob = await settle_in(storage, BOB)
    # Somebody else is about to give his Stars back.
    await storage.stars.claim_refunds(owner="his", now=NOON, lease_for=30 * DAY, limit=9)
    before = await rows(storage)
    ann = await settle_in(storage, ANN)
    stars, pay = storage.stars, ann.pay
    acts: dict[str, Act] = {
        "purchase": lambda: stars.purchase(
            user_id=ANN, payment_id=pay(9), stars=1, credit=PRICE, now=NOON
        ),
        "refund": lambda: stars.refund(pay(1), now=NOON, user_id=ANN),
        "refund by an admin": lambda: stars.refund(pay(2), now=NOON),
        "given back by Telegram": lambda: stars.refunded(pay(3), now=NOON),
        "claim": lambda: stars.claim_refunds(owner="hers", now=NOON, lease_for=MINUTE, limit=1),
        "later": lambda: stars.refund_later(pay(0), run_at=NOON + DAY, error="away"),
        "done": lambda: stars.refund_done(pay(0), now=NOON),
    }
    await check(storage, other, acts, before)
    assert await storage.ledger.credit(BOB) == 3 * PRICE
    assert {row.user_id for row in await stars.payments(BOB)} == {BOB}
    assert {row.payment_id for row in await stars.payments(ANN)} & {
        bob.pay(0),
        bob.pay(1),
    } == set()


async def test_acts_of_a_stranger_change_nothing(storage: Storage, other: Storage) -> None:
    bob = await settle_in(storage, BOB)
    ann = await settle_in(storage, ANN)
    before = await rows(storage)
    tasks = storage.tasks
    mine: dict[str, Any] = {"user_id": ANN}
    assert bob.spare is not None
    draft_id = bob.of[S.DRAFT].id
    refused = [
        await tasks.choose(draft_id, model="other", price=Decimal(41), **mine),
        await tasks.choose_wording(draft_id, prompt="x", original="y", rewritten="x", **mine),
        await tasks.confirm(draft_id, aspect_ratio=TALL, update_id=9_001, now=NOON, **mine),
        await tasks.cancel(draft_id, now=NOON, **mine),
        await tasks.cancel(bob.of[S.QUEUED].id, now=NOON, **mine),
        await tasks.retry_unknown(bob.of[S.UNKNOWN].id, update_id=9_002, now=NOON, **mine),
        await tasks.redeliver(bob.of[S.UNDELIVERABLE].id, now=NOON, **mine),
        await tasks.cancel_latest(chat=Chat(chat_id=BOB), update_id=9_003, now=NOON, **mine),
        await storage.callback_actions.draft_from(
            bob.of[S.DELIVERED].id,
            update_id=9_004,
            lang="en",
            model="m",
            price=PRICE,
            now=NOON,
            **mine,
        ),
    ]
    assert refused == [None] * len(refused)
    edited = await tasks.edited(chat=Chat(chat_id=BOB), message_id=FIRST, prompt="mine", **mine)
    assert edited is not None
    assert edited.user_id == BOB
    assert not await storage.stars.refund(bob.pay(1), now=NOON, user_id=ANN)
    lease = bob.of[S.QUEUED]
    assert (
        await tasks.extend(f"of {ANN}", [(lease.id, lease.fence)], now=NOON, until=NOON) == set()
    )
    await tasks.release(f"of {ANN}", [(lease.id, lease.fence)])
    assert ann.who == ANN
    assert await rows(other) == before
