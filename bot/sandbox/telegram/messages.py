"""Methods about messages without new files: send, edit, delete, copy, forward, react, draft."""

import re
from typing import Any

from bot.sandbox.telegram.calls import Method, Request
from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.outgoing import (
    KINDS,
    edited,
    find_chat,
    own_message,
    send,
    text_of,
    writable_chat,
)
from bot.sandbox.telegram.state import Chat, Json

DELETE_WITHIN = 48 * 3600
ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
# Emoji that a bot may react with (Bot API: ReactionTypeEmoji).
REACTIONS = frozenset(
    re.findall(
        r"\S+",
        "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 "
        "🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 "
        "💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 "
        "😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 "
        "😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡 ",
    )
)
MEDIA = ("photo", "video", "animation", "document", "voice", "audio", "sticker", "live_photo")
NOT_COPIED = {
    "message_id",
    "from",
    "chat",
    "date",
    "edit_date",
    "reply_to_message",
    "quote",
    "reply_markup",
    "message_thread_id",
    "is_topic_message",
    "media_group_id",
    "forward_origin",
    "via_bot",
}
SERVICE = {"migrate_to_chat_id", "migrate_from_chat_id", "new_chat_members", "left_chat_member"}


async def send_message(req: Request) -> Json:
    """Bot API: sendMessage."""
    chat = writable_chat(req, "text messages")
    return send(req, chat, text_of(req, "sendMessage"))


async def edit_message_text(req: Request) -> Any:
    """Bot API: editMessageText."""
    chat, old = own_message(req)
    if "text" not in old:
        raise bad_request("there is no text in the message to edit")
    kept = {k: v for k, v in old.items() if k not in {"text", "entities", "link_preview_options"}}
    options = req.params.get("link_preview_options")
    preview = {"link_preview_options": options} if options else {}
    return edited(req, chat, old, kept | text_of(req, "editMessageText") | preview)


async def edit_message_caption(req: Request) -> Any:
    """Bot API: editMessageCaption."""
    chat, old = own_message(req)
    if not any(kind in old for kind in MEDIA):
        raise bad_request("there is no caption in the message to edit")
    kept = {k: v for k, v in old.items() if k not in {"caption", "caption_entities"}}
    return edited(req, chat, old, kept | text_of(req, "editMessageCaption", "caption"))


async def edit_message_reply_markup(req: Request) -> Any:
    """Bot API: editMessageReplyMarkup."""
    chat, old = own_message(req)
    return edited(req, chat, old, old, content=False)


async def delete_message(req: Request) -> bool:
    """Bot API: deleteMessage."""
    chat = writable_chat(req)
    message = chat.messages.get(req.params["message_id"])
    if message is None:
        raise bad_request("message to delete not found")
    _check_deletable(req, chat, message)
    return req.world.delete(chat, message["message_id"])


async def delete_messages(req: Request) -> bool:
    """Bot API: deleteMessages; missing messages are skipped."""
    chat = writable_chat(req)
    found = [m for i in req.params["message_ids"] if (m := chat.messages.get(i))]
    for message in found:
        _check_deletable(req, chat, message)
    for message in found:
        req.world.delete(chat, message["message_id"])
    return True


def _check_deletable(req: Request, chat: Chat, message: Json) -> None:
    bot = req.world.bot["id"]
    mine = message["from"]["id"] == bot
    if not (mine or chat.private or chat.members.get(bot) == "administrator"):
        raise bad_request("message can't be deleted")
    if req.world.now() - message["date"] > DELETE_WITHIN:
        raise bad_request("message can't be deleted for everyone")


def _source(req: Request, word: str) -> Json:
    chat = find_chat(req.world, req.params["from_chat_id"])
    message = chat.messages.get(req.params["message_id"])
    if message is None or SERVICE & message.keys():
        raise bad_request(f"message to {word} not found")
    if message.get("has_protected_content"):
        raise bad_request(f"message can't be {'copied' if word == 'copy' else 'forwarded'}")
    return message


async def copy_message(req: Request) -> Json:
    """Bot API: copyMessage; a new caption replaces the old one."""
    source = _source(req, "copy")
    chat = writable_chat(req, *_kinds(source))
    content = {k: v for k, v in source.items() if k not in NOT_COPIED}
    if "caption" in req.params and "text" not in content:
        content = {k: v for k, v in content.items() if not k.startswith("caption")}
        content |= text_of(req, "copyMessage", "caption")
    return {"message_id": send(req, chat, content)["message_id"]}


async def forward_message(req: Request) -> Json:
    """Bot API: forwardMessage."""
    source = _source(req, "forward")
    chat = writable_chat(req, *_kinds(source))
    content = {k: v for k, v in source.items() if k not in NOT_COPIED}
    return send(req, chat, content, forward_origin=forward_origin(source))


def _kinds(source: Json) -> list[str]:
    """The kind of a copied message, as the rights of members name it."""
    return [kind for kind in KINDS if kind.split()[0].rstrip("s") in source]


def forward_origin(source: Json) -> Json:
    """Return the origin of a forwarded message; a forward of a forward keeps the first origin."""
    origin: Json = source.get("forward_origin") or {
        "type": "user",
        "date": source["date"],
        "sender_user": source["from"],
    }
    return origin


async def send_chat_action(req: Request) -> bool:
    """Bot API: sendChatAction; the action shows for 5 s or until a message."""
    chat = writable_chat(req)
    if req.params["action"] not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    thread = req.params.get("message_thread_id")
    req.world.emit("action", chat_id=chat.id, action=req.params["action"], thread=thread)
    return True


async def set_message_reaction(req: Request) -> bool:
    """Bot API: setMessageReaction; a bot has one reaction, an empty list removes it."""
    chat = writable_chat(req)
    reaction = req.params.get("reaction", [])
    if req.params["message_id"] not in chat.messages:
        raise bad_request("message to react not found")
    if len(reaction) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(one["type"] != "emoji" or one["emoji"] not in REACTIONS for one in reaction):
        raise bad_request("REACTION_INVALID")
    of_message = chat.reactions.setdefault(req.params["message_id"], {})
    of_message[req.world.bot["id"]] = reaction
    req.world.emit(
        "reaction", chat_id=chat.id, message_id=req.params["message_id"], reactions=of_message
    )
    return True


async def send_message_draft(req: Request) -> bool:
    """Bot API: sendMessageDraft; private chats only, shown for 30 s or until the next message."""
    chat = writable_chat(req)
    if not chat.private:
        raise bad_request("message drafts can be sent to private chats only")
    if req.params["draft_id"] == 0:
        raise bad_request("draft_id must be non-zero")
    content = text_of(req, "sendMessageDraft") if req.params.get("text") else {"text": ""}
    draft = {
        **content,
        "draft_id": req.params["draft_id"],
        "can_stop": req.params.get("can_stop", False),
        "keep_on_stop": req.params.get("keep_on_stop", False),
        "message_thread_id": req.params.get("message_thread_id"),
        "until": req.world.now() + 30,
    }
    chat.drafts = {req.params["draft_id"]: draft}
    req.world.emit("draft", chat_id=chat.id, draft=draft)
    return True


METHODS: dict[str, Method] = {
    "sendMessage": send_message,
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "copyMessage": copy_message,
    "forwardMessage": forward_message,
    "sendChatAction": send_chat_action,
    "setMessageReaction": set_message_reaction,
    "sendMessageDraft": send_message_draft,
}
