"""Shared by all methods that send or edit: the chat, the text, the reply, the keyboard."""

import math
from typing import Any

from bot.sandbox.telegram import schema
from bot.sandbox.telegram.calls import Request
from bot.sandbox.telegram.errors import NOT_MODIFIED, ApiError, bad_request, too_many
from bot.sandbox.telegram.state import Chat, Json, World
from bot.sandbox.telegram.text import formatted, utf16_len

# Parameters of the Bot API without an effect in the emulator: they are recorded.
UNSUPPORTED = {
    "business_connection_id",
    "direct_messages_topic_id",
    "ephemeral_message_parameters",
    "suggested_post_parameters",
    "message_effect_id",
    "allow_paid_broadcast",
    "rich_message",
}
BUTTON_KINDS = {
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
    "disabled",
}


def find_chat(world: World, chat_id: int | str) -> Chat:
    """Return the chat with that id, or raise Telegram's 400 or 403 if the bot cannot reach it."""
    chat = world.chats.get(chat_id) if isinstance(chat_id, int) else None
    if chat is None:
        raise bad_request("chat not found")
    if chat.migrated_to is not None:
        raise ApiError(
            400,
            "group chat was upgraded to a supergroup chat",
            migrate_to_chat_id=chat.migrated_to,
        )
    return chat


KINDS = ("text messages", "photos", "videos", "animations", "documents")
"""What the rights of members name, in the words of Telegram's refusal."""


def writable_chat(req: Request, *kinds: str) -> Chat:
    """The chat that `chat_id` names, if the bot may write there, and send messages of `kinds`."""
    for name in UNSUPPORTED & req.params.keys():
        raise ApiError(501, f"the sandbox does not do {name}")
    world, chat = req.world, find_chat(req.world, req.params["chat_id"])
    status = chat.members.get(world.bot["id"], "left")
    if chat.private:
        if status == "kicked":
            raise ApiError(403, "bot was blocked by the user")
        if not chat.started:
            raise ApiError(403, "bot can't initiate conversation with a user")
    elif status == "kicked":
        raise ApiError(403, f"bot was kicked from the {chat.type} chat")
    elif status == "left":
        raise ApiError(403, f"bot is not a member of the {chat.type} chat")
    thread = req.params.get("message_thread_id")
    if thread is not None and thread not in chat.topics:
        raise bad_request("message thread not found")
    if status != "administrator":
        _check_rights(world, chat, thread, kinds)
    return chat


def _check_rights(world: World, chat: Chat, thread: int | None, kinds: tuple[str, ...]) -> None:
    """As tdlib's can_send_message_content, and then the server, for a member."""
    for kind in kinds:
        if kind in chat.forbidden:
            raise bad_request(f"not enough rights to send {kind} to the chat")
    if thread in chat.closed_topics:
        raise bad_request("TOPIC_CLOSED")
    if kinds and chat.slow_mode and chat.bot_sent_at is not None:
        left = chat.bot_sent_at + chat.slow_mode - world.clock()
        if left > 0:
            raise too_many(math.ceil(left))


def text_of(req: Request, method: str, field: str = "text") -> Json:
    """Return `text`/`entities` or `caption`/`caption_entities` of a message, parsed and checked
    for length.
    """
    params = req.params
    entities_field = "entities" if field == "text" else "caption_entities"
    return text_content(
        params.get(field), params.get("parse_mode"), params.get(entities_field), method, field
    )


def text_content(
    text: str | None,
    parse_mode: str | None,
    entities: list[Json] | None,
    owner: str,
    field: str,
) -> Json:
    """Like `text_of`, for texts inside InputMedia and inline results (`owner` is their type)."""
    plain, found = formatted(text or "", parse_mode, entities)
    limit = schema.load().limit(owner, field)
    if utf16_len(plain) > limit:
        raise bad_request(
            "message is too long" if field == "text" else "message caption is too long"
        )
    if not plain:
        if field == "text":
            raise bad_request("message text is empty")
        return {}
    entities_field = "entities" if field == "text" else "caption_entities"
    return {field: plain, **({entities_field: found} if found else {})}


def reply_of(req: Request, chat: Chat) -> Json:
    """Return `reply_to` and `quote` for `World.post`."""
    wanted: Json | None = req.params.get("reply_parameters")
    if wanted is None:
        return {}
    if wanted.get("chat_id", chat.id) != chat.id or "message_id" not in wanted:
        raise ApiError(501, "the sandbox replies within one chat, to a message_id")
    message = chat.messages.get(wanted["message_id"])
    if message is None:
        if wanted.get("allow_sending_without_reply"):
            req.call.notes.append("sent without the reply: message not found")
            return {}
        raise bad_request("message to be replied not found")
    if not (quote := wanted.get("quote")):
        return {"reply_to": message}
    text, entities = formatted(quote, wanted.get("quote_parse_mode"), wanted.get("quote_entities"))
    whole: str = message.get("text") or message.get("caption") or ""
    if text not in whole or utf16_len(text) > 1024:
        raise bad_request("QUOTE_TEXT_INVALID")
    position = utf16_len(whole[: whole.index(text)])
    body = {"text": text, "position": position, "is_manual": True}
    return {"reply_to": message, "quote": {**body, **({"entities": entities} if entities else {})}}


def inline_keyboard(markup: Json | None) -> Json | None:
    """Return the keyboard as stored in the message; an empty keyboard counts as none. Refuses
    wrong buttons.
    """
    if not markup or not any(markup["inline_keyboard"]):
        return None
    for button in (b for row in markup["inline_keyboard"] for b in row):
        kinds = BUTTON_KINDS & button.keys()
        if not button["text"].strip():
            raise bad_request("can't parse inline keyboard button: button text must be non-empty")
        if not kinds:
            raise bad_request(
                "can't parse inline keyboard button:"
                " Text buttons are unallowed in the inline keyboard"
            )
        if len(kinds) > 1:
            raise bad_request(
                f"can't parse inline keyboard button: more than one kind: {sorted(kinds)}"
            )
        url = button.get("url")
        if url is not None and not url.startswith(("http://", "https://", "tg://")):
            raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    return {"inline_keyboard": [row for row in markup["inline_keyboard"] if row]}


def send(req: Request, chat: Chat, content: Json, **extra: Any) -> Json:
    """Post the bot's message with its reply, topic and keyboard; it replaces a streamed draft."""
    params, world = req.params, req.world
    # Checked before anything is posted: a refused call has no effect.
    extra |= reply_of(req, chat)
    markup = params.get("reply_markup")
    if markup and "inline_keyboard" in markup:
        extra["reply_markup"] = inline_keyboard(markup)
    elif markup:
        chat.keyboard = markup
        world.emit("keyboard", chat_id=chat.id, keyboard=markup)
    for name in ("show_caption_above_media", "link_preview_options"):
        if params.get(name):
            extra[name] = params[name]
    if params.get("has_spoiler"):
        extra["has_media_spoiler"] = True
    if params.get("protect_content"):
        extra["has_protected_content"] = True
    chat.drafts.clear()
    chat.bot_sent_at = world.clock()
    thread = params.get("message_thread_id")
    return world.post(chat, world.bot, content, thread=thread, **extra)


def own_message(req: Request) -> tuple[Chat, Json]:
    """Return the bot's message to edit, found by chat and id or by inline id."""
    params, world = req.params, req.world
    for name in UNSUPPORTED & params.keys():
        raise ApiError(501, f"the sandbox does not do {name}")
    if "inline_message_id" in params:
        found = world.find_inline(params["inline_message_id"])
        if found is None:
            raise bad_request("MESSAGE_ID_INVALID")
        return found
    if "chat_id" not in params:
        raise bad_request("chat_id is empty")
    if "message_id" not in params:
        raise bad_request("message identifier is not specified")
    chat = writable_chat(req)
    message = chat.messages.get(params["message_id"])
    if message is None:
        raise bad_request("message to edit not found")
    if message["from"]["id"] != world.bot["id"]:
        raise bad_request("message can't be edited")
    return chat, message


def edited(req: Request, chat: Chat, old: Json, new: Json, *, content: bool = True) -> Any:
    """Replace a message by its new version; refuse an unchanged one.

    Return the Message, or True for an inline message. `content` sets the date of the edit.
    """
    markup = inline_keyboard(req.params.get("reply_markup"))
    new = {k: v for k, v in new.items() if k not in {"reply_markup", "edit_date"}}
    if markup:
        new["reply_markup"] = markup
    if new == {k: v for k, v in old.items() if k != "edit_date"}:
        raise bad_request(NOT_MODIFIED)
    if content:
        new["edit_date"] = req.world.now()
    message = req.world.replace(chat, new)
    return True if "inline_message_id" in req.params else message
