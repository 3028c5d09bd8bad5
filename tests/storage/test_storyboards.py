"""Films ordered as a whole: each part once, in order, reserved and given back. Both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bot.core.alerts import Switch
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.errors import CreditTooLow, LimitReached, PhotosHeld
from bot.core.storyboard import Scene, Storyboard
from bot.core.task import AspectRatio, Chat, Frame, Reason, Task, TaskState
from storage import Entry, Rest, Storage, migrate
from tests.support.factories import ANN, BOB, CHAT, MINUTE, NOON, PHOTO, SECOND, wish

S = TaskState
PRICE = Decimal("16.4")
SCENES = [Scene("кот бежит", "a cat runs"), Scene("it jumps", "it jumps"), Scene("спит", "sleeps")]


async def board(storage: Storage, **changes: Any) -> Storyboard:
    return await storage.storyboards.create(**wish(scenes=SCENES) | changes)


async def ordered(storage: Storage, of: Storyboard, update_id: int = 1) -> list[Task]:
    parts = await storage.storyboards.order(
        of, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=update_id, now=NOON,
        card_message_id=77,
    )  # fmt: skip
    assert parts is not None
    return parts


async def lease(storage: Storage, owner: str = "one") -> Task:
    [held] = await storage.tasks.claim_due(
        owner=owner, now=NOON, lease_for=MINUTE, limit=9, slots=9
    )
    return held


async def move(storage: Storage, held: Task, *states: TaskState, **changes: Any) -> Task:
    for state in states:
        extra: dict[str, Any] = {"provider_id": f"p{held.id}"} if state is S.GENERATING else {}
        extra |= {"video_file_id": f"v{held.id}"} if state is S.DELIVERED else {}
        extra |= {"reason": Reason.UNSAFE_PROMPT} if state is S.FAILED else {}
        after = held.to(state, run_at=NOON, **extra | changes)
        assert await storage.tasks.save(held, after, now=NOON)
        held = after
    return held


MADE = (S.SUBMITTING, S.GENERATING, S.RENDERED, S.DELIVERED)


async def states(storage: Storage, *ids: int) -> list[TaskState | None]:
    found = [await storage.tasks.get(one) for one in ids]
    return [one.state if one is not None else None for one in found]


async def reserved(storage: Storage) -> Decimal:
    """What is reserved or spent now."""
    totals = await storage.ledger.totals(NOON, NOON + MINUTE)
    return totals[Entry.RESERVATION].roubles - totals[Entry.RETURN].roubles


# --- the draft -----------------------------------------------------------------------------


async def test_the_same_message_makes_one_storyboard(storage: Storage, other: Storage) -> None:
    terms = wish(scenes=SCENES, frame=PHOTO)
    first = await storage.storyboards.create(**terms)
    assert await other.storyboards.create(**terms | {"scenes": []}) == first
    assert first.scenes == tuple(SCENES)
    assert (first.frame, first.price_of_all) == (PHOTO, 3 * PRICE)
    assert await other.storyboards.of_message(CHAT, terms["message_id"]) == first


async def test_a_change_counts_once_and_for_the_revision_it_was_made_from(
    storage: Storage, other: Storage
) -> None:
    first = await board(storage)
    turned = await storage.storyboards.change(first, scenes=SCENES[::-1], now=NOON)
    assert turned is not None
    assert turned.scenes == tuple(SCENES[::-1])
    assert await other.storyboards.change(first, scenes=SCENES[:2], now=NOON) is None
    assert await other.storyboards.get(first.id) == turned


async def test_only_the_owner_is_asked_and_answers(storage: Storage) -> None:
    first = await board(storage)
    await storage.storyboards.shown(first.id, 500)
    await storage.storyboards.asked(first.id, 501, 1)
    for message_id in (500, 501):
        found = await storage.storyboards.answered(CHAT, ANN, message_id)
        assert found is not None
        assert (found.id, found.asked_scene) == (first.id, 1)
        assert await storage.storyboards.answered(CHAT, BOB, message_id) is None
    assert await storage.storyboards.answered(Chat(chat_id=-5), ANN, 500) is None
    # a repeat of the answer says the same; a number of a scene that was moved says nothing
    assert found is not None
    answered = await storage.storyboards.change(found, scenes=SCENES, now=NOON, is_answer=True)
    assert answered is not None
    assert answered.asked_scene == 1
    turned = await storage.storyboards.change(answered, scenes=SCENES[::-1], now=NOON)
    assert turned is not None
    assert turned.asked_scene is None


async def test_cancel_takes_the_newest_card_once(storage: Storage) -> None:
    old, new = await board(storage), await board(storage)
    latest: dict[str, Any] = {"user_id": ANN, "chat": CHAT, "now": NOON}
    for _ in range(2):
        found = await storage.storyboards.cancel_latest(**latest, update_id=5)
        assert found is not None
        assert (found.id, found.is_open) == (new.id, False)
    assert await storage.storyboards.order(
        new, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=6, now=NOON,
        card_message_id=None,
    ) is None  # fmt: skip
    await storage.tasks.draft_from_text(**wish(prompt="newer", now=NOON + SECOND))
    assert await storage.storyboards.cancel_latest(**latest, update_id=7) is None
    # the order is cancelled; the same update again takes no card besides
    assert await storage.tasks.cancel_latest(user_id=ANN, chat=CHAT, update_id=7, now=NOON)
    assert await storage.storyboards.cancel_latest(**latest, update_id=7) is None
    assert (await storage.storyboards.get(old.id)) == old


# --- the order -----------------------------------------------------------------------------


async def test_all_parts_are_reserved_and_only_the_first_is_due(storage: Storage) -> None:
    parts = await ordered(storage, await board(storage, frame=PHOTO))
    assert [one.state for one in parts] == [S.QUEUED, S.DRAFT, S.DRAFT]
    assert [(one.film_id, one.film_place, one.film_last) for one in parts] == [
        (1, 1, 3), (1, 2, 3), (1, 3, 3),
    ]  # fmt: skip
    assert [one.frame for one in parts] == [PHOTO, None, None]
    assert (parts[0].prompt, parts[0].original) == ("a cat runs", "кот бежит")
    assert (parts[1].prompt, parts[1].original) == ("it jumps", None)
    assert parts[0].card_message_id == 77
    assert await reserved(storage) == 3 * PRICE
    assert await storage.privacy.consented(ANN)
    assert (await lease(storage)).id == parts[0].id, "one is due"


async def test_the_same_press_orders_once_and_another_nothing(
    storage: Storage, other: Storage
) -> None:
    first = await board(storage)
    parts = await ordered(storage, first)
    assert await ordered(other, first) == parts
    assert await other.storyboards.order(
        first, user_id=ANN, aspect_ratio=AspectRatio.WIDE, update_id=2, now=NOON,
        card_message_id=77,
    ) is None  # fmt: skip
    assert await reserved(storage) == 3 * PRICE


async def test_two_presses_at_the_same_moment_order_once(storage: Storage, other: Storage) -> None:
    first = await board(storage)
    found = await asyncio.gather(
        *(
            store.storyboards.order(
                first, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=number, now=NOON,
                card_message_id=77,
            )
            for number, store in enumerate((storage, other, storage, other))
        )
    )  # fmt: skip
    assert sum(one is not None for one in found) == 1
    assert await reserved(storage) == 3 * PRICE


async def test_nothing_is_ordered_of_another_person_or_of_an_old_card(storage: Storage) -> None:
    first = await board(storage)
    await storage.storyboards.change(first, scenes=SCENES[:2], now=NOON)
    for user_id in (ANN, BOB):
        assert await storage.storyboards.order(
            first, user_id=user_id, aspect_ratio=AspectRatio.TALL, update_id=3, now=NOON,
            card_message_id=77,
        ) is None  # fmt: skip
    assert await reserved(storage) == 0


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (OrderRules(caps={Cap.USER_PER_DAY: Limit(videos=2)}), LimitReached),
        (OrderRules(caps={Cap.USER_PER_DAY: Limit(roubles=40)}), LimitReached),
        (OrderRules(caps={Cap.GLOBAL_PER_DAY: Limit(videos=2)}), LimitReached),
        (OrderRules(sold=True), CreditTooLow),
    ],
)
async def test_what_a_film_is_too_dear_for_orders_none_of_it(
    storage: Storage, terms: OrderRules, error: type[Exception]
) -> None:
    storage.tasks.terms = terms
    if terms.sold:
        await storage.ledger.grant(ANN, 2 * PRICE, by=BOB, update_id=1, now=NOON)
    first = await board(storage)
    with pytest.raises(error):
        await ordered(storage, first)
    assert await storage.storyboards.get(first.id) == first
    assert await storage.tasks.latest(ANN) == []
    assert await reserved(storage) == 0


async def test_one_part_at_a_time_counts_as_one_at_once(storage: Storage) -> None:
    storage.tasks.terms = OrderRules(caps={Cap.USER_AT_ONCE: Limit(videos=1)})
    await ordered(storage, await board(storage))
    with pytest.raises(LimitReached):
        await ordered(storage, await board(storage), update_id=2)


async def test_no_film_is_ordered_while_pictures_are_paused(storage: Storage) -> None:
    await storage.alerts.hold(Switch.PHOTOS, by=BOB, now=NOON)
    with pytest.raises(PhotosHeld):
        await ordered(storage, await board(storage))


# --- one part after the other --------------------------------------------------------------


async def test_a_part_queues_the_next_one_in_the_commit_that_delivers_it(
    storage: Storage, other: Storage
) -> None:
    parts = await ordered(storage, await board(storage))
    ids = [one.id for one in parts]
    for number, part in enumerate(parts):
        held = await lease(storage)
        assert held.id == part.id
        assert held.frame == (
            Frame(file_id=f"v{ids[number - 1]}", kind="video") if number else None
        )
        assert held.card_message_id == 77, "the status message goes on"
        assert (await states(other, *ids))[number + 1 :] == [S.DRAFT] * (2 - number)
        rendered = await move(storage, held, *MADE[:3])
        assert not await storage.storyboards.stopped_by_doubt(rendered)
        made = await move(storage, rendered, S.DELIVERED)
        # the answer to the commit was lost: the same write again begins nothing more
        assert await other.tasks.save(rendered, made, now=NOON)
    assert await states(other, *ids) == [S.DELIVERED] * 3
    [film] = await storage.films.claim(owner="x", now=NOON, lease_for=MINUTE, limit=2)
    assert (film.id, film.chat) == (1, CHAT), "the whole film is requested"
    shown = await storage.films.get(1)
    assert shown is not None
    assert [one.id for one in shown.parts] == ids


async def test_the_whole_film_follows_one_that_is_joined_while_the_last_part_arrives(
    storage: Storage, other: Storage
) -> None:
    """The film was requested and joined before its last part came, so that film lacks this
    part."""
    parts = await ordered(storage, await board(storage))
    for _ in parts[:2]:
        await move(storage, await lease(storage), *MADE)
    how: dict[str, Any] = {"chat": CHAT, "lang": "ru", "reply_to": 7, "now": NOON}
    assert await storage.films.want(1, user_id=ANN, **how)
    [_] = await other.films.claim(owner="x", now=NOON, lease_for=MINUTE, limit=2)
    joining = await other.films.get(1)
    assert joining is not None
    assert len(joining.parts) == 2
    await move(storage, await lease(storage), *MADE)
    assert not await storage.films.want(1, user_id=ANN, **how), "it is requested"
    await other.films.joined("x", joining, "file")
    [film] = await storage.films.claim(owner="y", now=NOON, lease_for=MINUTE, limit=2)
    assert film.attempts == 1
    whole = await storage.films.get(1)
    assert whole is not None
    assert len(whole.parts) == 3
    assert whole.file_id is None


@pytest.mark.parametrize("end", [S.FAILED, S.UNKNOWN, S.UNDELIVERABLE])
async def test_a_part_without_a_video_gives_back_those_after_it(
    storage: Storage, end: TaskState
) -> None:
    ids = [one.id for one in await ordered(storage, await board(storage))]
    way = {
        S.FAILED: (S.SUBMITTING, S.FAILED),
        S.UNKNOWN: (S.SUBMITTING, S.UNKNOWN),
        S.UNDELIVERABLE: (*MADE[:3], S.UNDELIVERABLE),
    }[end]
    await move(storage, await lease(storage), *way)
    assert await states(storage, *ids) == [end, S.CANCELLED, S.CANCELLED]
    assert await reserved(storage) == (Decimal(0) if end is S.FAILED else PRICE)
    assert await storage.tasks.claim_due(
        owner="two", now=NOON + MINUTE, lease_for=MINUTE, limit=9, slots=9
    ) == []  # fmt: skip


async def test_a_video_that_is_only_a_link_stops_the_film(storage: Storage) -> None:
    ids = [one.id for one in await ordered(storage, await board(storage))]
    await move(storage, await move(storage, await lease(storage), *MADE[:3]), S.DELIVERED,
               video_file_id=None)  # fmt: skip
    assert await states(storage, *ids) == [S.DELIVERED, S.CANCELLED, S.CANCELLED]


async def test_a_late_id_after_the_stop_begins_no_other_part(storage: Storage) -> None:
    ids = [one.id for one in await ordered(storage, await board(storage))]
    await move(storage, await lease(storage), S.SUBMITTING, S.UNKNOWN)
    assert await storage.tasks.record_late_id(ids[0], "late", now=NOON)
    rendered = await move(storage, await lease(storage, "two"), S.RENDERED)
    assert await storage.storyboards.stopped_by_doubt(rendered)
    await move(storage, rendered, S.DELIVERED)
    assert await states(storage, *ids) == [S.DELIVERED, S.CANCELLED, S.CANCELLED]


@pytest.mark.parametrize("by", ["stop", "cancel", "cancel_latest"])
async def test_a_stop_takes_what_has_not_begun(storage: Storage, by: str) -> None:
    ids = [one.id for one in await ordered(storage, await board(storage))]
    await move(storage, await lease(storage), *MADE)
    if by == "stop":
        assert not await storage.storyboards.stop(ids[0], user_id=BOB, now=NOON)
        assert await storage.storyboards.stop(ids[0], user_id=ANN, now=NOON)
        assert not await storage.storyboards.stop(ids[0], user_id=ANN, now=NOON)
    elif by == "cancel":
        assert await storage.tasks.cancel(ids[1], user_id=BOB, now=NOON) is None
        assert await storage.tasks.cancel(ids[1], user_id=ANN, now=NOON)
    else:
        assert await storage.tasks.cancel_latest(user_id=ANN, chat=CHAT, update_id=9, now=NOON)
    assert await states(storage, *ids) == [S.DELIVERED, S.CANCELLED, S.CANCELLED]
    assert await reserved(storage) == PRICE
    assert [one.state for one in await storage.storyboards.parts(1)] == await states(storage, *ids)


async def test_a_stop_and_a_delivery_at_the_same_moment_agree(
    storage: Storage, other: Storage
) -> None:
    for number in range(8):
        ids = [one.id for one in await ordered(storage, await board(storage), number)]
        held = await move(storage, await lease(storage), *MADE[:3])
        await asyncio.gather(
            move(storage, held, S.DELIVERED),
            other.storyboards.stop(ids[0], user_id=ANN, now=NOON),
        )
        assert await states(storage, *ids) == [S.DELIVERED, S.CANCELLED, S.CANCELLED]


async def test_a_waiting_part_is_no_card(storage: Storage) -> None:
    first, second, _ = await ordered(storage, await board(storage))
    assert await storage.tasks.confirm(
        second.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=8, now=NOON
    ) is None  # fmt: skip
    assert await storage.tasks.choose(second.id, user_id=ANN, variants=3) is None
    photo = wish(frame=PHOTO, prompt=None)
    joined = await storage.tasks.draft_from_frame(**photo)
    assert joined.storyboard_id is None
    assert first.storyboard_id == 1
    await storage.privacy.forget(drafts_before=NOON + MINUTE, orders_before=NOON - MINUTE)
    assert await states(storage, second.id) == [S.DRAFT], "it is no old card"


async def test_a_person_is_erased_with_what_waits(storage: Storage) -> None:
    await ordered(storage, await board(storage))
    left = await board(storage)
    await storage.privacy.erase_person(ANN, now=NOON)
    assert await reserved(storage) == 0
    assert await storage.storyboards.get(left.id) is None
    assert await storage.tasks.latest(ANN) == []


async def test_old_storyboards_are_forgotten(storage: Storage) -> None:
    left, done = await board(storage), await board(storage)
    await ordered(storage, done)
    await storage.privacy.forget(drafts_before=NOON + MINUTE, orders_before=NOON - MINUTE)
    assert await storage.storyboards.get(left.id) is None
    assert await storage.storyboards.get(done.id) is not None
    await storage.privacy.forget(drafts_before=NOON + MINUTE, orders_before=NOON + MINUTE)
    assert await storage.storyboards.get(done.id) is None


async def test_a_group_that_moves_takes_its_cards_along(storage: Storage) -> None:
    group = Chat(chat_id=-5)
    first = await board(storage, chat=group)
    await storage.storyboards.shown(first.id, 500)
    await storage.tasks.migrate_chat(-5, -100_5)
    found = await storage.storyboards.get(first.id)
    assert found is not None
    assert (found.chat.chat_id, found.card_message_id) == (-100_5, None)


# --- going on ------------------------------------------------------------------------------


async def rest(
    storage: Storage, task_id: int, update_id: int = 50, *, now: datetime = NOON
) -> Storyboard | Rest:
    return await storage.storyboards.continued(
        task_id, user_id=ANN, update_id=update_id, lang="ru", model="m", price=PRICE, now=now
    )


async def stopped(storage: Storage) -> list[int]:
    """A film whose second of three parts failed."""
    ids = [one.id for one in await ordered(storage, await board(storage))]
    await move(storage, await lease(storage), *MADE)
    await move(storage, await lease(storage), S.SUBMITTING, S.FAILED)
    return ids


async def test_a_stopped_film_goes_on_with_what_is_missing(
    storage: Storage, other: Storage
) -> None:
    ids = await stopped(storage)
    again = await rest(storage, ids[1])
    assert isinstance(again, Storyboard)
    assert await rest(other, ids[1]) == again
    assert again.scenes == tuple(SCENES[1:])
    assert (again.film_id, again.first_place) == (1, 2)
    assert again.frame == Frame(file_id=f"v{ids[0]}", kind="video")
    parts = await ordered(storage, again, 60)
    assert [(one.film_id, one.film_place, one.film_last) for one in parts] == [
        (1, 2, 3), (1, 3, 3),
    ]  # fmt: skip
    assert await rest(storage, ids[1], 51) is Rest.UNDER_WAY
    for _ in parts:
        await move(storage, await lease(storage), *MADE)
    assert await rest(storage, ids[1], 52) is Rest.COMPLETE
    film = await storage.films.get(1)
    assert film is not None
    assert [one.id for one in film.parts] == [ids[0], *(one.id for one in parts)]


async def test_a_film_goes_on_once_from_two_cards(storage: Storage, other: Storage) -> None:
    ids = await stopped(storage)
    cards = [  # the second one after the time of a double tap
        await rest(storage, ids[1], 50 + number, now=NOON + number * MINUTE) for number in range(2)
    ]
    found = await asyncio.gather(
        *(
            store.storyboards.order(
                card, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=60 + number,
                now=NOON, card_message_id=1,
            )
            for number, (store, card) in enumerate(zip((storage, other), cards, strict=True))
            if isinstance(card, Storyboard)
        )
    )  # fmt: skip
    assert sum(one is not None for one in found) == 1


async def test_a_first_part_that_failed_starts_from_the_photo_again(storage: Storage) -> None:
    [first, *_] = await ordered(storage, await board(storage, frame=PHOTO))
    await move(storage, await lease(storage), S.SUBMITTING, S.FAILED)
    again = await rest(storage, first.id)
    assert isinstance(again, Storyboard)
    assert (again.frame, again.first_place, again.scenes) == (PHOTO, 1, tuple(SCENES))


async def test_a_kept_video_comes_before_the_rest(storage: Storage) -> None:
    [first, *_] = await ordered(storage, await board(storage))
    await move(storage, await lease(storage), *MADE[:3], S.UNDELIVERABLE)
    assert await rest(storage, first.id) is Rest.KEPT
    other = await storage.tasks.draft_from_text(**wish(prompt="no film"))
    assert await rest(storage, other.id) is Rest.GONE


async def test_an_older_version_gives_back_what_waits(storage: Storage) -> None:
    ids = [one.id for one in await ordered(storage, await board(storage))]
    await move(storage, await lease(storage), *MADE)
    await storage.tasks.draft_from_text(**wish(prompt="a card"))
    await migrate(storage.database, "0015")
    await migrate(storage.database)
    assert await states(storage, *ids) == [S.DELIVERED, S.QUEUED, S.CANCELLED]
    totals = await storage.ledger.totals(NOON - MINUTE, datetime.max.replace(tzinfo=UTC))
    assert totals[Entry.RETURN].rows == 1
    assert totals[Entry.RETURN].roubles == PRICE
    assert [event.state for event in await storage.tasks.events(ids[2])] == [S.DRAFT, S.CANCELLED]
    [card] = await storage.tasks.latest(ANN, states=[S.DRAFT])
    assert card.prompt == "a card"
