"""Messages to the operator reach somebody, and all their copies close with one decision."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli import checks
from bot.core.access import Access, Admins
from bot.core.alerts import Alert, AlertKind
from bot.core.errors import TelegramMoved, TelegramUnreachable
from bot.core.task import Chat, TaskState
from bot.jobs.outbox_sender import AGAIN, PATIENCE, OutboxSender
from bot.settings import read_settings
from bot.texts.callback_data import DecideAccess, Operate
from bot.texts.callback_data import Operation as O
from storage import Storage
from tests.support.factories import NOON, task_in
from tests.support.handler_harness import HandlerHarness, Person

ANN, BORIS, GROUP = 1, 2, -1001
ALERT = Alert.of(AlertKind.UNKNOWN, 7, task=7, reason="")


class Chats:
    """A messenger of which some chats take nothing."""

    def __init__(self, *closed: int) -> None:
        self.closed = set(closed)
        self.tried: list[int] = []
        self.got: list[tuple[int, Any]] = []

    async def send(
        self, chat: Chat, text: Any, *, reply_to: int | None = None, keyboard: Any = None
    ) -> int:
        self.tried.append(chat.chat_id)
        if chat.chat_id in self.closed:
            raise TelegramUnreachable("Bad Request: chat not found")
        self.got.append((chat.chat_id, keyboard))
        return 100 + chat.chat_id


class Prices:
    def seen_by(self, user_id: int) -> bool:
        return False


class Progress:
    prices = Prices()


class Sending:
    def __init__(self, storage: Storage, chats: Chats, *admins: int) -> None:
        self.storage, self.now = storage, NOON
        self.sender = OutboxSender(
            storage, chats, Progress(),  # type: ignore[arg-type]
            clock=lambda: self.now, owner="test", admins=Admins(admins),
        )  # fmt: skip

    async def run(self) -> None:
        for _ in range(5):
            for one in await self.storage.outbox.claim(
                owner="test", now=self.now, lease_for=timedelta(seconds=60), limit=99
            ):
                await self.sender._send_notice(one)


async def test_a_wrong_admin_chat_falls_back_to_every_admin_once(harness: HandlerHarness) -> None:
    chats = Chats(GROUP)
    sending = Sending(harness.storage, chats, ANN, BORIS)
    await harness.storage.alerts.open(ALERT, told={GROUP}, now=NOON)
    await sending.run()
    assert chats.tried == [GROUP, ANN, BORIS]
    assert [chat for chat, _ in chats.got] == [ANN, BORIS]
    assert await harness.storage.outbox.count() == 0


async def test_an_admin_without_start_is_told_at_the_next_message(harness: HandlerHarness) -> None:
    chats = Chats(GROUP, ANN)
    sending = Sending(harness.storage, chats, ANN, BORIS)
    await harness.storage.alerts.open(ALERT, told={GROUP}, now=NOON)
    await sending.run()
    assert chats.tried == [GROUP, ANN, BORIS]  # nobody twice
    chats.closed.clear()
    await harness.storage.outbox.unpark(ANN, Chat(chat_id=ANN), now=NOON)
    await sending.run()
    assert [chat for chat, _ in chats.got] == [BORIS, ANN]


async def test_without_an_admin_the_group_is_tried_again(harness: HandlerHarness) -> None:
    chats = Chats(GROUP)
    sending = Sending(harness.storage, chats)
    await harness.storage.alerts.open(ALERT, told={GROUP}, now=NOON)
    await sending.run()
    assert chats.tried == [GROUP]
    sending.now += AGAIN
    chats.closed.clear()
    await sending.run()
    assert [chat for chat, _ in chats.got] == [GROUP]
    await harness.storage.alerts.close(ALERT.key, told={GROUP}, now=sending.now)
    chats.closed.add(GROUP)
    sending.now += PATIENCE
    await sending.run()
    assert await harness.storage.outbox.count() == 0


async def test_a_copy_that_comes_after_the_decision_does_not_ask(harness: HandlerHarness) -> None:
    chats = Chats(ANN)
    sending = Sending(harness.storage, chats, ANN, BORIS)
    await harness.storage.alerts.open(ALERT, told={ANN, BORIS}, now=NOON)
    await sending.run()
    about = await harness.storage.operator_messages.about(BORIS, 100 + BORIS)
    assert about is not None
    await harness.storage.operator_messages.decide(about, now=NOON)
    chats.closed.clear()
    await harness.storage.outbox.unpark(ANN, Chat(chat_id=ANN), now=NOON)
    await sending.run()
    (_, asked), (_, late) = chats.got
    labels = [
        [row[0].callback_data for row in keyboard.inline_keyboard] for keyboard in (asked, late)
    ]
    assert (len(labels[0]), len(labels[1])) == (3, 1)
    assert labels[1] == labels[0][2:]  # to look at the order


class CheckedBot:
    def __init__(self, refusals: dict[int, Exception]) -> None:
        self.refusals = refusals
        self.asked: list[int] = []

    async def __call__(self, method: Any) -> bool:
        self.asked.append(method.chat_id)
        if method.chat_id in self.refusals:
            raise self.refusals[method.chat_id]
        return True


@pytest.mark.parametrize("wrong", [GROUP, ANN])
async def test_check_tries_every_target(tmp_path: Path, wrong: int) -> None:
    settings = read_settings(
        _env_file=None, bot_token="42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", gptunnel_api_key="key",
        database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db", admins=f"{ANN},{BORIS}",
        admin_chat=GROUP,
    )  # fmt: skip
    good = CheckedBot({})
    assert (await checks._alerts(good, settings))[0] is checks.Level.OK  # type: ignore[arg-type]
    assert sorted(good.asked) == [GROUP, ANN, BORIS]
    bad = CheckedBot({wrong: TelegramUnreachable("chat not found")})
    level, words = await checks._alerts(bad, settings)  # type: ignore[arg-type]
    assert level is checks.Level.FAIL
    assert ("ADMIN_CHAT -1001" if wrong == GROUP else "the admin 1") in words
    assert ("add the bot" if wrong == GROUP else "press /start") in words
    moved = CheckedBot({GROUP: TelegramMoved("moved", chat_id=-1002)})
    assert "set -1002" in (await checks._alerts(moved, settings))[1]  # type: ignore[arg-type]


async def test_one_decision_closes_the_buttons_of_every_copy(harness: HandlerHarness) -> None:
    """The second admin's copy says who decided, and keeps what only shows something."""
    harness.clock.now = NOON
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({ANN, BORIS}))
    task = await task_in(harness.storage, TaskState.UNKNOWN, now=NOON)
    alert = Alert.of(AlertKind.UNKNOWN, task.id, task=task.id, reason="")
    await harness.storage.alerts.open(alert, told={ANN, BORIS}, now=NOON)
    await Sending(harness.storage, Chats(), ANN, BORIS).run()
    ann, data = Person(harness, user_id=ANN), Operate(operation=O.CHARGED, number=task.id).pack()
    look = Operate(operation=O.LOOK, number=task.id).pack()
    await harness.feed(**ann.press(look, 100 + ANN))
    assert harness.telegram.edits == []
    await harness.feed(**ann.press(data, 100 + ANN))
    edits = {int(call.params["chat_id"]): call for call in harness.telegram.edits}
    assert sorted(edits) == [ANN, BORIS]
    for chat, call in edits.items():
        assert int(call.params["message_id"]) == 100 + chat
        assert "Ann" in call.text
        assert [row[0][1] for row in call.buttons] == [look]


async def test_a_decided_request_for_access_closes_every_copy(harness: HandlerHarness) -> None:
    harness.dispatcher["access"] = Access(admins=frozenset({ANN, BORIS}))
    await harness.storage.access.ask(
        user_id=7, name="Vera", username=None, lang="en", admins={ANN, BORIS}, now=NOON
    )
    await Sending(harness.storage, Chats(), ANN, BORIS).run()
    assert "Vera" not in str(harness.rows("SELECT * FROM operator_messages"))
    ann = Person(harness, user_id=ANN)
    await harness.feed(**ann.press(DecideAccess(user_id=7, allow=True).pack(), 100 + ANN))
    edits = [(int(call.params["chat_id"]), call.buttons) for call in harness.telegram.edits]
    assert edits == [(ANN, []), (BORIS, [])]
