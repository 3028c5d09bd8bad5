"""People in private chats and groups: what they do, and what of it reaches the bot."""

from typing import Any

import pytest

from bot.sandbox.telegram import CannotAct, schema
from tests.sandbox.telegram_client import jpeg, talking

Json = dict[str, Any]


def texts(updates: list[Json]) -> list[str]:
    return [u["message"].get("text") or u["message"].get("caption") for u in updates]


async def test_commands_mentions_and_links_in_a_persons_text_are_entities() -> None:
    async with talking() as (_, bot, anna):
        await anna.send_text("🎬 /help@sandbox_video_bot see https://a.b/c?d. @anna")
        [update] = await bot.updates()
        found = {e["type"]: (e["offset"], e["length"]) for e in update["message"]["entities"]}
        assert found == {"bot_command": (3, 23), "url": (31, 15), "mention": (48, 5)}


async def test_in_a_group_the_bot_gets_only_messages_for_it() -> None:
    async with talking() as (emulator, bot, anna):
        group = emulator.add_group("Films", [anna])
        sent = (await bot("sendMessage", chat_id=group.id, text="I am here")).result
        where: Json = {"chat": group}
        await anna.send_text("just chatting", **where)
        await anna.send_text("/video a cat", **where)
        await anna.send_text("/video@other_bot a cat", **where)
        await anna.send_text("hey @sandbox_video_bot look", **where)
        await anna.send_text("thanks", reply_to=sent, **where)
        await anna.send_photo(jpeg(), "@sandbox_video_bot a boat", **where)
        assert texts(await bot.updates()) == [
            "/video a cat",
            "hey @sandbox_video_bot look",
            "thanks",
            "@sandbox_video_bot a boat",
        ]
        emulator.world.privacy_mode = False
        await anna.send_text("now you hear me", **where)
        assert texts(await bot.updates())[-1] == "now you hear me"


async def test_a_topic_keeps_its_messages_together() -> None:
    async with talking() as (emulator, bot, anna):
        group = emulator.add_group("Films", [anna], topics=["Talk", "Videos"])
        assert group.topics == {2: "Talk", 3: "Videos"}
        await anna.send_text("/video x", chat=group, thread=3)
        [update] = await bot.updates()
        assert update["message"]["message_thread_id"] == 3
        assert update["message"]["chat"]["is_forum"] is True
        sent = await bot("sendMessage", chat_id=group.id, message_thread_id=3, text="here")
        assert sent.result["is_topic_message"] is True
        wrong = await bot("sendMessage", chat_id=group.id, message_thread_id=9, text="here")
        assert wrong.error == "Bad Request: message thread not found"


async def test_a_group_that_migrates_says_where_it_went() -> None:
    async with talking() as (emulator, bot, anna):
        group = emulator.add_group("Films", [anna], supergroup=False)
        assert group.type == "group"
        to = emulator.migrate(group)
        answer = await bot("sendMessage", chat_id=group.id, text="x")
        assert answer.error == "Bad Request: group chat was upgraded to a supergroup chat"
        assert answer.body["parameters"] == {"migrate_to_chat_id": to.id}
        updates = await bot.updates()
        assert updates[0]["message"]["migrate_to_chat_id"] == to.id
        assert updates[1]["message"]["migrate_from_chat_id"] == group.id
        assert (await bot("sendMessage", chat_id=to.id, text="x")).result
        for update in updates:
            schema.load().check_object("Update", update)


async def test_an_anonymous_admin_has_no_user() -> None:
    async with talking() as (emulator, bot, anna):
        group = emulator.add_group("Films", [anna])
        await anna.send_text("/video x", chat=group, anonymous=True)
        [update] = await bot.updates()
        assert update["message"]["from"]["id"] == 1087968824
        assert update["message"]["sender_chat"]["id"] == group.id


async def test_a_bot_that_was_removed_cannot_write() -> None:
    async with talking() as (emulator, bot, anna):
        group = emulator.add_group("Films", [anna], bot_status="kicked")
        answer = await bot("sendMessage", chat_id=group.id, text="x")
        assert answer.error == "Forbidden: bot was kicked from the supergroup chat"
        await anna.send_text("/video x", chat=group)
        assert await bot.updates() == []


async def test_two_people_press_the_same_button_each_for_themselves() -> None:
    async with talking() as (emulator, bot, anna):
        boris = emulator.add_person("Boris", language_code="ru")
        group = emulator.add_group("Films", [anna, boris])
        markup = {"inline_keyboard": [[{"text": "9:16", "callback_data": "r"}]]}
        sent = (await bot("sendMessage", chat_id=group.id, text="x", reply_markup=markup)).result
        await anna.press(sent, "9:16")
        await boris.press(sent, "r")
        presses = [u["callback_query"] for u in await bot.updates()]
        assert [p["from"]["first_name"] for p in presses] == ["Anna", "Boris"]
        assert presses[1]["from"]["language_code"] == "ru"
        assert presses[0]["chat_instance"] == presses[1]["chat_instance"]


async def test_an_act_that_a_client_forbids_raises() -> None:
    async with talking() as (emulator, bot, anna):
        boris = emulator.add_person("Boris")
        off = {"inline_keyboard": [[{"text": "off", "disabled": {}}]]}
        sent = (await bot("sendMessage", chat_id=anna.id, text="x", reply_markup=off)).result
        with pytest.raises(CannotAct, match="tells the bot nothing"):
            await anna.press(sent, "off")
        with pytest.raises(CannotAct, match="no button"):
            await anna.press(sent, "on")
        with pytest.raises(CannotAct, match="not in chat"):
            await boris.send_text("x", chat=anna.chat)
        with pytest.raises(CannotAct, match="one's own"):
            await anna.edit_text(sent, "y")
        await anna.block_bot()
        with pytest.raises(CannotAct, match="unblock"):
            await anna.send_text("x")


async def test_an_old_keyboard_can_still_be_pressed_from_a_screen_that_lags() -> None:
    async with talking() as (_, bot, anna):
        markup = {"inline_keyboard": [[{"text": "go", "callback_data": "go"}]]}
        sent = (await bot("sendMessage", chat_id=anna.id, text="x", reply_markup=markup)).result
        await bot("deleteMessage", chat_id=anna.id, message_id=sent["message_id"])
        with pytest.raises(CannotAct, match="gone"):
            await anna.press(sent, "go")
        await anna.press(sent, "go", old=True)
        [update] = await bot.updates()
        assert update["callback_query"]["message"]["date"] == 0
        schema.load().check_object("Update", update)


async def test_an_edit_reaches_the_bot_and_leaves_the_old_update_alone() -> None:
    async with talking() as (_, bot, anna):
        message = await anna.send_text("a cat")
        await anna.edit_text(message, "a dog")
        first, second = await bot.updates()
        assert first["message"]["text"] == "a cat"
        assert second["edited_message"]["text"] == "a dog"
        assert "edit_date" in second["edited_message"]


async def test_a_live_photo_has_both_its_parts() -> None:
    async with talking() as (_, bot, anna):
        await anna.send_live_photo(jpeg(800, 600), b"no real clip", "sea")
        [update] = await bot.updates()
        schema.load().check_object("Update", update)
        message = update["message"]
        assert message["photo"] == message["live_photo"]["photo"]
        assert message["photo"][-1]["width"] == 800


async def test_inline_mode_finds_sends_and_reports_the_choice() -> None:
    async with talking() as (_, bot, anna):
        photo = (await anna.send_photo(jpeg()))["photo"][-1]["file_id"]
        asked = await anna.inline_query("sea")
        query = (await bot.updates())[-1]["inline_query"]
        assert (query["query"], query["chat_type"]) == ("sea", "sender")
        result = {"type": "photo", "id": "1", "photo_file_id": photo, "caption": "the sea"}
        twice = [result, result]
        answer = await bot("answerInlineQuery", inline_query_id=asked.id, results=twice)
        assert "RESULT_ID_DUPLICATE" in answer.error
        answer = await bot("answerInlineQuery", inline_query_id=asked.id, results=[result])
        assert answer.result is True
        [shown] = await anna.inline_results(asked)
        message = await anna.choose(asked, shown["id"])
        assert message["caption"] == "the sea"
        assert message["via_bot"]["username"] == "sandbox_video_bot"
        chosen = (await bot.updates())[-1]
        assert chosen["chosen_inline_result"]["result_id"] == "1"
        again = await bot("answerInlineQuery", inline_query_id=asked.id, results=[])
        assert "too old" in again.error


async def test_a_failed_wait_lists_the_messages_of_the_chat() -> None:
    async with talking() as (_, _bot, anna):
        with pytest.raises(TimeoutError, match="'hi'"):
            await anna.expect(lambda m: "video" in m, within=0.01)
