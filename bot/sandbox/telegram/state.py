"""The state of the emulated Telegram: people, chats, messages, updates, queries.

It must not know HTTP or methods. Messages are Bot API JSON and are replaced, never changed
in place: a waiting update keeps its content.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.telegram.files import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, FileStore
from bot.sandbox.telegram.till import Till

Json = dict[str, Any]

# Bot API: setWebhook, getUpdates. These kinds are not delivered unless requested by name.
ONLY_IF_ASKED = {"chat_member", "message_reaction", "message_reaction_count"}
FIRST_UPDATE_ID = 703_114_001
ANONYMOUS_ADMIN: Json = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}


@dataclass
class Chat:
    """A private chat (its id is the person's), a group or a supergroup."""

    id: int
    type: str
    title: str = ""
    is_forum: bool = False
    # Status of each member, the bot included: member, administrator, left, kicked.
    members: dict[int, str] = field(default_factory=dict)
    messages: dict[int, Json] = field(default_factory=dict)
    reactions: dict[int, dict[int, list[Json]]] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)
    closed_topics: set[int] = field(default_factory=set)
    # Kinds of messages that members may not send, in the words of Telegram's refusal.
    forbidden: set[str] = field(default_factory=set)
    slow_mode: int = 0  # seconds between two messages of a member
    bot_sent_at: float | None = None
    drafts: dict[int, Json] = field(default_factory=dict)
    migrated_to: int | None = None
    last_id: int = 0
    # Whether the person has ever written: until then the bot may not start the chat.
    started: bool = False
    keyboard: Json | None = None

    @property
    def private(self) -> bool:
        """One person and the bot."""
        return self.type == "private"


@dataclass
class CallbackQuery:
    """A press that waits for its answer."""

    id: str
    user_id: int
    chat_id: int
    message_id: int
    at: float
    answer: Json | None = None


@dataclass
class InlineQuery:
    """An inline query that waits for its results."""

    id: str
    user_id: int
    chat_id: int
    query: str
    at: float
    results: Json | None = None


@dataclass
class Webhook:
    """Where updates go; an empty `url` means long polling."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    last_error: tuple[int, str] | None = None


class World:
    """The whole state; all methods run on the event loop's thread."""

    def __init__(self, files: FileStore, clock: Callable[[], float], bot: Json) -> None:
        self.files = files
        self.clock = clock
        # Behave as a server with --local: files by path, no limit of 20 MB.
        self.local = False
        # The bot as in getMe; messages carry only the plain User.
        self.me = bot
        self.bot = {k: bot[k] for k in ("id", "is_bot", "first_name", "username")}
        self.users: dict[int, Json] = {}
        self.chats: dict[int, Chat] = {}
        self.callbacks: dict[str, CallbackQuery] = {}
        self.inline_queries: dict[str, InlineQuery] = {}
        self.inline_messages: dict[str, tuple[int, int]] = {}
        self.till = Till()
        self.profile: dict[tuple[str, str], str] = {}
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.webhook = Webhook()
        self.allowed: set[str] | None = None
        self.privacy_mode = True
        # Unconfirmed updates, and all updates so far (to deliver one again).
        self.pending: deque[Json] = deque()
        # Confirmed updates to deliver a second time, regardless of the offset.
        self.repeated: deque[Json] = deque()
        self.updates: list[Json] = []
        self.on_update: Callable[[], None] = lambda: None
        self._next_update = FIRST_UPDATE_ID
        self._listeners: set[asyncio.Queue[Json]] = set()

    @property
    def upload_limit(self) -> int:
        """Largest upload in bytes: 50 MB at the public server."""
        return LOCAL_UPLOAD_LIMIT if self.local else UPLOAD_LIMIT

    def now(self) -> int:
        """Return the Unix time in whole seconds, as in messages."""
        return int(self.clock())

    # --- events for the page and for waiting code ---

    def emit(self, kind: str, **data: Any) -> None:
        """Notify all listeners."""
        for queue in self._listeners:
            queue.put_nowait({"event": kind, **data})

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[Json]]:
        """Iterate over events from now on, in order."""
        queue: asyncio.Queue[Json] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    # --- updates ---

    def update(self, kind: str, payload: Json) -> Json | None:
        """Create an update of this kind; None when the bot did not ask for the kind."""
        wanted = kind in self.allowed if self.allowed else kind not in ONLY_IF_ASKED
        if not wanted:
            return None
        return self.push({"update_id": self.next_update_id(), kind: payload})

    def next_update_id(self) -> int:
        """Update ids grow by one."""
        self._next_update += 1
        return self._next_update - 1

    def push(self, update: Json) -> Json:
        """Queue an update unchanged, valid or not; only its id must be a number."""
        if not isinstance(update.get("update_id"), int):
            raise ValueError("update_id must be an integer")
        self.pending.append(update)
        self.updates.append(update)
        self.on_update()
        return update

    def confirm(self, before: int) -> None:
        """Delete the updates with ids below `before`."""
        self.pending = deque(u for u in self.pending if u["update_id"] >= before)

    def repeat(self, update_id: int) -> Json:
        """Deliver an update once more; raise KeyError for an unknown id."""
        for update in self.updates:
            if update["update_id"] == update_id:
                self.repeated.append(update)
                self.on_update()
                return update
        raise KeyError(update_id)

    # --- people and chats ---

    def chat_json(self, chat: Chat) -> Json:
        """Return the Chat object for messages."""
        if chat.private:
            user = self.users[chat.id]
            names = ("first_name", "last_name", "username")
            return {"id": chat.id, "type": "private", **{n: user[n] for n in names if n in user}}
        body: Json = {"id": chat.id, "type": chat.type, "title": chat.title}
        return {**body, "is_forum": True} if chat.is_forum else body

    def member_status(self, chat: Chat, user_id: int) -> str:
        """Return the status of a member; `left` for everybody else."""
        return chat.members.get(user_id, "left")

    def sees(self, user_id: int, chat: Chat) -> bool:
        """Whether this person sees the chat in their list."""
        if chat.private:
            return chat.id == user_id
        return chat.members.get(user_id, "left") not in {"left", "kicked"}

    # --- messages ---

    def post(self, chat: Chat, sender: Json, content: Json, **extra: Any) -> Json:
        """Add a message and notify the listeners; extras that are None are left out.

        `reply_to` is the message replied to; `thread` the topic.
        """
        reply, thread = extra.pop("reply_to", None), extra.pop("thread", None)
        chat.last_id += 1
        message: Json = {
            "message_id": chat.last_id,
            "from": sender,
            "chat": self.chat_json(chat),
            "date": self.now(),
        }
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
        if reply is not None:
            message["reply_to_message"] = {
                k: v for k, v in reply.items() if k != "reply_to_message"
            }
        message |= {key: value for key, value in extra.items() if value is not None}
        message |= content
        chat.messages[chat.last_id] = message
        self.emit("message", chat_id=chat.id, message=message)
        return message

    def replace(self, chat: Chat, message: Json) -> Json:
        """Replace a message by its edited version."""
        chat.messages[message["message_id"]] = message
        self.emit("edited", chat_id=chat.id, message=message)
        return message

    def delete(self, chat: Chat, message_id: int) -> bool:
        """Delete a message; return False if there is no such message."""
        if chat.messages.pop(message_id, None) is None:
            return False
        self.emit("deleted", chat_id=chat.id, message_id=message_id)
        return True

    def find_inline(self, inline_message_id: str) -> tuple[Chat, Json] | None:
        """Return the message that was sent through the bot in inline mode."""
        place = self.inline_messages.get(inline_message_id)
        if place is None:
            return None
        chat = self.chats[place[0]]
        message = chat.messages.get(place[1])
        return (chat, message) if message else None


def new_id() -> str:
    """Return an id of a query, as long as Telegram's."""
    return str(secrets.randbelow(9 * 10**18) + 10**18)
