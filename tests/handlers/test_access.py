"""Who may use the bot: strangers have no effect, admins decide, decisions take effect at once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from bot.core.access import Access, Verdict
from bot.core.caps import Cap, Limit, OrderRules
from bot.core.notices import NoticeKind
from bot.texts.callback_data import AskAccess, DecideAccess
from storage import RedeemResult, Storage
from tests.support.handler_harness import NOON, HandlerHarness, Person

ADMIN, OTHER_ADMIN = 1, 2


@pytest.fixture
def closed(harness: HandlerHarness) -> HandlerHarness:
    harness.dispatcher["access"] = Access(admins=frozenset({ADMIN, OTHER_ADMIN}))
    return harness


@pytest.fixture
def admin(closed: HandlerHarness) -> Person:
    return Person(closed, user_id=ADMIN)


def group(harness: HandlerHarness, person: Person, chat_id: int = -1001) -> Person:
    """The same person in a group."""
    chat = {"id": chat_id, "type": "supergroup", "title": "Friends"}
    return Person(harness, int(str(person.user["id"])), str(person.user["language_code"]), chat)


def acts(harness: HandlerHarness) -> list[tuple[int, str, int | None]]:
    return [
        (actor, act, subject)
        for actor, act, subject in harness.rows(
            "SELECT actor_id, act, subject_id FROM audit ORDER BY id"
        )
    ]


def notices(harness: HandlerHarness) -> list[tuple[str, int, dict[str, object]]]:
    rows = harness.rows("SELECT kind, chat_id, params FROM outbox ORDER BY id")
    return [(kind, chat, json.loads(params)) for kind, chat, params in rows]


def link_token(text: str) -> str:
    [link] = [word for word in text.split() if word.startswith("https://t.me/")]
    assert link.startswith("https://t.me/video_bot?start=in-")
    return link.partition("?start=")[2]


# --- strangers have no effect ----------------------------------------------------------------


async def test_a_stranger_is_told_how_to_ask_and_nothing_is_stored(
    closed: HandlerHarness, ann: Person
) -> None:
    await closed.feed(**ann.text("A cat"))
    await closed.feed(**ann.photo(caption="A cat"))
    await closed.feed(**ann.text("/start"))
    assert closed.rows("SELECT count(*) FROM tasks") == [(0,)]
    assert closed.rows("SELECT count(*) FROM users") == [(0,)]
    assert [call.text.splitlines()[0] for call in closed.telegram.sent] == [
        "🔒 This bot is not open to everybody."
    ] * 3
    [[button]] = closed.telegram.sent[0].buttons
    assert button == ("Ask for access", AskAccess().pack())


async def test_a_stranger_is_told_so_in_the_language_they_chose(
    closed: HandlerHarness, ann: Person
) -> None:
    await closed.feed(**ann.text("/language"))
    await closed.feed(**ann.press("l|ru"))
    await closed.feed(**ann.text("A cat"))
    assert closed.telegram.sent[-1].text.startswith("🔒 Этот бот открыт не для всех.")
    await closed.feed(**group(closed, ann).text("/video a cat"))
    assert closed.telegram.sent[-1].text.startswith("🔒 Этот бот открыт не для всех.")
    await closed.feed(**ann.press("r|1|1:1"))
    assert closed.telegram.toasts[-1].startswith("Этот бот открыт не для всех")


async def test_without_admins_a_stranger_is_told_their_user_id(
    closed: HandlerHarness, ann: Person
) -> None:
    closed.dispatcher["access"] = Access()
    await closed.feed(**ann.text("A cat"))
    [said] = closed.telegram.sent
    assert "open the link that it printed when it started" in said.text
    assert f"put your user ID, {ann.user['id']}, into ADMINS" in said.text
    assert not said.buttons


async def test_a_strangers_press_orders_nothing(closed: HandlerHarness, ann: Person) -> None:
    closed.dispatcher["access"] = Access(is_open=True)
    await closed.feed(**ann.text("A cat"))
    closed.dispatcher["access"] = Access(admins=frozenset({ADMIN}))
    await closed.feed(**ann.press("r|1|16:9"))
    assert closed.states() == ["draft"]
    assert closed.telegram.toasts == [
        "This bot is not open to everybody. Write /start to me in private."
    ]
    assert not closed.woken


async def test_public_commands_answer_strangers(closed: HandlerHarness, ann: Person) -> None:
    await closed.feed(**ann.text("/privacy"))
    assert closed.telegram.sent[0].text.startswith("What is stored")


async def test_the_settings_decide_who_has_access(
    closed: HandlerHarness, ann: Person, boris: Person
) -> None:
    closed.dispatcher["access"] = Access(admins=frozenset({7}), allowed=frozenset({8}))
    await closed.feed(**ann.text("A cat"))
    await closed.feed(**boris.text("Кот"))
    assert closed.states() == ["draft", "draft"]


async def test_a_stranger_in_russian_is_told_in_russian(
    closed: HandlerHarness, boris: Person
) -> None:
    await closed.feed(**boris.text("Кот"))
    assert "открыт не для всех" in closed.telegram.sent[0].text


# --- asking ----------------------------------------------------------------------------------


async def test_a_request_reaches_every_admin_once(closed: HandlerHarness, ann: Person) -> None:
    press = ann.press(AskAccess().pack())
    number = await closed.feed(**press)
    await closed.again(number, **press)
    await closed.feed(**ann.press(AskAccess().pack()))
    assert [(kind, chat) for kind, chat, _ in notices(closed)] == [
        (NoticeKind.ACCESS_ASKED, ADMIN),
        (NoticeKind.ACCESS_ASKED, OTHER_ADMIN),
    ]
    assert notices(closed)[0][2] == {
        "user_id": 7, "name": "Ann", "username": None, "about": "access:7",
    }  # fmt: skip
    assert closed.telegram.toasts[0].startswith("Request sent.")
    assert closed.telegram.toasts[-1].startswith("You have already asked.")


async def test_open_requests_are_listed_in_the_panel(
    closed: HandlerHarness, ann: Person, boris: Person, admin: Person
) -> None:
    await closed.feed(**ann.press(AskAccess().pack()))
    await closed.feed(**boris.press(AskAccess().pack()))
    await closed.feed(**admin.text("/admin"))
    panel = closed.telegram.sent[-1]
    assert "Access requests: 2" in panel.text
    [asked] = [data for row in panel.buttons for text, data in row if "Access requests" in text]
    await closed.feed(**admin.press(asked))
    first, second = closed.telegram.sent[-2:]
    assert "Ann" in first.text
    [[(_, let_in), _]] = second.buttons
    await closed.feed(**admin.press(let_in))
    await closed.feed(**admin.text("/admin"))
    assert "Access requests: 1" in closed.telegram.sent[-1].text
    verdicts = await closed.storage.access.verdicts(int(str(boris.user["id"])))
    assert verdicts.person is Verdict.ALLOWED


@pytest.mark.parametrize("allow", [True, False])
async def test_the_first_admins_answer_counts(
    closed: HandlerHarness, ann: Person, admin: Person, allow: bool
) -> None:
    await closed.feed(**ann.press(AskAccess().pack()))
    yes = DecideAccess(user_id=7, allow=allow).pack()
    number = await closed.feed(**admin.press(yes))
    await closed.again(number, **admin.press(yes))
    other = Person(closed, user_id=OTHER_ADMIN)
    await closed.feed(**other.press(DecideAccess(user_id=7, allow=not allow).pack()))
    words = "Access given" if allow else "Access denied"
    assert [words in call.text for call in closed.telegram.edits] == [True] * 3
    assert acts(closed) == [(ADMIN, "allow" if allow else "deny", 7)]
    told = [kind for kind, chat, _ in notices(closed) if chat == 7]
    assert told == [NoticeKind.ACCESS_GRANTED if allow else NoticeKind.ACCESS_DENIED]
    await closed.feed(**ann.text("A cat"))
    assert closed.states() == (["draft"] if allow else [])


@pytest.mark.parametrize("allow", [True, False])
@pytest.mark.parametrize("before", ["ban", "allow", "invite"])
async def test_an_old_request_changes_nothing_when_it_was_decided_in_another_way(
    closed: HandlerHarness, ann: Person, admin: Person, before: str, allow: bool
) -> None:
    await closed.feed(**ann.press(AskAccess().pack()))
    if before == "invite":
        await closed.feed(**admin.text("/invite"))
        await closed.feed(**ann.text(f"/start {link_token(closed.telegram.sent[-1].text)}"))
    else:
        await closed.feed(**admin.text(f"/{before} 7"))
    was, told = acts(closed), notices(closed)
    other = Person(closed, user_id=OTHER_ADMIN)
    await closed.feed(**other.press(DecideAccess(user_id=7, allow=allow).pack()))
    is_in = before != "ban"
    assert closed.telegram.toasts[-1].startswith(
        "✅ Access given" if is_in else "🚫 Access denied"
    )
    assert (acts(closed), notices(closed)) == (was, told)
    verdicts = await closed.storage.access.verdicts(7)
    assert verdicts.person is (Verdict.ALLOWED if is_in else Verdict.BANNED)


async def test_a_request_that_was_declined_stays_so_after_delete_me(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    await closed.feed(**ann.press(AskAccess().pack()))
    await closed.feed(**admin.press(DecideAccess(user_id=7, allow=False).pack()))
    await closed.feed(**ann.press("dm|7|1"))
    told = notices(closed)
    assert closed.rows("SELECT name, username, allowed FROM access_requests") == [("", None, 0)]
    await closed.feed(**ann.press(AskAccess().pack()))
    assert "declined" in closed.telegram.toasts[-1]
    assert notices(closed) == told
    await closed.feed(**admin.text("/allow 7"))  # an admin may change the decision
    assert (await closed.storage.access.verdicts(7)).person is Verdict.ALLOWED


async def test_a_request_that_waits_stays_without_a_name_and_tells_the_admins_once(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    ann.user["username"] = "ann_x"
    asking = ann.press(AskAccess().pack())
    await closed.feed(**asking)
    for _ in range(3):
        await closed.feed(**ann.press("dm|7|1"))
        assert "stays, without your name" in closed.telegram.edits[-1].text
        assert closed.rows("SELECT name, username FROM access_requests") == [("", None)]
        told = notices(closed)
        assert [(kind, chat) for kind, chat, _ in told] == [
            (NoticeKind.ACCESS_ASKED, ADMIN), (NoticeKind.ACCESS_ASKED, OTHER_ADMIN),
        ]  # fmt: skip
        # also not in what an admin has not been told yet
        assert {(params["name"], params["username"]) for _, _, params in told} == {("", None)}
        await closed.feed(**ann.press(AskAccess().pack()))
        assert closed.telegram.toasts[-1].startswith("You have already asked.")
        assert closed.rows("SELECT name, username FROM access_requests") == [("Ann", "ann_x")]
    await closed.feed(**admin.press(DecideAccess(user_id=7, allow=True).pack()))
    assert (await closed.storage.access.verdicts(7)).person is Verdict.ALLOWED
    assert notices(closed)[-1][0] == NoticeKind.ACCESS_GRANTED


async def test_a_request_that_was_granted_goes_with_delete_me(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    await closed.feed(**ann.press(AskAccess().pack()))
    await closed.feed(**admin.press(DecideAccess(user_id=7, allow=True).pack()))
    await closed.feed(**ann.press("dm|7|1"))
    assert "request" not in closed.telegram.edits[-1].text
    assert closed.rows("SELECT count(*) FROM access_requests") == [(0,)]
    assert (await closed.storage.access.verdicts(7)).person is Verdict.ALLOWED


async def test_only_admins_answer_requests(
    closed: HandlerHarness, ann: Person, boris: Person
) -> None:
    await closed.feed(**ann.press(AskAccess().pack()))
    yes = DecideAccess(user_id=7, allow=True).pack()
    await closed.feed(**ann.press(yes))
    closed.dispatcher["access"] = Access(admins=frozenset({ADMIN}), allowed=frozenset({8}))
    await closed.feed(**boris.press(yes))
    assert closed.rows("SELECT * FROM permits") == []
    assert acts(closed) == []


# --- admins ----------------------------------------------------------------------------------


async def test_allow_and_ban_work_at_once_and_leave_one_audit_row_each(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    for _ in range(2):
        await closed.feed(**admin.text("/allow 7"))
    await closed.feed(**ann.text("A cat"))
    assert closed.states() == ["draft"]
    for _ in range(2):
        await closed.feed(**admin.text("/ban 7"))
    await closed.feed(**ann.text("Another cat"))
    assert closed.states() == ["draft"]
    assert acts(closed) == [(ADMIN, "allow", 7), (ADMIN, "ban", 7)]


async def test_a_ban_applies_to_an_open_bot(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    closed.dispatcher["access"] = Access(
        is_open=True, admins=frozenset({ADMIN}), allowed=frozenset({7})
    )
    await closed.feed(**admin.text("/ban 7"))
    sent = len(closed.telegram.sent)
    await closed.feed(**ann.text("A cat"))
    assert closed.states() == []
    assert len(closed.telegram.sent) == sent


async def test_an_admin_cannot_be_banned(closed: HandlerHarness, admin: Person) -> None:
    await closed.feed(**admin.text(f"/ban {OTHER_ADMIN}"))
    assert "cannot be banned" in closed.telegram.sent[0].text
    assert closed.rows("SELECT * FROM permits") == []


async def test_allow_as_a_reply_applies_to_the_author(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    here = group(closed, admin)
    said = group(closed, ann).message(text="hello")["message"]
    await closed.feed(**here.text("/allow", reply_to_message=said))
    assert acts(closed) == [(ADMIN, "allow", 7)]


IN_TOPIC = {"message_thread_id": 5, "is_topic_message": True}
TOPIC_OPENED = {"message_id": 5, "forum_topic_created": {"name": "News", "icon_color": 7322096}}
AS_THE_GROUP = {
    "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"},
    "sender_chat": {"id": -1001, "type": "supergroup", "title": "Friends"},
    "text": "hello",
}
AS_A_CHANNEL = {
    "from": {"id": 777000, "is_bot": False, "first_name": "Telegram"},
    "sender_chat": {"id": -1009, "type": "channel", "title": "News"},
    "text": "hello",
}


@pytest.mark.parametrize("command", ["allow", "ban"])
async def test_a_command_in_a_topic_applies_to_the_group_and_not_to_who_opened_the_topic(
    closed: HandlerHarness, ann: Person, admin: Person, command: str
) -> None:
    """Telegram links every message of a topic to the service message that opened it."""
    opened = group(closed, ann).message(**TOPIC_OPENED)["message"]
    await closed.feed(
        **group(closed, admin).text(f"/{command}", reply_to_message=opened, **IN_TOPIC)
    )
    assert acts(closed) == [(ADMIN, command, -1001)]


@pytest.mark.parametrize("author", [AS_THE_GROUP, AS_A_CHANNEL])
@pytest.mark.parametrize("command", ["allow", "ban"])
async def test_a_reply_to_no_person_does_not_apply_to_the_whole_group(
    closed: HandlerHarness, ann: Person, admin: Person, command: str, author: dict[str, object]
) -> None:
    said = group(closed, ann).message(**author)["message"]
    await closed.feed(**group(closed, admin).text(f"/{command}", reply_to_message=said))
    # a reply to a message of another chat (Bot API: Message.external_reply)
    hidden = {"type": "hidden_user", "sender_user_name": "Eve", "date": 0}
    elsewhere = {"external_reply": {"origin": hidden}}
    await closed.feed(**group(closed, admin).text(f"/{command}", **elsewhere))
    assert acts(closed) == []
    assert "/allow 123456 " in closed.telegram.sent[-1].text


async def test_a_whole_group_can_be_allowed_and_a_ban_in_it_applies(
    closed: HandlerHarness, ann: Person, boris: Person, admin: Person
) -> None:
    entities = [{"type": "mention", "offset": 0, "length": 10}]
    await closed.feed(**group(closed, admin).text("/allow"))
    await closed.feed(**admin.text("/ban 8"))
    await closed.feed(**group(closed, ann).text("@video_bot A cat", entities=entities))
    await closed.feed(**group(closed, boris).text("@video_bot A dog", entities=entities))
    await closed.feed(**ann.text("A cat in private"))
    assert closed.states() == ["draft"]
    assert closed.task()["chat_id"] == -1001
    assert acts(closed) == [(ADMIN, "allow", -1001), (ADMIN, "ban", 8)]


async def test_a_migrated_group_keeps_its_access(
    closed: HandlerHarness, storage_of: Storage
) -> None:
    await storage_of.access.allow(-55, by=ADMIN, now=NOON)
    await storage_of.tasks.migrate_chat(-55, -100_55)
    moved = await storage_of.access.verdicts(7, -100_55)
    assert Access().admits(7, moved)


@pytest.mark.parametrize("told_by", ["group", "supergroup"])
async def test_either_message_about_a_move_lets_the_members_in(
    closed: HandlerHarness, ann: Person, told_by: str
) -> None:
    """Chats are handled beside each other: the first order in the supergroup may come before the
    last message of the group."""
    old, new = group(closed, ann, -55), group(closed, ann, -100_55)
    await closed.storage.access.allow(-55, by=ADMIN, now=NOON)
    if told_by == "group":
        await closed.feed(**old.message(migrate_to_chat_id=-100_55))
    else:
        group_bot = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
        new.user, ann_herself = group_bot, new.user  # as Telegram sends it
        itself = {"id": -100_55, "type": "supergroup", "title": "Friends"}
        await closed.feed(**new.message(migrate_from_chat_id=-55, sender_chat=itself))
        new.user = ann_herself
    assert closed.telegram.sent == []
    assert closed.rows("SELECT count(*) FROM users") == [(0,)]
    await closed.feed(**new.text("/video A cat"))
    assert closed.states() == ["draft"]


async def test_buttons_from_before_a_move_count_as_the_supergroups(
    closed: HandlerHarness, ann: Person
) -> None:
    """The old messages are still shown, and their buttons come from the old id."""
    old = group(closed, ann, -55)
    await closed.storage.access.allow(-55, by=ADMIN, now=NOON)
    await closed.feed(**old.text("/video A cat"))
    await closed.storage.tasks.migrate_chat(-55, -100_55)
    await closed.storage.access.ban(-100_55, by=ADMIN, now=NOON)
    await closed.feed(**old.press("r|1|16:9"))
    assert "declined" in closed.telegram.toasts[-1]
    assert closed.states() == ["draft"]
    await closed.storage.access.allow(-100_55, by=ADMIN, now=NOON)
    await closed.feed(**old.press("r|1|16:9"))
    assert closed.states() == ["queued"]


async def test_the_commands_do_not_exist_for_others(closed: HandlerHarness, ann: Person) -> None:
    closed.dispatcher["access"] = Access(is_open=True, admins=frozenset({ADMIN}))
    for command in ("/allow 7", "/ban 8", "/invite 1 1"):
        await closed.feed(**ann.text(command))
    assert all("do not know this command" in call.text for call in closed.telegram.sent)
    assert acts(closed) == []


@pytest.mark.parametrize("command", ["/allow", "/ban", "/ban 1.5", "/allow -"])
async def test_a_wrong_number_is_answered_with_how_to(
    closed: HandlerHarness, admin: Person, command: str
) -> None:
    await closed.feed(**admin.text(command))
    assert "/allow 123456" in closed.telegram.sent[0].text
    assert acts(closed) == []


# --- invites ---------------------------------------------------------------------------------


async def test_an_invite_works_for_its_number_of_people(
    closed: HandlerHarness, ann: Person, boris: Person, admin: Person
) -> None:
    command = admin.text("/invite 1 3")
    number = await closed.feed(**command)
    await closed.again(number, **command)
    first, second = (link_token(call.text) for call in closed.telegram.sent)
    assert first == second
    come = ann.text(f"/start {first}")
    number = await closed.feed(**come)
    await closed.again(number, **come)
    await closed.feed(**boris.text(f"/start {first}"))
    words = [call.text.splitlines()[0] for call in closed.telegram.sent[2:]]
    assert words[:2] == ["🎉 You can use this bot now."] * 2
    assert "уже использовано" in words[2]
    await closed.feed(**ann.text("A cat"))
    await closed.feed(**boris.text("Кот"))
    assert closed.rows("SELECT user_id FROM tasks") == [(7,)]
    assert closed.rows("SELECT uses, used FROM invites") == [(1, 1)]
    assert acts(closed) == [(ADMIN, "invite", None)]


async def test_an_invite_expires(closed: HandlerHarness, ann: Person, admin: Person) -> None:
    await closed.feed(**admin.text("/invite 5 1"))
    token = link_token(closed.telegram.sent[0].text)
    closed.clock.pass_(timedelta(days=1).total_seconds())
    await closed.feed(**ann.text(f"/start {token}"))
    assert "has expired" in closed.telegram.sent[1].text
    await closed.feed(**ann.text("/start in-nobody-made-this"))
    assert "no such invite" in closed.telegram.sent[2].text


async def test_an_invite_does_not_undo_a_ban(
    closed: HandlerHarness, ann: Person, admin: Person
) -> None:
    await closed.feed(**admin.text("/invite 5 1"))
    await closed.feed(**admin.text("/ban 7"))
    token = link_token(closed.telegram.sent[0].text)
    await closed.feed(**ann.text(f"/start {token}"))
    assert "declined your request" in closed.telegram.sent[2].text
    assert closed.rows("SELECT used FROM invites") == [(0,)]


@pytest.mark.parametrize("given", ["0", "1 0", "1001", "1 366", "x", "1 2 3", "-1"])
async def test_an_invite_of_wrong_size_is_answered_with_the_usage(
    closed: HandlerHarness, admin: Person, given: str
) -> None:
    await closed.feed(**admin.text(f"/invite {given}"))
    assert "/invite 5 3" in closed.telegram.sent[0].text
    assert closed.rows("SELECT * FROM invites") == []


async def test_concurrent_uses_do_not_exceed_an_invite(
    closed: HandlerHarness, storage_of: Storage
) -> None:
    made = await storage_of.access.invite(
        by=ADMIN, uses=3, expires_at=NOON + timedelta(days=1), update_id=1, now=NOON
    )
    came = await asyncio.gather(
        *(storage_of.access.redeem(made.token, user_id=n, now=NOON) for n in range(100, 140))
    )
    assert came.count(RedeemResult.WELCOME) == 3
    assert came.count(RedeemResult.USED_UP) == 37


@pytest.fixture
def storage_of(harness: HandlerHarness) -> Storage:
    return harness.storage


# --- caps, as people meet them ---------------------------------------------------------------


async def test_a_cap_is_explained_with_its_reset_and_the_card_stays(
    harness: HandlerHarness, ann: Person
) -> None:
    harness.storage.tasks.terms = OrderRules(caps={Cap.USER_PER_DAY: Limit(1, 50)})
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("r|1|16:9"))
    await harness.feed(**ann.text("A dog"))
    harness.clock.pass_(3.5 * 3600 + 20)
    await harness.feed(**ann.press("r|2|16:9"))
    assert harness.states() == ["queued", "draft"]
    assert harness.telegram.toasts[-1] == (
        "You have reached today's limit (1 video · 50\N{NO-BREAK SPACE}₽ a day)."
        " Press again in 8 hours 30 minutes, when a new day begins. No money was taken."
    )
    harness.clock.pass_(8.5 * 3600)
    await harness.feed(**ann.press("r|2|16:9"))
    assert harness.states() == ["queued", "queued"]


@pytest.mark.parametrize("cap", list(Cap))
@pytest.mark.parametrize("lang", ["en", "ru"])
async def test_every_cap_is_explained_within_a_toast(
    harness: HandlerHarness, cap: Cap, lang: str
) -> None:
    ann = Person(harness, lang=lang)
    harness.storage.tasks.terms = OrderRules(caps={cap: Limit(1_000, 1)})
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("r|1|16:9"))
    assert harness.states() == ["draft"]
    [toast] = harness.telegram.toasts
    assert len(toast) <= 200
    assert ("Деньги не списаны" if lang == "ru" else "No money was taken") in toast
