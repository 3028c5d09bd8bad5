"""A process for the tests: what aiogram makes of updates, requests and answers, as JSON."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from bot.runtime.lazy_aiogram import import_aiogram

NOW = 1_767_268_800
ANN = {
    "id": 7,
    "is_bot": False,
    "first_name": "Ann",
    "username": "ann",
    "language_code": "ru",
    "is_premium": True,
}
BOT = {"id": 42, "is_bot": True, "first_name": "Video", "username": "video_bot"}
CHAT = {"id": 7, "type": "private", "first_name": "Ann"}
GROUP = {"id": -1001, "type": "supergroup", "title": "Films", "is_forum": True}
CHANNEL = {"id": -1002, "type": "channel", "title": "News", "username": "news"}
SIZE = {"file_id": "F1", "file_unique_id": "U1", "width": 90, "height": 60, "file_size": 1200}
FILE = {"file_id": "F2", "file_unique_id": "U2", "mime_type": "video/mp4", "file_size": 9}
PLACE = {"latitude": 55.75, "longitude": 37.61}
ORDER = {
    "name": "Ann",
    "shipping_address": {
        "country_code": "RU",
        "state": "",
        "city": "Moscow",
        "street_line1": "1",
        "street_line2": "",
        "post_code": "101000",
    },
}
PAID = {"currency": "XTR", "total_amount": 17, "invoice_payload": "p"}
POLL = {
    "id": "p1",
    "question": "Which?",
    "question_entities": [],
    "options": [
        {"persistent_id": "a", "text": "this", "voter_count": 1},
        {"persistent_id": "b", "text": "that", "voter_count": 0},
    ],
    "total_voter_count": 1,
    "is_closed": False,
    "is_anonymous": True,
    "type": "quiz",
    "allows_multiple_answers": False,
    "allows_revoting": False,
    "members_only": False,
    "correct_option_ids": [0],
}
KEYS = {
    "inline_keyboard": [[{"text": "Go", "callback_data": "go:1"}, {"text": "x", "url": "a.b"}]]
}
LINK = {"url": "https://example.com", "prefer_small_media": True}


def message(**content: Any) -> dict[str, Any]:
    return {"message_id": 5, "date": NOW, "chat": CHAT, "from": ANN, **content}


MESSAGES: list[dict[str, Any]] = [
    message(
        text="/start a @ann #x",
        entities=[
            {"type": "bot_command", "offset": 0, "length": 6},
            {"type": "text_mention", "offset": 9, "length": 4, "user": ANN},
            {"type": "custom_emoji", "offset": 14, "length": 2, "custom_emoji_id": "1"},
        ],
        link_preview_options=LINK,
    ),
    message(photo=[SIZE, {**SIZE, "width": 1280}], caption="a cat", has_media_spoiler=True),
    message(media_group_id="g", photo=[SIZE], show_caption_above_media=True),
    message(
        video={
            **FILE,
            "width": 864,
            "height": 480,
            "duration": 5,
            "thumbnail": SIZE,
            "cover": [SIZE],
            "start_timestamp": 1,
        }
    ),
    message(animation={**FILE, "width": 10, "height": 10, "duration": 1}, document=FILE),
    message(audio={**FILE, "duration": 3, "performer": "P", "title": "T"}),
    message(document={**FILE, "file_name": "cat.heic", "mime_type": "image/heic"}),
    message(voice={**FILE, "duration": 3}),
    message(video_note={**FILE, "length": 240, "duration": 3}),
    message(
        sticker={
            **SIZE,
            "type": "regular",
            "is_animated": False,
            "is_video": True,
            "emoji": "🐈",
            "mask_position": {"point": "eyes", "x_shift": 0.5, "y_shift": 1.0, "scale": 2.0},
        }
    ),
    message(contact={"phone_number": "+7000", "first_name": "Ann", "user_id": 7}),
    message(location={**PLACE, "live_period": 60, "heading": 90}),
    message(venue={"location": PLACE, "title": "Cinema", "address": "1"}, location=PLACE),
    message(poll=POLL),
    message(dice={"emoji": "🎲", "value": 6}),
    message(game={"title": "G", "description": "D", "photo": [SIZE]}),
    message(invoice={"title": "V", "description": "D", "start_parameter": "", **PAID}),
    message(
        successful_payment={
            **PAID,
            "telegram_payment_charge_id": "t",
            "provider_payment_charge_id": "q",
            "order_info": ORDER,
        }
    ),
    message(
        refunded_payment={
            "currency": "XTR",
            "total_amount": 17,
            "invoice_payload": "p",
            "telegram_payment_charge_id": "t",
        }
    ),
    message(text="said", forward_origin={"type": "user", "date": NOW, "sender_user": ANN}),
    message(
        text="said",
        forward_origin={"type": "hidden_user", "date": NOW, "sender_user_name": "Nobody"},
    ),
    message(text="said", forward_origin={"type": "chat", "date": NOW, "sender_chat": GROUP}),
    message(
        text="said",
        forward_origin={"type": "channel", "date": NOW, "chat": CHANNEL, "message_id": 1},
    ),
    message(text="yes", reply_to_message=message(text="?"), quote={"text": "?", "position": 0}),
    message(
        text="yes",
        external_reply={"origin": {"type": "user", "date": NOW, "sender_user": ANN}, "dice": None},
    ),
    message(text="yes", reply_to_story={"chat": CHAT, "id": 3}, via_bot=BOT, reply_markup=KEYS),
    message(chat=GROUP, new_chat_members=[ANN, BOT]),
    message(chat=GROUP, left_chat_member=ANN),
    message(chat=GROUP, new_chat_title="Movies"),
    message(chat=GROUP, new_chat_photo=[SIZE]),
    message(chat=GROUP, delete_chat_photo=True, group_chat_created=True),
    message(chat=GROUP, message_auto_delete_timer_changed={"message_auto_delete_time": 60}),
    message(chat=GROUP, migrate_to_chat_id=-1001, migrate_from_chat_id=-1),
    message(chat=GROUP, pinned_message=message(text="pin")),
    message(chat=GROUP, pinned_message={"chat": GROUP, "message_id": 1, "date": 0}),
    message(
        chat=GROUP,
        message_thread_id=9,
        is_topic_message=True,
        forum_topic_created={"name": "T", "icon_color": 7322096},
    ),
    message(chat=GROUP, forum_topic_closed={}, general_forum_topic_hidden={}),
    message(chat=GROUP, video_chat_scheduled={"start_date": NOW}, video_chat_started={}),
    message(chat=GROUP, video_chat_ended={"duration": 3}),
    message(chat=GROUP, video_chat_participants_invited={"users": [ANN]}),
    message(chat=GROUP, sender_chat=GROUP, sender_boost_count=2, author_signature="adm"),
    message(web_app_data={"data": "{}", "button_text": "Open"}),
    message(users_shared={"request_id": 1, "users": [{"user_id": 7, "photo": [SIZE]}]}),
    message(chat_shared={"request_id": 1, "chat_id": -1001, "title": "Films"}),
    message(proximity_alert_triggered={"traveler": ANN, "watcher": BOT, "distance": 3}),
    message(write_access_allowed={"from_request": True}, connected_website="example.com"),
    message(boost_added={"boost_count": 1}),
    message(
        giveaway={"chats": [CHANNEL], "winners_selection_date": NOW, "winner_count": 1},
    ),
    message(
        paid_media={
            "star_count": 5,
            "paid_media": [
                {"type": "preview", "width": 3, "height": 2},
                {"type": "photo", "photo": [SIZE]},
            ],
        }
    ),
    message(
        passport_data={
            "data": [{"type": "email", "email": "a@b.c", "hash": "h"}],
            "credentials": {"data": "d", "hash": "h", "secret": "s"},
        }
    ),
    message(story={"chat": CHANNEL, "id": 2}, effect_id="1", is_from_offline=True),
    message(edit_date=NOW + 60, text="edited", business_connection_id="b"),
    message(text="new", some_field_of_tomorrow={"deep": [1, {"er": None}]}),
]

MEMBERS: list[dict[str, Any]] = [
    {"status": "member", "user": BOT},
    {"status": "left", "user": BOT},
    {"status": "kicked", "user": BOT, "until_date": 0},
    {"status": "creator", "user": ANN, "is_anonymous": False, "custom_title": "boss"},
]

UPDATES: list[dict[str, Any]] = [
    *({"message": content} for content in MESSAGES),
    {"edited_message": message(text="edited", edit_date=NOW)},
    {"channel_post": {"message_id": 1, "date": NOW, "chat": CHANNEL, "text": "post"}},
    {"edited_channel_post": {"message_id": 1, "date": NOW, "chat": CHANNEL, "text": "post"}},
    {
        "business_connection": {
            "id": "b",
            "user": ANN,
            "user_chat_id": 7,
            "date": NOW,
            "is_enabled": True,
            "rights": {"can_reply": True},
        }
    },
    {"business_message": message(text="b", business_connection_id="b")},
    {"edited_business_message": message(text="b", business_connection_id="b")},
    {
        "deleted_business_messages": {
            "business_connection_id": "b",
            "chat": CHAT,
            "message_ids": [1, 2],
        }
    },
    {
        "callback_query": {
            "id": "c",
            "from": ANN,
            "chat_instance": "i",
            "data": "go:1",
            "message": message(text="card", reply_markup=KEYS),
        }
    },
    {
        "callback_query": {
            "id": "c",
            "from": ANN,
            "chat_instance": "i",
            "data": "go:1",
            "message": {"chat": CHAT, "message_id": 1, "date": 0},
        }
    },
    {
        "callback_query": {
            "id": "c",
            "from": ANN,
            "chat_instance": "i",
            "inline_message_id": "m",
            "game_short_name": "g",
        }
    },
    {
        "inline_query": {
            "id": "q",
            "from": ANN,
            "query": "cat",
            "offset": "",
            "chat_type": "sender",
            "location": PLACE,
        }
    },
    {"chosen_inline_result": {"result_id": "r", "from": ANN, "query": "cat"}},
    {
        "shipping_query": {
            "id": "s",
            "from": ANN,
            "invoice_payload": "p",
            "shipping_address": ORDER["shipping_address"],
        }
    },
    {"pre_checkout_query": {"id": "x", "from": ANN, **PAID, "order_info": ORDER}},
    {"purchased_paid_media": {"from": ANN, "paid_media_payload": "p"}},
    {"poll": POLL},
    {
        "poll_answer": {
            "poll_id": "p1",
            "user": ANN,
            "option_ids": [0],
            "option_persistent_ids": ["a"],
        }
    },
    *(
        {
            "my_chat_member": {
                "chat": GROUP,
                "from": ANN,
                "date": NOW,
                "old_chat_member": MEMBERS[0],
                "new_chat_member": member,
            }
        }
        for member in MEMBERS
    ),
    {
        "chat_member": {
            "chat": GROUP,
            "from": ANN,
            "date": NOW,
            "old_chat_member": MEMBERS[1],
            "new_chat_member": MEMBERS[0],
            "invite_link": {
                "invite_link": "https://t.me/+x",
                "creator": ANN,
                "creates_join_request": False,
                "is_primary": True,
                "is_revoked": False,
            },
        }
    },
    {"chat_join_request": {"chat": GROUP, "from": ANN, "user_chat_id": 7, "date": NOW}},
    {
        "message_reaction": {
            "chat": GROUP,
            "message_id": 5,
            "user": ANN,
            "date": NOW,
            "old_reaction": [],
            "new_reaction": [
                {"type": "emoji", "emoji": "👍"},
                {"type": "custom_emoji", "custom_emoji_id": "1"},
                {"type": "paid"},
            ],
        }
    },
    {
        "message_reaction_count": {
            "chat": CHANNEL,
            "message_id": 5,
            "date": NOW,
            "reactions": [{"type": {"type": "emoji", "emoji": "👍"}, "total_count": 2}],
        }
    },
    {
        "chat_boost": {
            "chat": CHANNEL,
            "boost": {
                "boost_id": "o",
                "add_date": NOW,
                "expiration_date": NOW + 9,
                "source": {"source": "premium", "user": ANN},
            },
        }
    },
    {
        "removed_chat_boost": {
            "chat": CHANNEL,
            "boost_id": "o",
            "remove_date": NOW,
            "source": {"source": "giveaway", "giveaway_message_id": 1, "is_unclaimed": True},
        }
    },
    {"an_update_of_tomorrow": {"chat": CHAT}},
    # what cannot be parsed must fail with the same words
    {"message": {"message_id": "five", "chat": {}, "from": 7}},
    {"message": message(photo=[{"file_id": 1}], entities="bold")},
    {"callback_query": {"id": 1}},
    {"my_chat_member": {"chat": GROUP, "new_chat_member": {"status": "king"}}},
    {"poll": [1, 2]},
]


def parsed() -> Iterator[Any]:
    """Each update as an object and as it is written again, or its errors."""
    from aiogram.types import Update
    from pydantic import ValidationError

    for number, content in enumerate(UPDATES):
        try:
            update = Update.model_validate({"update_id": number, **content})
        except ValidationError as exc:
            yield "refused", str(exc)
        else:
            kind = (update.message.content_type if update.message else None) or ""
            yield kind, repr(update), update.model_dump_json(exclude_unset=True, by_alias=True)


def serialized() -> Iterator[Any]:
    """Each request as the form that goes to Telegram, or why it cannot be made."""
    from aiogram import Bot, methods
    from aiogram import types as t
    from aiogram.client.session.aiohttp import AiohttpSession
    from pydantic import ValidationError

    session = AiohttpSession()
    bot = Bot("42:token", session=session)
    keys = t.InlineKeyboardMarkup(
        inline_keyboard=[[t.InlineKeyboardButton(text="Go", callback_data="go:1")]]
    )
    reply = t.ReplyParameters(message_id=5, allow_sending_without_reply=True)
    photo = t.BufferedInputFile(b"jpeg", filename="a.jpg")
    wrong: Any = [{"text": 1}]
    makers: list[Any] = [
        lambda: methods.SendMessage(chat_id=7, text="hi", reply_markup=keys),
        lambda: methods.SendMessage(
            chat_id="@news",
            text="hi",
            entities=[t.MessageEntity(type="bold", offset=0, length=2)],
            link_preview_options=t.LinkPreviewOptions(is_disabled=True),
            reply_parameters=reply,
        ),
        lambda: methods.SendMessage(
            chat_id=7,
            text="hi",
            reply_markup=t.ReplyKeyboardMarkup(keyboard=[[t.KeyboardButton(text="A")]]),
        ),
        lambda: methods.SendMessage(chat_id=7, text="", reply_markup=t.ReplyKeyboardRemove()),
        lambda: methods.SendVideo(
            chat_id=7,
            video=t.BufferedInputFile(b"mp4", filename="a.mp4"),
            thumbnail=photo,
            width=864,
            height=480,
            duration=5,
            supports_streaming=True,
            caption="c",
        ),
        lambda: methods.SendPhoto(chat_id=7, photo="F1", has_spoiler=True, parse_mode="HTML"),
        lambda: methods.SendMediaGroup(
            chat_id=7, media=[t.InputMediaPhoto(media=photo), t.InputMediaVideo(media="F2")]
        ),
        lambda: methods.EditMessageText(
            chat_id=7, message_id=5, text="new", reply_markup=keys, inline_message_id=None
        ),
        lambda: methods.EditMessageMedia(
            chat_id=7, message_id=5, media=t.InputMediaPhoto(media="F1", caption="c")
        ),
        lambda: methods.AnswerCallbackQuery(callback_query_id="c", text="ok", show_alert=True),
        lambda: methods.SetMyCommands(
            commands=[t.BotCommand(command="start", description="begin")],
            scope=t.BotCommandScopeAllPrivateChats(),
            language_code="ru",
        ),
        lambda: methods.AnswerInlineQuery(
            inline_query_id="q",
            results=[
                t.InlineQueryResultArticle(
                    id="1",
                    title="T",
                    input_message_content=t.InputTextMessageContent(message_text="m"),
                )
            ],
        ),
        lambda: methods.SendInvoice(
            chat_id=7,
            title="V",
            description="D",
            payload="p",
            currency="XTR",
            prices=[t.LabeledPrice(label="video", amount=17)],
        ),
        lambda: methods.RestrictChatMember(
            chat_id=-1001, user_id=7, permissions=t.ChatPermissions(can_send_messages=False)
        ),
        lambda: methods.SetMessageReaction(
            chat_id=7, message_id=5, reaction=[t.ReactionTypeEmoji(emoji="👍")]
        ),
        lambda: methods.GetUpdates(offset=1, timeout=25, allowed_updates=["message"]),
        lambda: methods.SendMessage(chat_id=wrong, text=wrong),
        lambda: methods.SendVideo(chat_id=7, video=wrong),
        lambda: t.InlineKeyboardMarkup(inline_keyboard=wrong),
    ]
    for make in makers:
        try:
            method = make()
        except ValidationError as exc:
            yield "refused", str(exc)
            continue
        files: dict[str, t.InputFile] = {}
        form = {
            key: session.prepare_value(value, bot=bot, files=files)
            for key, value in method.model_dump(warnings=False).items()
        }
        text = json.dumps(form)
        for number, key in enumerate(files):
            text = text.replace(key, f"file{number}")
        yield type(method).__name__, text, [file.filename for file in files.values()]


def answered() -> Iterator[Any]:
    """Each answer of Telegram as the session reads it."""
    from aiogram import Bot, methods
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.exceptions import TelegramAPIError

    session = AiohttpSession()
    bot = Bot("42:token", session=session)
    flood = {"ok": False, "description": "Too Many", "parameters": {"retry_after": 3}}
    answers: list[tuple[Any, int, Any]] = [
        (methods.GetMe(), 200, {"ok": True, "result": BOT}),
        (methods.SendMessage(chat_id=7, text="x"), 200, {"ok": True, "result": MESSAGES[0]}),
        (methods.EditMessageText(text="x"), 200, {"ok": True, "result": True}),
        (methods.EditMessageText(text="x"), 200, {"ok": True, "result": MESSAGES[1]}),
        (methods.GetMyCommands(), 200, {"ok": True, "result": [{"command": "a"}]}),
        (methods.GetUpdates(), 200, {"ok": True, "result": [{"update_id": 1, **UPDATES[0]}]}),
        (methods.GetChat(chat_id=7), 200, {"ok": True, "result": CHAT}),
        (methods.GetFile(file_id="F"), 200, {"ok": True, "result": FILE}),
        (methods.SendMessage(chat_id=7, text="x"), 429, flood),
        (methods.SendMessage(chat_id=7, text="x"), 400, {"ok": False, "description": "Bad"}),
    ]
    for method, status, body in answers:
        try:
            answer = session.check_response(bot, method, status, json.dumps(body))
        except TelegramAPIError as exc:
            yield type(exc).__name__, str(exc)
        except Exception as exc:
            yield type(exc).__name__, re.sub(r"0x[0-9a-f]+", "", str(exc))
        else:
            yield type(method).__name__, repr(answer.result)


def models() -> Iterator[Any]:
    """Every model of aiogram, built: its fields, and whether it is complete."""
    from pydantic import BaseModel

    def below(cls: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for found in cls.__subclasses__():
            yield found
            yield from below(found)

    every = {cls for cls in below(BaseModel) if cls.__module__.startswith("aiogram.")}
    for cls in sorted(every, key=lambda cls: (cls.__module__, cls.__qualname__)):
        if "[" not in cls.__name__:
            cls.model_rebuild()
            fields = re.sub(r"0x[0-9a-f]+", "", repr(cls.model_fields))
            yield cls.__module__, cls.__qualname__, cls.__pydantic_complete__, fields


def main() -> None:
    warnings.simplefilter("error")
    outcome = {"lean": import_aiogram(), "parsed": list(parsed())}
    outcome |= {"serialized": list(serialized()), "answered": list(answered())}
    json.dump(outcome | {"models": list(models())}, sys.stdout)


if __name__ == "__main__":
    main()
