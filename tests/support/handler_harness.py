"""A harness for handlers: a real database, and a Telegram that is faked at the HTTP session.

The fixtures `harness`, `ann` and `boris` are in tests/handlers/conftest.py. A test feeds an event
and reads what Telegram saw:

    async def test_start_greets(harness: HandlerHarness, ann: Person) -> None:
        await harness.feed(**ann.text("/start"))
        assert "video" in harness.telegram.sent[0].text
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.client.session.base import BaseSession
from aiogram.methods import TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import ChatMemberAdministrator, InputFile, Update
from PIL import Image

from bot.core.access import Admins
from bot.core.catalog import CATALOG
from bot.core.catalog_file import Taken
from bot.core.task import Task
from bot.telegram.errors import ErrorMiddleware
from handlers.context import Offer
from storage import Claim, Storage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOT = {"id": 42, "is_bot": True, "first_name": "Video", "username": "video_bot"}
MODEL = CATALOG["seedance-1-lite-480P-5s"]


@dataclass
class Call:
    """One request as Telegram would have seen it."""

    name: str
    params: dict[str, Any]
    files: dict[str, bytes]
    message_id: int | None = None  # of the message that it sent

    @property
    def text(self) -> str:
        return str(self.params.get("text") or self.params.get("caption") or "")

    @property
    def buttons(self) -> list[list[tuple[str, str]]]:
        markup = self.params.get("reply_markup")
        rows = json.loads(markup)["inline_keyboard"] if markup else []
        return [
            [(button["text"], button.get("callback_data", "")) for button in row] for row in rows
        ]

    @property
    def reply_to(self) -> int | None:
        value = self.params.get("reply_parameters")
        return json.loads(value)["message_id"] if value else None


_RIGHTS = {
    name: False
    for name, field_ in ChatMemberAdministrator.model_fields.items()
    if field_.annotation is bool
}
"""What Telegram tells about an administrator in addition (Bot API: ChatMemberAdministrator)."""


@dataclass
class Refusal:
    name: str
    status: int
    description: str
    parameters: dict[str, Any] = field(default_factory=dict)


class FakeTelegram(BaseSession):
    """Keeps what was sent and answers as the Bot API does, through aiogram's own parsing."""

    def __init__(self) -> None:
        super().__init__()
        self.middleware(ErrorMiddleware())
        self.calls: list[Call] = []
        self.refusals: list[Refusal] = []
        self.contents: dict[str, bytes] = {}  # file_id -> bytes
        self.members: dict[int, str] = {}  # user_id -> status in every group
        self.last_id = 1000

    def refuse(self, name: str, status: int, description: str, **parameters: Any) -> None:
        """The next call of this name is refused."""
        self.refusals.append(Refusal(name, status, description, parameters))

    def named(self, *names: str) -> list[Call]:
        return [call for call in self.calls if call.name in names]

    @property
    def sent(self) -> list[Call]:
        return [call for call in self.calls if call.name.startswith("send")]

    @property
    def edits(self) -> list[Call]:
        return [call for call in self.calls if call.name.startswith("edit")]

    @property
    def toasts(self) -> list[str]:
        return [call.text for call in self.named("answerCallbackQuery")]

    async def close(self) -> None:
        return

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram's signature
    ) -> TelegramType:
        files: dict[str, InputFile] = {}
        params = {
            key: value
            for key, raw in method.model_dump(warnings=False).items()
            if (value := self.prepare_value(raw, bot=bot, files=files)) is not None
        }
        contents = {
            key: b"".join([chunk async for chunk in file.read(bot)]) for key, file in files.items()
        }
        call = Call(method.__api_method__, params, contents)
        refusal = next((r for r in self.refusals if r.name == call.name), None)
        if refusal:
            self.refusals.remove(refusal)
            status = refusal.status
            answer: dict[str, Any] = {
                "ok": False,
                "error_code": status,
                "description": refusal.description,
                "parameters": refusal.parameters or None,
            }
        else:
            self.calls.append(call)
            status, answer = 200, {"ok": True, "result": self._result(call)}
            for content in contents.values():  # what was sent can be fetched
                self.contents.setdefault(f"{call.name}-{call.message_id}", content)
        response = self.check_response(bot, method, status, json.dumps(answer))
        result: TelegramType = response.result  # type: ignore[assignment]
        return result

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,  # noqa: ASYNC109
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        content = self.contents[url.rsplit("/", 1)[1]]
        for start in range(0, len(content), chunk_size):
            yield content[start : start + chunk_size]

    def _result(self, call: Call) -> Any:
        if call.name == "getMe":
            return BOT
        if call.name == "getFile":
            file_id = call.params["file_id"]
            return {"file_id": file_id, "file_unique_id": file_id, "file_path": f"f/{file_id}"}
        if call.name == "getChatMember":
            user_id = int(call.params["user_id"])
            user = {"id": user_id, "is_bot": False, "first_name": "X"}
            return {"status": self.members.get(user_id, "member"), "user": user, **_RIGHTS}
        if call.name in ("answerPreCheckoutQuery", "refundStarPayment"):
            return True
        if call.name in ("answerCallbackQuery", "answerInlineQuery", "deleteMessage"):
            return True
        if call.name in ("setMyCommands", "deleteMyCommands"):
            return True
        if call.name.startswith("send"):
            self.last_id += 1
            call.message_id = self.last_id
        message: dict[str, Any] = {
            "message_id": call.message_id or int(call.params["message_id"]),
            "date": int(NOON.timestamp()),
            "chat": {"id": int(call.params["chat_id"]), "type": "private"},
            "from": BOT,
        }
        return message | _content(call)


def _content(call: Call) -> dict[str, Any]:
    """What a sent message holds, as far as handlers look at it."""
    file = {"file_id": f"{call.name}-{call.message_id}", "file_unique_id": "sent"}
    match call.name:
        case "sendPhoto":
            sizes = [{**file, "width": 90, "height": 160, "file_id": "small"}]
            return {"photo": [*sizes, {**file, "width": 720, "height": 1280}]}
        case "sendDocument":
            return {"document": file}
        case "sendVideo":
            return {"video": {**file, "width": 720, "height": 1280, "duration": 5}}
        case _:
            return {"text": call.text}


class Clock:
    """Moved by tests."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class ClaimOnCommit:
    """The worker of this process; by default it is in another process."""

    free: bool = False
    taken: list[Task] = field(default_factory=list)

    def claim(self) -> Claim | None:
        if not self.free:
            return None
        return Claim(owner="here", now=NOON + timedelta(days=1), lease_for=timedelta(days=1),
                     limit=9, slots=1)  # fmt: skip

    async def take(self, tasks: Sequence[Task]) -> None:
        self.taken += tasks


@dataclass
class HandlerHarness:
    """The bot as its handlers know it."""

    bot: Bot
    dispatcher: Dispatcher
    telegram: FakeTelegram
    storage: Storage
    clock: Clock
    path: Path
    woken: list[datetime] = field(default_factory=list)
    tried: list[datetime] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    jobs: dict[str, bool | None] = field(default_factory=dict)
    taken: Taken = Taken.DONE
    funds: Decimal | None = Decimal(500)
    claim_on_commit: ClaimOnCommit = field(default_factory=ClaimOnCommit)
    last_update: int = 0

    async def find_job(self, job_id: str) -> bool | None:
        """The provider knows every id, except those named here."""
        return self.jobs.get(job_id, True)

    async def admins_changed(self) -> None:
        """Read the admins' rows, as bot.operator.claim.AdminList does."""
        admins = self.dispatcher["access"].admins
        assert isinstance(admins, Admins)
        admins.learn(await self.storage.admins.claimed())

    async def balance(self) -> Decimal | None:
        return self.funds

    async def take_over(self) -> Taken:
        return self.taken

    async def forget_files(self, task_ids: Iterable[int]) -> None:
        self.forgotten += task_ids

    async def feed(self, **event: Any) -> int:
        """One update; its number."""
        self.last_update += 1
        await self.again(self.last_update, **event)
        return self.last_update

    async def again(self, number: int, **event: Any) -> None:
        """The update of this number, as it is handled after a crash."""
        raw = {"update_id": number, **event}
        update = Update.model_validate(raw, context={"bot": self.bot})
        await self.dispatcher.feed_update(self.bot, update)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What is committed, seen through another connection."""
        with closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute(sql, values).fetchall()
            connection.commit()
            return found

    def task(self, task_id: int = 1) -> dict[str, Any]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            row = connection.execute("SELECT * FROM tasks WHERE id = ?", (task_id,)).fetchone()
            return dict(row)

    def states(self) -> list[str]:
        return [state for (state,) in self.rows("SELECT state FROM tasks ORDER BY id")]

    def set_offer(self, *, photos_on: bool) -> None:
        self.dispatcher["offer"] = Offer(model=MODEL, photos_on=photos_on)


class Person:
    """Somebody who writes to the bot; every method returns the event, to be fed (again)."""

    def __init__(
        self,
        harness: HandlerHarness,
        user_id: int = 7,
        lang: str = "en",
        chat: dict[str, Any] | None = None,
    ) -> None:
        self.harness = harness
        self.user = {
            "id": user_id, "is_bot": False, "first_name": "Ann", "language_code": lang,
        }  # fmt: skip
        self.chat = chat or {"id": user_id, "type": "private", "first_name": "Ann"}
        self.last_id = 0

    def message(self, **content: Any) -> dict[str, Any]:
        self.last_id += 1
        message = {
            "message_id": self.last_id,
            "date": int(self.harness.clock().timestamp()),
            "chat": self.chat,
            "from": self.user,
            **content,
        }
        return {"message": message}

    def text(self, text: str, **content: Any) -> dict[str, Any]:
        entities = content.pop("entities", [])
        if text.startswith("/"):
            entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        return self.message(text=text, entities=entities, **content)

    def photo(self, width: int = 720, height: int = 1280, **content: Any) -> dict[str, Any]:
        sizes = [
            {"file_id": f"photo-{part}", "file_unique_id": f"p{part}",
             "width": width // part, "height": height // part}
            for part in (4, 2, 1)
        ]  # fmt: skip
        self.harness.telegram.contents.setdefault("photo-1", jpeg(width, height))
        return self.message(photo=sizes, **content)

    def document(
        self, content: bytes, mime_type: str | None = "image/jpeg", *, size: int | None = None,
        name: str = "picture", **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        self.harness.telegram.contents["doc"] = content
        document = {
            "file_id": "doc", "file_unique_id": "d", "file_name": name,
            "file_size": len(content) if size is None else size,
        }  # fmt: skip
        if mime_type is not None:
            document["mime_type"] = mime_type
        return self.message(document=document, **more)

    def press(self, data: str, message_id: int | None = None, **message: Any) -> dict[str, Any]:
        """A press on a button of the last message of the bot, or of another one."""
        shown = {
            "message_id": self.harness.telegram.last_id if message_id is None else message_id,
            "date": int(NOON.timestamp()),
            "chat": self.chat,
            "from": BOT,
            **(message or {"text": "card"}),
        }
        query = {
            "id": "1", "from": self.user, "chat_instance": "1", "data": data, "message": shown,
        }  # fmt: skip
        return {"callback_query": query}


def jpeg(width: int, height: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(file, kind)
    return file.getvalue()
