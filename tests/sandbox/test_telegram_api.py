"""The emulator refuses what Telegram refuses, in its words, and a refused call leaves no trace."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.sandbox.telegram import TelegramEmulator, schema
from tests.sandbox.telegram_client import Client, jpeg, talking

NOBODY = 42


def keyboard(**button: Any) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "press", **button}]]}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"text": ""}, "message text is empty"),
        ({}, "message text is empty"),
        ({"text": " \n "}, "message text is empty"),
        ({"text": "a" * 4097}, "message is too long"),
        # A film camera is two UTF-16 units.
        ({"text": "🎬" * 2049}, "message is too long"),
        ({"text": "x", "chat_id": NOBODY}, "chat not found"),
        ({"text": "x", "chat_id": "@nobody"}, "chat not found"),
        ({"text": "x", "colour": "red"}, 'unknown parameter "colour"'),
        ({"text": 5}, '"text": it must be of type String'),
        ({"text": "x", "chat_id": True}, '"chat_id": it must be of type Integer'),
        ({"text": "<b>x", "parse_mode": "HTML"}, "can't parse entities: Can't find end tag"),
        ({"text": "<x>x</x>", "parse_mode": "HTML"}, 'Unsupported start tag "x"'),
        ({"text": "1 < 2", "parse_mode": "HTML"}, "Unclosed start tag at byte offset 2"),
        ({"text": "x", "parse_mode": "RTF"}, "unsupported parse_mode"),
        (
            {"text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]},
            "ends after the end of the text",
        ),
        ({"text": "x", "entities": [{"type": "bold"}]}, 'Can\'t find field "offset"'),
        ({"text": "x", "reply_parameters": {"message_id": 99}}, "message to be replied not found"),
        ({"text": "x", "reply_markup": keyboard(callback_data="я" * 33)}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "reply_markup": keyboard()}, "Text buttons are unallowed"),
        (
            {"text": "x", "reply_markup": keyboard(callback_data="a", url="https://a.b")},
            "one kind",
        ),
        ({"text": "x", "reply_markup": keyboard(url="ftp://a.b")}, "Wrong HTTP URL"),
        (
            {"text": "x", "reply_markup": keyboard(callback_data="a", style="pink")},
            "one of danger",
        ),
        ({"text": "x", "reply_markup": keyboard(copy_text={"text": "a" * 257})}, "COPY_TEXT"),
        ({"text": "x", "message_thread_id": 7}, "message thread not found"),
    ],
)
async def test_a_wrong_message_is_refused_and_not_sent(params: dict[str, Any], error: str) -> None:
    async with talking() as (emulator, bot, anna):
        answer = await bot("sendMessage", **{"chat_id": anna.id, **params})
        assert answer.status == 400
        assert answer.error.startswith("Bad Request: ")
        assert error in answer.error
        assert [m["text"] for m in anna.messages] == ["hi"]
        assert emulator.calls_of("sendMessage")[0].description == answer.error


async def test_lengths_are_counted_after_the_markup_is_read() -> None:
    async with talking() as (_, bot, anna):
        text = "<b>" + "🎬" * 2048 + "</b>"
        message = (await bot("sendMessage", chat_id=anna.id, text=text, parse_mode="HTML")).result
        assert message["text"] == "🎬" * 2048
        assert message["entities"] == [{"type": "bold", "offset": 0, "length": 4096}]


async def test_a_wrong_token_is_401_and_an_unknown_method_404() -> None:
    async with talking() as (emulator, bot, _):
        assert (await bot("fly")).error == "Not Found"
        async with bot.session.post(f"{emulator.url}/bot1:no/getMe") as answer:
            assert answer.status == 401
            assert (await answer.json())["description"] == "Unauthorized"
        assert (await bot("sendDice", chat_id=1)).error.startswith("Not Implemented")


async def test_forms_and_query_strings_are_read_like_json() -> None:
    async with talking() as (emulator, bot, anna):
        url = f"{emulator.url}/bot{emulator.token}"
        query: dict[str, str] = {
            "chat_id": str(anna.id),
            "text": "by query",
            "disable_notification": "true",
        }
        async with bot.session.get(f"{url}/sendmessage", params=query) as answer:
            assert answer.status == 200
        form = aiohttp.FormData({"chat_id": str(anna.id), "text": "by form"})
        form.add_field(
            "reply_markup", '{"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}'
        )
        async with bot.session.post(f"{url}/sendMessage", data=form) as answer:
            assert answer.status == 200
        assert [m["text"] for m in anna.messages] == ["hi", "by query", "by form"]
        assert "reply_markup" in anna.messages[-1]
        assert emulator.calls_of("sendMessage")[0].params["disable_notification"] is True


async def test_an_edit_must_change_a_message_of_the_bot() -> None:
    async with talking() as (_, bot, anna):
        sent = (await bot("sendMessage", chat_id=anna.id, text="one")).result
        place = {"chat_id": anna.id, "message_id": sent["message_id"]}
        assert (
            "message is not modified" in (await bot("editMessageText", **place, text="one")).error
        )
        edited = (await bot("editMessageText", **place, text="two")).result
        assert edited["text"] == "two"
        assert "edit_date" in edited
        theirs = {**place, "message_id": anna.messages[0]["message_id"]}
        error = (await bot("editMessageText", **theirs, text="x")).error
        assert error == "Bad Request: message can't be edited"
        gone = {**place, "message_id": 999}
        error = (await bot("editMessageText", **gone, text="x")).error
        assert error == "Bad Request: message to edit not found"
        assert "no caption" in (await bot("editMessageCaption", **place, caption="x")).error


async def test_an_edit_without_a_keyboard_takes_the_keyboard_away() -> None:
    async with talking() as (_, bot, anna):
        markup = keyboard(callback_data="a")
        sent = (await bot("sendMessage", chat_id=anna.id, text="x", reply_markup=markup)).result
        place = {"chat_id": anna.id, "message_id": sent["message_id"]}
        assert (
            "not modified"
            in (await bot("editMessageReplyMarkup", **place, reply_markup=markup)).error
        )
        assert "reply_markup" not in (await bot("editMessageText", **place, text="y")).result


async def test_deleting_twice_and_too_late_is_refused() -> None:
    now = [1_800_000_000.0]
    async with talking(clock=lambda: now[0]) as (_, bot, anna):
        sent = (await bot("sendMessage", chat_id=anna.id, text="one")).result
        late = (await bot("sendMessage", chat_id=anna.id, text="two")).result
        place = {"chat_id": anna.id, "message_id": sent["message_id"]}
        assert (await bot("deleteMessage", **place)).result is True
        error = (await bot("deleteMessage", **place)).error
        assert error == "Bad Request: message to delete not found"
        now[0] += 48 * 3600 + 1
        error = (await bot("deleteMessage", **{**place, "message_id": late["message_id"]})).error
        assert "can't be deleted" in error
        assert anna.messages[-1]["text"] == "two"


async def test_a_reply_may_be_sent_without_its_target() -> None:
    async with talking() as (emulator, bot, anna):
        wanted: dict[str, Any] = {"message_id": 99, "allow_sending_without_reply": True}
        sent = await bot("sendMessage", chat_id=anna.id, text="x", reply_parameters=wanted)
        assert "reply_to_message" not in sent.result
        wanted = {"message_id": anna.messages[0]["message_id"], "quote": "h"}
        sent = await bot("sendMessage", chat_id=anna.id, text="x", reply_parameters=wanted)
        assert sent.result["reply_to_message"]["text"] == "hi"
        assert sent.result["quote"] == {"text": "h", "position": 0, "is_manual": True}
        assert emulator.calls_of("sendMessage")[0].notes


async def test_a_press_is_answered_once_and_in_time() -> None:
    now = [1_800_000_000.0]
    async with talking(clock=lambda: now[0]) as (_, bot, anna):
        markup = keyboard(callback_data="go")
        sent = (await bot("sendMessage", chat_id=anna.id, text="x", reply_markup=markup)).result
        query = await anna.press(sent, "go")
        [update] = await bot.updates()
        assert update["callback_query"]["data"] == "go"
        assert update["callback_query"]["id"] == query.id
        error = (
            await bot("answerCallbackQuery", callback_query_id=query.id, text="a" * 201)
        ).error
        assert error == "Bad Request: MESSAGE_TOO_LONG"
        answer = await bot("answerCallbackQuery", callback_query_id=query.id, text="ok")
        assert answer.result is True
        assert (await anna.answer_to(query))["text"] == "ok"
        again = await bot("answerCallbackQuery", callback_query_id=query.id)
        assert "query is too old and response timeout expired" in again.error
        late = await anna.press(sent, "press")
        now[0] += 16
        assert "too old" in (await bot("answerCallbackQuery", callback_query_id=late.id)).error


async def test_a_bot_reaches_nobody_who_blocked_it_or_never_wrote() -> None:
    async with talking() as (emulator, bot, anna):
        boris = emulator.add_person("Boris")
        error = (await bot("sendMessage", chat_id=boris.id, text="x")).error
        assert error == "Forbidden: bot can't initiate conversation with a user"
        await anna.block_bot()
        answer = await bot("sendMessage", chat_id=anna.id, text="x")
        assert (answer.status, answer.error) == (403, "Forbidden: bot was blocked by the user")
        [update] = await bot.updates()
        assert update["my_chat_member"]["new_chat_member"]["status"] == "kicked"
        await anna.unblock_bot()
        assert (await bot("sendMessage", chat_id=anna.id, text="x")).result


async def test_commands_and_texts_are_kept_by_scope_and_language() -> None:
    async with talking() as (_, bot, anna):
        english = [{"command": "help", "description": "Help"}]
        russian = [{"command": "help", "description": "Помощь"}]
        await bot("setMyCommands", commands=english)
        await bot(
            "setMyCommands",
            commands=russian,
            language_code="ru",
            scope={"type": "all_private_chats"},
        )
        assert anna.commands() == english
        anna.set_language("ru")
        assert anna.commands() == russian
        assert (await bot("getMyCommands", language_code="ru")).result == []
        for wrong in ("Help", "a" * 33, "по-русски"):
            commands = [{"command": wrong, "description": "x"}]
            error = (await bot("setMyCommands", commands=commands)).error
            assert error == "Bad Request: BOT_COMMAND_INVALID"
        await bot("setMyDescription", description="Всё", language_code="ru")
        got = (await bot("getMyDescription", language_code="ru")).result
        assert got == {"description": "Всё"}
        assert not (await bot("setMyShortDescription", short_description="a" * 121)).body["ok"]


async def test_actions_drafts_and_reactions_are_checked() -> None:
    async with talking() as (_, bot, anna):
        message_id = anna.messages[0]["message_id"]
        place = {"chat_id": anna.id, "message_id": message_id}
        assert (await bot("sendChatAction", chat_id=anna.id, action="record_video")).result
        assert (
            "wrong parameter action"
            in (await bot("sendChatAction", chat_id=anna.id, action="dance")).error
        )
        eyes = [{"type": "emoji", "emoji": "👀"}]
        assert (await bot("setMessageReaction", **place, reaction=eyes)).result
        bad = [{"type": "emoji", "emoji": "🎬"}]
        assert "REACTION_INVALID" in (await bot("setMessageReaction", **place, reaction=bad)).error
        draft = {"chat_id": anna.id, "draft_id": 1, "text": "Drawing", "can_stop": True}
        assert (await bot("sendMessageDraft", **draft)).result is True
        await anna.stop_draft(1)
        [update] = await bot.updates()
        assert update["stopped_message_generation"]["draft_id"] == 1


async def test_every_answer_and_update_fits_the_published_schema() -> None:
    async with talking() as (emulator, bot, anna):
        shapes = schema.load()
        await anna.send_photo(jpeg(900, 700), "words")
        await anna.send_document(jpeg(), "a.jpg", "image/jpeg")
        await anna.send_album([jpeg(), jpeg()])
        await anna.send_voice()
        await anna.send_sticker()
        sent = (
            await bot(
                "sendMessage", chat_id=anna.id, text="x", reply_markup=keyboard(callback_data="a")
            )
        ).result
        await anna.press(sent, "a")
        await anna.edit_text(anna.messages[0], "hello")
        await anna.forward(sent)
        await anna.inline_query("q")
        await anna.block_bot()
        assert len(emulator.world.updates) == 12
        for update in emulator.world.updates:
            shapes.check_object("Update", update)
        for message in anna.messages:
            shapes.check_object("Message", message)
        shapes.check_object("User", (await bot("getMe")).result)
        shapes.check_object("WebhookInfo", (await bot("getWebhookInfo")).result)
        await anna.unblock_bot()
        shapes.check_object("ChatFullInfo", (await bot("getChat", chat_id=anna.id)).result)
        member = await bot("getChatMember", chat_id=anna.id, user_id=anna.id)
        shapes.check_object("ChatMember", member.result)


async def test_the_schema_check_itself_can_fail() -> None:
    shapes = schema.load()
    with pytest.raises(Exception, match="Can't find field"):
        shapes.check_object("Message", {"message_id": 1})
    with pytest.raises(Exception, match="unknown field"):
        shapes.check_object("Chat", {"id": 1, "type": "private", "mood": "good"})


async def test_copies_and_forwards_keep_the_content() -> None:
    async with talking() as (_, bot, anna):
        photo = await anna.send_photo(jpeg(), "sea")
        place = {"chat_id": anna.id, "from_chat_id": anna.id, "message_id": photo["message_id"]}
        copy = (await bot("copyMessage", **place, caption="lake")).result
        assert list(copy) == ["message_id"]
        assert anna.messages[-1]["caption"] == "lake"
        assert anna.messages[-1]["photo"] == photo["photo"]
        forwarded = (await bot("forwardMessage", **place)).result
        assert forwarded["forward_origin"]["sender_user"]["id"] == anna.id
        missing = {**place, "message_id": 999}
        assert "message to copy not found" in (await bot("copyMessage", **missing)).error


async def test_two_emulators_do_not_know_each_other() -> None:
    async with talking() as (_, bot, anna), TelegramEmulator() as other:
        assert (await bot("sendMessage", chat_id=anna.id, text="x")).result
        assert other.calls == []
        assert await _status(other, bot) == 401


async def _status(other: TelegramEmulator, bot: Client) -> int:
    url = f"{other.url}/bot{bot.emulator.token}/getMe"
    async with bot.session.get(url) as answer:
        return answer.status


@pytest.mark.parametrize("few", [1, 8, 40])
async def test_a_form_in_odd_pieces_is_read_correctly(few: int) -> None:
    """What a line makes of an upload: the beginning of a value, a few bytes more, all the rest."""
    async with talking() as (emulator, bot, anna):
        text = "о" * 4096
        form = aiohttp.FormData(
            {"chat_id": str(anna.id), "text": text, "entities": " " * 9000 + "[]"},
            default_to_multipart=True,
        )()
        body = await form.as_bytes()
        start = body.index("о".encode()) + 10
        slices = (body[:start], body[start : start + few], body[start + few :])

        async def slowly() -> AsyncIterator[bytes]:
            for piece in slices:
                yield piece
                await asyncio.sleep(0.05)

        url = f"{emulator.url}/bot{emulator.token}/sendMessage"
        headers = {"Content-Type": form.content_type}
        async with bot.session.post(url, data=slowly(), headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        assert anna.messages[-1]["text"] == text
        assert emulator.calls_of("sendMessage")[0].ended is not None
