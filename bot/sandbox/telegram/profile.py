"""Methods about the bot itself and the chats it is in: names, descriptions, commands, members."""

import re

from bot.sandbox.telegram.calls import Method, Request
from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.outgoing import find_chat
from bot.sandbox.telegram.state import Json, World

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
LANGUAGE = re.compile(r"[a-z]{2}")
CHAT_SCOPES = {"chat", "chat_administrators", "chat_member"}


async def get_me(req: Request) -> Json:
    """Bot API: getMe."""
    return req.world.me


def language_of(params: Json) -> str:
    """Return the two letters of `language_code`, or "" for all languages."""
    code: str = params.get("language_code", "")
    if code and not LANGUAGE.fullmatch(code):
        raise bad_request("invalid language_code specified")
    return code


def _scope(req: Request) -> str:
    scope = req.params.get("scope") or {"type": "default"}
    if scope["type"] in CHAT_SCOPES:
        find_chat(req.world, scope["chat_id"])
    parts = (scope["type"], scope.get("chat_id"), scope.get("user_id"))
    return ":".join(str(part) for part in parts if part is not None)


async def set_my_commands(req: Request) -> bool:
    """Bot API: setMyCommands."""
    commands = req.params["commands"]
    if len(commands) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    if any(not COMMAND.fullmatch(one["command"]) for one in commands):
        raise bad_request("BOT_COMMAND_INVALID")
    req.world.commands[_scope(req), language_of(req.params)] = commands
    req.world.emit("commands")
    return True


async def get_my_commands(req: Request) -> list[Json]:
    """Bot API: getMyCommands; the exact scope and language, without falling back."""
    return req.world.commands.get((_scope(req), language_of(req.params)), [])


async def delete_my_commands(req: Request) -> bool:
    """Bot API: deleteMyCommands."""
    req.world.commands.pop((_scope(req), language_of(req.params)), None)
    req.world.emit("commands")
    return True


def commands_for(world: World, user_id: int, chat_id: int) -> list[Json]:
    """Return the menu that a person sees in a chat (Bot API: Determining list of commands)."""
    chat, code = world.chats[chat_id], world.users[user_id].get("language_code", "")[:2]
    if chat.private:
        scopes = [f"chat:{chat_id}", "all_private_chats", "default"]
    else:
        scopes = [f"chat_member:{chat_id}:{user_id}", f"chat:{chat_id}"]
        if chat.members.get(user_id) == "administrator":
            scopes[1:1] = [f"chat_administrators:{chat_id}"]
            scopes.append("all_chat_administrators")
        scopes += ["all_group_chats", "default"]
    for scope in scopes:
        for language in (code, ""):
            if found := world.commands.get((scope, language)):
                return found
    return []


def _setter(field: str) -> Method:
    async def set_text(req: Request) -> bool:
        key = (field, language_of(req.params))
        if value := req.params.get(field, ""):
            req.world.profile[key] = value
        else:
            req.world.profile.pop(key, None)
        return True

    return set_text


def _getter(field: str) -> Method:
    async def get_text(req: Request) -> Json:
        return {field: profile_text(req.world, field, language_of(req.params))}

    return get_text


def profile_text(world: World, field: str, language: str) -> str:
    """Return the name or description in this language, or the one for all other languages."""
    own = world.bot["first_name"] if field == "name" else ""
    return world.profile.get((field, language)) or world.profile.get((field, "")) or own


async def get_chat(req: Request) -> Json:
    """Bot API: getChat."""
    chat = find_chat(req.world, req.params["chat_id"])
    gifts = dict.fromkeys(
        (
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        ),
        True,
    )
    return {
        **req.world.chat_json(chat),
        "accent_color_id": chat.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": gifts,
    }


async def get_chat_member(req: Request) -> Json:
    """Bot API: getChatMember."""
    chat = find_chat(req.world, req.params["chat_id"])
    user_id = req.params["user_id"]
    user = req.world.bot if user_id == req.world.bot["id"] else req.world.users.get(user_id)
    if user is None:
        raise bad_request("invalid user_id specified")
    return member_json(user, req.world.member_status(chat, user_id))


def member_json(user: Json, status: str) -> Json:
    """Return a ChatMember with this status."""
    if status == "kicked":
        return {"status": status, "user": user, "until_date": 0}
    if status != "administrator":
        return {"status": status, "user": user}
    rights = {"can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages"}
    rights |= {"can_manage_video_chats", "can_restrict_members", "can_promote_members"}
    rights |= {"can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories"}
    rights |= {"can_delete_stories", "can_send_welcome_messages"}
    granted = {"can_manage_chat", "can_delete_messages", "can_invite_users"}
    return {"status": status, "user": user, **{right: right in granted for right in rights}}


METHODS: dict[str, Method] = {
    "getMe": get_me,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setMyDescription": _setter("description"),
    "getMyDescription": _getter("description"),
    "setMyShortDescription": _setter("short_description"),
    "getMyShortDescription": _getter("short_description"),
    "setMyName": _setter("name"),
    "getMyName": _getter("name"),
    "getChat": get_chat,
    "getChatMember": get_chat_member,
}
