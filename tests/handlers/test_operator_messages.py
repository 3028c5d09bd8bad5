"""Messages to the operator reach somebody, and all their copies close with one decision."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli import checks
from bot.cli.findings import Level
from bot.core.access import Access, Admins
from bot.core.alerts import Alert, AlertKind, Switch
from bot.core.errors import TelegramMoved, TelegramUnreachable
from bot.core.task import Chat, TaskState
from bot.jobs.outbox_sender import AGAIN, PATIENCE, OutboxSender
from bot.operator.message_buttons import MessageButtons
from bot.settings import read_settings
from bot.telegram.messenger import Messenger
from bot.telegram.rate_limits import RateLimiter
from bot.texts import keyboards
from bot.texts.callback_data import DecideAccess, Operate
from bot.texts.callback_data import Operation as O
from storage import Storage
from storage.migrate import HEAD
from tests.support.factories import NOON, task_in
from tests.support.handler_harness import Call, HandlerHarness, Person

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
    assert (await checks._alerts(good, settings))[0] is Level.OK  # type: ignore[arg-type]
    assert sorted(good.asked) == [GROUP, ANN, BORIS]
    bad = CheckedBot({wrong: TelegramUnreachable("chat not found")})
    level, words = await checks._alerts(bad, settings)  # type: ignore[arg-type]
    assert level is Level.FAIL
    assert ("ADMIN_CHAT -1001" if wrong == GROUP else "the admin 1") in words
    assert ("add the bot" if wrong == GROUP else "press /start") in words
    moved = CheckedBot({GROUP: TelegramMoved("moved", chat_id=-1002)})
    assert "set -1002" in (await checks._alerts(moved, settings))[1]  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [HEAD, "0012", "0009"])
async def test_check_knows_who_claimed_the_bot_also_before_an_upgrade(
    harness: HandlerHarness, version: str
) -> None:
    code = await harness.storage.admins.offer_claim(NOON)
    assert code is not None
    await harness.storage.admins.claim(code, user_id=ANN, now=NOON)
    harness.rows("UPDATE alembic_version SET version_num = ?", version)
    settings = read_settings(
        _env_file=None, bot_token="42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", gptunnel_api_key="key",
        database_url=f"sqlite+aiosqlite:///{harness.path}",
    )  # fmt: skip
    assert await checks._admins(settings) == (Level.OK, "1 claimed the bot")
    bot = CheckedBot({})
    assert (await checks._alerts(bot, settings))[0] is Level.OK  # type: ignore[arg-type]
    assert bot.asked == [ANN]


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


# --- decisions that no button of a copy made ------------------------------------------------


class Watched:
    """Two admins with their copies of one alert, and the job that keeps the buttons true."""

    def __init__(self, harness: HandlerHarness) -> None:
        self.harness, self.storage = harness, harness.storage
        harness.clock.now = NOON
        harness.dispatcher["access"] = Access(admins=frozenset({ANN, BORIS}))
        self.job = MessageButtons(
            self.storage, Messenger(harness.bot, RateLimiter()), clock=lambda: NOON
        )

    async def told(self, alert: Alert) -> None:
        await self.storage.alerts.open(alert, told={ANN, BORIS}, now=NOON)
        await self.sent()

    async def sent(self) -> None:
        await Sending(self.storage, Chats(), ANN, BORIS).run()

    async def look(self) -> dict[int, list[Operate]]:
        """What the job changed: the operations left below the copy of each admin."""
        before = len(self.harness.telegram.edits)
        await self.job.look()
        edits = self.harness.telegram.edits[before:]
        assert all(int(e.params["message_id"]) == 100 + int(e.params["chat_id"]) for e in edits)
        return {
            int(edit.params["chat_id"]): [Operate.unpack(row[0][1]) for row in edit.buttons]
            for edit in edits
        }


@pytest.mark.parametrize("route", ["/order", "/settle", "by itself"])
async def test_an_alert_that_is_over_has_no_buttons_however_it_ended(
    harness: HandlerHarness, route: str
) -> None:
    watched = Watched(harness)
    task = await task_in(harness.storage, TaskState.UNKNOWN, now=NOON)
    alert = Alert.of(AlertKind.UNKNOWN, task.id, task=task.id, reason="")
    await watched.told(alert)
    assert await watched.look() == {}
    ann = Person(harness, user_id=ANN)
    if route == "/order":  # its buttons stand below another message
        await harness.feed(**ann.text(f"/order {task.id}"))
        data = Operate(operation=O.CHARGED, number=task.id).pack()
        await harness.feed(**ann.press(data, harness.telegram.last_id))
    elif route == "/settle":
        await harness.feed(**ann.text(f"/settle {task.id} job-1"))
    assert harness.telegram.edits == []
    # as the monitor does once the order is not unknown any more
    await harness.storage.alerts.close(alert.key, told={ANN, BORIS}, now=NOON)
    assert await watched.look() == {ANN: [], BORIS: []}
    assert await watched.look() == {}  # once


async def test_a_switch_takes_and_gives_back_the_button_of_every_alert(
    harness: HandlerHarness,
) -> None:
    watched = Watched(harness)
    await watched.told(Alert.of(AlertKind.NO_BALANCE))
    ann = Person(harness, user_id=ANN)
    await harness.feed(**ann.text("/admin"))
    for pressed, left in (
        (O.HOLD_INTAKE, [O.TRY_NOW]),
        (O.RELEASE_INTAKE, [O.TRY_NOW, O.HOLD_INTAKE]),
        (O.DRAIN, [O.TRY_NOW]),
    ):
        data = Operate(operation=pressed).pack()
        await harness.feed(**ann.press(data, harness.telegram.last_id))
        both = await watched.look()
        assert {chat: [one.operation for one in found] for chat, found in both.items()} == {
            ANN: left, BORIS: left,
        }  # fmt: skip
    assert await harness.storage.alerts.held() != {}


async def test_a_decision_leaves_the_buttons_that_still_do_something(
    harness: HandlerHarness,
) -> None:
    """Pausing below an alert does not take "try now" away, and the panel that the pressed message
    became is left alone."""
    watched = Watched(harness)
    await watched.told(Alert.of(AlertKind.NO_BALANCE))
    ann = Person(harness, user_id=ANN)
    await harness.feed(**ann.press(Operate(operation=O.HOLD_INTAKE).pack(), 100 + ANN))
    panel: dict[str, Call] = {}
    copy: dict[str, Call] = {}
    for call in harness.telegram.edits:
        (panel if int(call.params["chat_id"]) == ANN else copy)[call.text] = call
    [edited] = copy.values()
    assert [row[0][1] for row in edited.buttons] == [Operate(operation=O.TRY_NOW).pack()]
    [*_, last] = panel.values()
    assert Operate(operation=O.RELEASE_INTAKE).pack() in str(last.buttons)
    await harness.storage.alerts.close("no_balance", told={ANN, BORIS}, now=NOON)
    assert await watched.look() == {BORIS: []}


@pytest.mark.parametrize("route", ["/allow", "/ban", "/user", "invite"])
async def test_a_request_that_was_answered_elsewhere_is_closed(
    harness: HandlerHarness, route: str
) -> None:
    watched = Watched(harness)
    vera = Person(harness, user_id=7)
    await harness.feed(**vera.text("/start"))
    await harness.storage.access.ask(
        user_id=7, name="Vera", username=None, lang="en", admins={ANN, BORIS}, now=NOON
    )
    await watched.sent()
    assert await watched.look() == {}
    ann = Person(harness, user_id=ANN)
    if route == "/user":
        await harness.feed(**ann.press(Operate(operation=O.ALLOW, number=7).pack(), 5))
    elif route == "invite":
        invite = await harness.storage.access.invite(
            by=ANN, uses=1, expires_at=NOON + timedelta(days=1), update_id=9, now=NOON
        )
        await harness.storage.access.redeem(invite.token, user_id=7, now=NOON)
    else:
        await harness.feed(**ann.text(f"{route} 7"))
    before = len(harness.telegram.edits)
    await watched.job.look()
    edits = harness.telegram.edits[before:]
    assert [int(call.params["chat_id"]) for call in edits] == [ANN, BORIS]
    assert [call.buttons for call in edits] == [[], []]
    assert all("Vera" in call.text for call in edits)
    assert len({call.text for call in edits}) == 1
    assert await harness.storage.access.waiting(limit=9) == []
    await watched.job.look()
    assert len(harness.telegram.edits) == before + 2


async def test_what_telegram_refuses_is_tried_again_or_left(harness: HandlerHarness) -> None:
    watched = Watched(harness)
    await watched.told(Alert.of(AlertKind.NO_BALANCE))
    await harness.storage.alerts.close("no_balance", told=(), now=NOON)
    harness.telegram.refuse("editMessageReplyMarkup", 500, "Internal Server Error")
    assert await watched.look() == {}
    harness.telegram.refuse(
        "editMessageReplyMarkup", 400, "Bad Request: message to edit not found"
    )
    assert await watched.look() == {BORIS: []}  # Ann deleted hers
    assert await watched.look() == {}


async def test_an_alert_that_comes_again_has_its_own_buttons(harness: HandlerHarness) -> None:
    watched = Watched(harness)
    await watched.told(Alert.of(AlertKind.NO_BALANCE))
    await harness.storage.alerts.close("no_balance", told=(), now=NOON)
    await watched.look()
    await watched.told(Alert.of(AlertKind.NO_BALANCE))
    assert await watched.look() == {}
    shown = {copy.buttons for copy in await harness.storage.operator_messages.with_buttons()}
    assert shown == {keyboards.notices.buttons(keyboards.admin.operations(
        "en", [O.TRY_NOW], [O.HOLD_INTAKE]))}  # fmt: skip


async def test_photos_that_are_taken_again_are_not_asked_about(harness: HandlerHarness) -> None:
    watched = Watched(harness)
    await harness.storage.alerts.hold(Switch.PHOTOS, by=0, now=NOON)
    await watched.told(Alert.of(AlertKind.PHOTOS_UNFETCHED, task=3))
    assert await watched.look() == {}
    await harness.storage.alerts.release([Switch.PHOTOS], by=ANN, now=NOON)
    look = [Operate(operation=O.LOOK, number=3)]
    assert await watched.look() == {ANN: look, BORIS: look}
