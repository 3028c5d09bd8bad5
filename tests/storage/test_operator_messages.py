"""Messages to the operator as rows: the same on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.core.alerts import Alert, AlertKind
from bot.core.notices import Notice, access_asked_about
from bot.core.task import Chat
from storage import Storage
from storage.operator_messages import SentCopy
from tests.support.factories import ANN, BOB, MINUTE, NOON

GROUP = -1001
ALERT = Alert.of(AlertKind.UNKNOWN, 7, task=7, reason="")


async def waiting(storage: Storage) -> list[Notice]:
    """The notices to send; they are sent, and show a button each."""
    found = await storage.outbox.claim(owner="test", now=NOON, lease_for=MINUTE, limit=99)
    for one in found:
        await storage.operator_messages.sent(one.notice, 10 + one.notice.chat.chat_id, "look")
        await storage.outbox.done(one.id)
    return [one.notice for one in found]


async def copies(storage: Storage) -> dict[int, SentCopy]:
    found = await storage.operator_messages.with_buttons()
    return {copy.notice.chat.chat_id: copy for copy in found}


async def test_each_chat_is_told_once_also_by_two_processes(
    storage: Storage, other: Storage
) -> None:
    await asyncio.gather(
        *(one.alerts.open(ALERT, told={ANN, BOB}, now=NOON) for one in (storage, other))
    )
    told = await waiting(storage)
    assert sorted(notice.chat.chat_id for notice in told) == [ANN, BOB]
    assert len({notice.about for notice in told}) == 1
    about = told[0].about
    assert about is not None
    assert await other.operator_messages.about(ANN, 10 + ANN) == about
    assert await other.operator_messages.about(BOB, 10 + ANN) is None
    sent = await other.operator_messages.copies(about)
    assert sorted(number for number, _ in sent) == [10 + ANN, 10 + BOB]
    assert dict(sent) == {10 + notice.chat.chat_id: notice for notice in told}


async def test_what_a_group_cannot_be_told_goes_to_others_once(storage: Storage) -> None:
    await storage.alerts.open(ALERT, told={GROUP, ANN}, now=NOON)
    for one in await storage.outbox.claim(owner="x", now=NOON, lease_for=MINUTE, limit=9):
        if one.notice.chat.chat_id == GROUP:
            await storage.operator_messages.fall_back(one.id, one.notice, {ANN, BOB}, now=NOON)
            await storage.operator_messages.fall_back(one.id, one.notice, {ANN, BOB}, now=NOON)
        else:
            await storage.outbox.later(one.id, NOON)
    assert sorted(n.chat.chat_id for n in await waiting(storage)) == [ANN, BOB]
    assert await storage.outbox.count() == 0


async def test_who_cannot_be_written_to_is_told_later(storage: Storage) -> None:
    await storage.alerts.open(ALERT, told={ANN}, now=NOON)
    [one] = await storage.outbox.claim(owner="x", now=NOON, lease_for=MINUTE, limit=9)
    await storage.operator_messages.fall_back(one.id, one.notice, {BOB}, now=NOON)
    assert [n.chat.chat_id for n in await waiting(storage)] == [BOB]
    assert await storage.outbox.unpark(ANN, Chat(chat_id=ANN), now=NOON) == 1
    assert [n.chat.chat_id for n in await waiting(storage)] == [ANN]


async def test_a_decision_and_an_end_count_for_all_copies(storage: Storage) -> None:
    await storage.alerts.open(ALERT, told={ANN, BOB}, now=NOON)
    await storage.alerts.open(Alert.of(AlertKind.UNKNOWN, 70, task=70), told={ANN}, now=NOON)
    one, *_ = await waiting(storage)
    assert one.about is not None
    assert await storage.operator_messages.state(one.about) == (False, False)
    await storage.operator_messages.decide(one.about, now=NOON)
    found = await copies(storage)
    assert [(c.decided, c.over) for c in found.values() if c.notice.about == one.about] == [
        (True, False)
    ] * len([c for c in found.values() if c.notice.about == one.about])
    await storage.alerts.close(ALERT.key, told=(), now=NOON)
    assert await storage.operator_messages.state(one.about) == (True, True)
    over = {copy.notice.params["task"]: copy.over for copy in (await copies(storage)).values()}
    assert over.get(70) is not True  # another one, whose key begins alike


async def test_what_became_something_else_is_no_copy(storage: Storage) -> None:
    await storage.alerts.open(ALERT, told={ANN, BOB}, now=NOON)
    first, *_ = await waiting(storage)
    await storage.operator_messages.replaced(ANN, 10 + ANN)
    assert list(await copies(storage)) == [BOB]
    assert first.about is not None
    assert [number for number, _ in await storage.operator_messages.copies(first.about)] == [
        10 + BOB
    ]
    left = (await copies(storage))[BOB]
    await storage.operator_messages.shows(left.notice, "")
    assert await copies(storage) == {}


async def asked(storage: Storage, person: int = 7) -> None:
    await storage.access.ask(
        user_id=person, name="Vera", username="vera", lang="en", admins={ANN, BOB}, now=NOON
    )


@pytest.mark.parametrize("answer", ["allow", "deny", "command", "ban", "invite"])
async def test_a_request_is_over_when_it_was_answered(storage: Storage, answer: str) -> None:
    await asked(storage)
    await waiting(storage)
    assert {copy.over for copy in (await copies(storage)).values()} == {False}
    access = storage.access
    if answer in ("allow", "deny"):
        await access.decide(7, allow=answer == "allow", by=ANN, now=NOON)
    elif answer == "command":
        await access.allow(7, by=ANN, now=NOON)
    elif answer == "ban":
        await access.ban(7, by=ANN, now=NOON)
    else:
        invite = await access.invite(
            by=ANN, uses=1, expires_at=NOON + MINUTE, update_id=1, now=NOON
        )
        await access.redeem(invite.token, user_id=7, now=NOON)
    assert {copy.over for copy in (await copies(storage)).values()} == {True}
    request = await access.answered(7)
    assert request is not None
    assert request.allowed is (answer not in ("deny", "ban"))
    assert await access.waiting(limit=9) == []


async def test_erasure_leaves_no_row_about_a_person_or_to_them(
    storage: Storage, other: Storage
) -> None:
    await asked(storage, person=ANN)
    await storage.access.decide(ANN, allow=True, by=BOB, now=NOON)
    await asked(storage)
    await storage.alerts.open(ALERT, told={ANN, BOB}, now=NOON)
    await waiting(storage)
    await storage.privacy.erase_person(ANN, now=NOON)
    left = await other.operator_messages.with_buttons()
    assert {copy.notice.chat.chat_id for copy in left} == {BOB}
    assert access_asked_about(ANN) not in {copy.notice.about for copy in left}
    assert access_asked_about(7) in {copy.notice.about for copy in left}


async def test_no_name_is_kept_and_old_rows_are_deleted(storage: Storage) -> None:
    await asked(storage)
    await waiting(storage)
    found = (await copies(storage))[ANN]
    assert dict(found.notice.params) == {"about": access_asked_about(7), "user_id": 7}
    await storage.operator_messages.forget(before=NOON)
    assert len(await copies(storage)) == 2
    await storage.operator_messages.forget(before=NOON + timedelta(seconds=1))
    assert await copies(storage) == {}
