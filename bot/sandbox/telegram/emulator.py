"""The whole emulator: the Bot API, the people and the page, started and stopped together."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.sandbox.faults import Fault, Faults
from bot.sandbox.telegram.calls import Call, Json
from bot.sandbox.telegram.control import Control
from bot.sandbox.telegram.files import FileStore
from bot.sandbox.telegram.limits import PublishedLimits
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.server import BotApi, Latency
from bot.sandbox.telegram.state import Chat, World

BOT_ID = 7_100_200_300
FIRST_PERSON = 5_550_000_101


class TelegramEmulator:
    """A replacement for api.telegram.org on loopback, with people who talk to its one bot.

    `clock` returns Unix seconds. `latency` returns the seconds a method takes, by its name.
    `local`: behave as a server that runs with --local. `limited`: enforce the published rates.
    `provider_control` is the base URL of the other emulator's control, for the page's switches.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        bot_name: str = "Sandbox bot",
        bot_username: str = "sandbox_video_bot",
        clock: Callable[[], float] = time.time,
        latency: Latency | None = None,
        provider_control: str | None = None,
        local: bool = False,
        limited: bool = False,
    ) -> None:
        self.token = token or f"{BOT_ID}:AA{secrets.token_urlsafe(25)[:33]}"
        self._folder = tempfile.TemporaryDirectory(prefix="telegram-emulator-")
        self.faults = Faults()
        bot: Json = {
            "id": int(self.token.split(":")[0]),
            "is_bot": True,
            "first_name": bot_name,
            "username": bot_username,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": True,
            "can_connect_to_business": False,
            "has_main_web_app": False,
            "has_topics_enabled": False,
        }
        self.world = World(FileStore(Path(self._folder.name)), clock, bot)
        self.world.local = local
        self.api = BotApi(self.world, self.token, self.faults, latency)
        if limited:
            self.limit()
        self.people: dict[int, Person] = {}
        self.provider_control = provider_control
        self.start_link: str | None = None
        self._next_group = 4_100_500_000
        self._control = Control(self)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; `url` is the address from then on. Port 0 means any free port."""
        app = web.Application(client_max_size=80 << 20)
        app.add_routes(self.api.routes())
        self._control.attach(app)
        # A handler that hangs as a fault must not delay the stop.
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """End polls, deliveries, streams and the server, and remove the files."""
        await self.api.delivery.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.to_thread(self._folder.cleanup)

    async def __aenter__(self) -> "TelegramEmulator":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def limit(self) -> None:
        """Answer 429 from now on to calls over the published rates."""
        self.api.limits = PublishedLimits()

    # --- records ---

    @property
    def refused(self) -> list[Call]:
        """The calls that were answered with 429."""
        return [call for call in self.calls if call.status == 429]

    @property
    def calls(self) -> list[Call]:
        """Every call in order."""
        return self.api.calls

    def calls_of(self, method: str, **params: Any) -> list[Call]:
        """Return the calls of a method with these parameters, as recorded."""
        return [
            call
            for call in self.calls
            if call.method == method and all(call.params.get(k) == v for k, v in params.items())
        ]

    async def wait_for_poll(self, *, within: float = 10) -> None:
        """Wait until a bot waits in getUpdates, which means that it has read all updates.
        TimeoutError otherwise.
        """
        async with self.world.listen() as events, asyncio.timeout(within):
            while not self.api.delivery.polled:
                await events.get()

    # --- people and groups ---

    def add_person(
        self,
        first_name: str = "Anna",
        *,
        language_code: str = "en",
        username: str | None = None,
        id: int | None = None,
    ) -> Person:
        """Add a new person with an empty private chat."""
        user_id = id or FIRST_PERSON + len(self.people) * 1009
        user: Json = {"id": user_id, "is_bot": False, "first_name": first_name}
        user["language_code"] = language_code
        if username:
            user["username"] = username
        self.world.users[user_id] = user
        members = {user_id: "member", self.world.bot["id"]: "member"}
        self.world.chats[user_id] = Chat(user_id, "private", members=members)
        person = self.people[user_id] = Person(self.world, user)
        self.world.emit("people")
        return person

    def add_group(
        self,
        title: str,
        people: Sequence[Person],
        *,
        supergroup: bool = True,
        topics: Sequence[str] = (),
        bot_status: str = "member",
    ) -> Chat:
        """Add a group with these people and the bot; with topics (ids 2, 3, …) it is a forum."""
        self._next_group += 1
        kind = "supergroup" if supergroup or topics else "group"
        chat_id = -1_000_000_000_000 - self._next_group if kind != "group" else -self._next_group
        chat = Chat(chat_id, kind, title, is_forum=bool(topics), started=True)
        chat.members = {person.id: "member" for person in people}
        chat.members[self.world.bot["id"]] = bot_status
        # The id of a topic is that of the message that opens it.
        for topic in topics:
            chat.last_id += 1 if chat.last_id else 2
            chat.topics[chat.last_id] = topic
        self.world.chats[chat_id] = chat
        self.world.emit("people")
        return chat

    def show_start_link(self, link: str) -> None:
        """Show a link that the bot printed in its terminal, to be opened on the page."""
        self.start_link = link
        self.world.emit("people")

    def migrate(self, group: Chat) -> Chat:
        """Turn a group into a supergroup, with a new id and service messages in both chats."""
        world, starter = self.world, next(iter(self.people.values())).user
        people = [self.people[i] for i in group.members if i in self.people]
        to = self.add_group(group.title, people, bot_status=group.members[world.bot["id"]])
        old = world.post(group, starter, {"migrate_to_chat_id": to.id})
        world.update("message", old)
        group.migrated_to = to.id
        new = world.post(to, starter, {"migrate_from_chat_id": group.id})
        world.update("message", new)
        return to

    def inject(self, update: Json) -> Json:
        """Queue any update unchanged; without an `update_id` it gets the next one."""
        return self.world.push({"update_id": self.world.next_update_id(), **update})

    def redeliver(self, update_id: int) -> Json:
        """Deliver an update a second time, under the same id; raise KeyError for an unknown id."""
        return self.world.repeat(update_id)

    def flood(self, method: str = "*", *, retry_after: int = 3, times: int = 1) -> str:
        """Answer 429 to the next `times` calls of a method (0: until removed)."""
        body: Any = {
            "ok": False,
            "error_code": 429,
            "description": f"Too Many Requests: retry after {retry_after}",
            "parameters": {"retry_after": retry_after},
        }
        return self.faults.add(Fault(on=method, act="answer", status=429, body=body, times=times))
