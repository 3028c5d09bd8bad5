"""The page and its HTTP API: `/` and `/sandbox/…` — people's actions, events, switches, records.

Tests also use it to drive the emulator from another process.
"""

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from pydantic import ValidationError

from bot.sandbox.faults import Fault, Faults
from bot.sandbox.telegram import acts
from bot.sandbox.telegram.calls import Call, Json
from bot.sandbox.telegram.errors import ApiError
from bot.sandbox.telegram.outgoing import KINDS
from bot.sandbox.telegram.people import Person
from bot.sandbox.telegram.profile import commands_for, profile_text
from bot.sandbox.telegram.state import Chat, World
from bot.sandbox.telegram.watching import CannotAct

STATIC = Path(__file__).parents[1] / "static"
SHOWN = 200
KEEP_ALIVE = 15
# The methods that the "Telegram is busy" switch affects; polling continues, so that the bot
# receives messages.
FLOODED = ("sendMessage", "sendPhoto", "sendVideo", "sendDocument", "editMessageText")
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)


class Emulator(Protocol):
    """The part of the emulator that this API uses."""

    world: World
    people: dict[int, Person]
    faults: Faults
    provider_control: str | None
    start_link: str | None

    @property
    def calls(self) -> list[Call]:
        """Every call to the Bot API, in order."""

    def add_person(
        self,
        first_name: str = "Anna",
        *,
        language_code: str = "en",
        username: str | None = None,
    ) -> Person:
        """Add a person with a private chat."""

    def add_group(
        self,
        title: str,
        people: Sequence[Person],
        *,
        supergroup: bool = True,
        topics: Sequence[str] = (),
    ) -> Chat:
        """Add a group with these members and the bot."""

    def migrate(self, group: Chat) -> Chat:
        """Turn a group into a supergroup."""

    def inject(self, update: Json) -> Json:
        """Queue any update unchanged."""

    def redeliver(self, update_id: int) -> Json:
        """Deliver an update a second time; KeyError for an unknown one."""

    def flood(self, method: str = "*", *, retry_after: int = 3, times: int = 1) -> str:
        """Answer 429 to the next `times` calls of a method (0: until removed)."""


class Control:
    """The HTTP API of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._world = emulator.world
        self._flood: list[str] = []

    def attach(self, app: web.Application) -> None:
        """Add the routes; they answer only to this machine's own pages."""
        app.middlewares.append(_own_pages_only)
        app.router.add_get("/", self._index)
        app.router.add_static("/static/", STATIC)
        app.add_routes(
            [
                web.get("/sandbox/state", self._state),
                web.get("/sandbox/events", self._events),
                web.get("/sandbox/calls", self._calls),
                web.get("/sandbox/files/{file_id}", self._file),
                web.get("/sandbox/people", self._people),
                web.post("/sandbox/people", self._add_person),
                web.post("/sandbox/people/{person}/{act}", self._act),
                web.post("/sandbox/groups", self._add_group),
                web.post("/sandbox/groups/{chat}/migrate", self._migrate),
                web.post("/sandbox/groups/{chat}/rights", self._set_rights),
                web.post("/sandbox/inject", self._inject),
                web.post("/sandbox/redeliver", self._redeliver),
                web.get("/sandbox/faults", self._faults),
                web.post("/sandbox/faults", self._add_fault),
                web.delete("/sandbox/faults", self._clear_faults),
                web.delete("/sandbox/faults/{fault}", self._remove_fault),
                web.post("/sandbox/flood", self._set_flood),
                web.route("*", "/sandbox/provider/{path:.*}", self._provider),
            ]
        )

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html", headers={"Content-Security-Policy": POLICY})

    # --- looking ---

    def _person(self, request: web.Request) -> Person:
        wanted = request.match_info.get("person") or request.query.get("person")
        people = self._emulator.people
        if not wanted and not people:
            # The first visitor of the page becomes a person, with the browser's language.
            russian = request.headers.get("Accept-Language", "").lower().startswith("ru")
            name, code = ("Анна", "ru") if russian else ("Anna", "en")
            return self._emulator.add_person(name, language_code=code)
        try:
            return people[int(wanted)] if wanted else next(iter(people.values()))
        except (KeyError, ValueError, StopIteration):
            raise web.HTTPNotFound(text="no such person") from None

    async def _state(self, request: web.Request) -> web.Response:
        person, world = self._person(request), self._world
        language = person.user.get("language_code", "")[:2]
        texts = ("name", "description", "short_description")
        return web.json_response(
            {
                "version": 1,
                "bot": {**world.bot, **{f: profile_text(world, f, language) for f in texts}},
                "me": person.user,
                "people": list(world.users.values()),
                "chats": [
                    self._chat(chat, person)
                    for chat in world.chats.values()
                    if world.sees(person.id, chat) and chat.migrated_to is None
                ],
                "flood": bool(self._flood),
                "provider": self._emulator.provider_control is not None,
                "start_link": self._emulator.start_link,
            }
        )

    def _chat(self, chat: Chat, person: Person) -> Json:
        status = self._world.member_status(chat, self._world.bot["id"])
        return {
            **self._world.chat_json(chat),
            "messages": list(chat.messages.values())[-SHOWN:],
            "reactions": chat.reactions,
            "drafts": list(chat.drafts.values()),
            "topics": chat.topics,
            **_rights(chat),
            "members": len(chat.members),
            "bot_status": status,
            "commands": commands_for(self._world, person.id, chat.id),
        }

    async def _people(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._world.users.values()))

    async def _calls(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after", 0))
        return web.json_response([call.json() for call in self._emulator.calls[after:]])

    async def _file(self, request: web.Request) -> web.StreamResponse:
        stored = self._world.files.get(request.match_info["file_id"])
        if stored is None:
            raise web.HTTPNotFound
        # Uploads are shown but never executed: no content sniffing, no scripts.
        headers = {
            "Content-Type": stored.mime_type or "application/octet-stream",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, max-age=3600",
        }
        return web.FileResponse(stored.path, headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Stream server-sent events: the changes that this person's client would show."""
        person = self._person(request)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        stream = web.StreamResponse(headers=headers)
        async with self._world.listen() as events:
            await stream.prepare(request)
            with contextlib.suppress(ConnectionError):
                await stream.write(b"event: ready\ndata: {}\n\n")
                while True:
                    try:
                        async with asyncio.timeout(KEEP_ALIVE):
                            event = await events.get()
                    except TimeoutError:
                        await stream.write(b": still here\n\n")
                        continue
                    if self._concerns(event, person):
                        await stream.write(f"data: {json.dumps(event)}\n\n".encode())
        return stream

    def _concerns(self, event: Json, person: Person) -> bool:
        if event.get("user_id", person.id) != person.id:
            return False
        chat = self._world.chats.get(event.get("chat_id", person.id))
        return chat is not None and self._world.sees(person.id, chat)

    # --- acting ---

    async def _add_person(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        person = self._emulator.add_person(
            str(wanted.get("first_name") or "Person"),
            language_code=str(wanted.get("language_code", "en")),
            username=wanted.get("username"),
        )
        return web.json_response(person.user)

    async def _act(self, request: web.Request) -> web.Response:
        """One act of a person, see `acts.ACTS`; JSON, or a form with files."""
        act = acts.ACTS.get(request.match_info["act"])
        if act is None:
            raise web.HTTPNotFound(text=f"acts: {', '.join(acts.ACTS)}")
        person = self._person(request)
        try:
            result = await act(person, await acts.read_form(request))
        except (CannotAct, ApiError) as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        except (KeyError, ValueError, TypeError) as error:
            text = f"{type(error).__name__}: {error}"
            return web.json_response({"ok": False, "error": text}, status=400)
        return web.json_response({"ok": True, "result": result})

    async def _add_group(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        people = [self._emulator.people[int(one)] for one in wanted["people"]]
        chat = self._emulator.add_group(
            str(wanted["title"]),
            people,
            supergroup=wanted.get("supergroup", True),
            topics=wanted.get("topics", ()),
        )
        return web.json_response(self._world.chat_json(chat))

    async def _migrate(self, request: web.Request) -> web.Response:
        group = self._world.chats[int(request.match_info["chat"])]
        return web.json_response(self._world.chat_json(self._emulator.migrate(group)))

    async def _set_rights(self, request: web.Request) -> web.Response:
        """What a group takes from the bot; what is not named stays.

        `{"forbidden": ["videos"], "closed": [2], "slow_mode": 30, "bot_status": "member"}`: kinds
        as in `outgoing.KINDS`, topics by their ids, seconds.
        """
        group, wanted = self._world.chats[int(request.match_info["chat"])], await _json(request)
        if not set(forbidden := wanted.get("forbidden", group.forbidden)) <= set(KINDS):
            raise web.HTTPBadRequest(text=f"kinds: {', '.join(KINDS)}")
        group.forbidden = set(forbidden)
        group.closed_topics = {int(one) for one in wanted.get("closed", group.closed_topics)}
        group.slow_mode = int(wanted.get("slow_mode", group.slow_mode))
        bot_id = self._world.bot["id"]
        group.members[bot_id] = str(wanted.get("bot_status", group.members[bot_id]))
        self._world.emit("people")
        return web.json_response(_rights(group))

    async def _inject(self, request: web.Request) -> web.Response:
        return web.json_response(self._emulator.inject(await _json(request)))

    async def _redeliver(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        try:
            return web.json_response(self._emulator.redeliver(wanted["update_id"]))
        except KeyError:
            raise web.HTTPNotFound(text="no such update") from None

    # --- faults ---

    async def _faults(self, request: web.Request) -> web.Response:
        faults = self._emulator.faults.list()
        return web.json_response({k: fault.model_dump(mode="json") for k, fault in faults.items()})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response({"id": self._emulator.faults.add(fault)})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._emulator.faults.clear()
        self._flood.clear()
        return web.json_response({"ok": True})

    async def _remove_fault(self, request: web.Request) -> web.Response:
        removed = self._emulator.faults.remove(request.match_info["fault"])
        return web.json_response({"ok": removed}, status=200 if removed else 404)

    async def _set_flood(self, request: web.Request) -> web.Response:
        """Take `{"on": true, "retry_after": 3}`: answer 429 to all sending until it is switched
        off.
        """
        wanted = await _json(request)
        for key in self._flood:
            self._emulator.faults.remove(key)
        self._flood.clear()
        if wanted.get("on"):
            after = int(wanted.get("retry_after", 3))
            self._flood = [
                self._emulator.flood(name, retry_after=after, times=0) for name in FLOODED
            ]
        return web.json_response({"on": bool(self._flood)})

    async def _provider(self, request: web.Request) -> web.StreamResponse:
        """Forward to the other emulator's control, because the page may use only one origin."""
        base = self._emulator.provider_control
        if base is None:
            raise web.HTTPNotFound(text="no provider emulator")
        url = f"{base.rstrip('/')}/{request.match_info['path']}"
        body, headers = await request.read(), {"Content-Type": request.content_type}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
                session.request(
                    request.method, url, params=request.query, data=body or None, headers=headers
                ) as answer,
            ):
                return web.Response(
                    body=await answer.read(),
                    status=answer.status,
                    content_type=answer.content_type,
                )
        except (aiohttp.ClientError, TimeoutError):
            raise web.HTTPBadGateway(text="the provider emulator does not answer") from None


def _rights(chat: Chat) -> Json:
    return {
        "forbidden": sorted(chat.forbidden),
        "closed": sorted(chat.closed_topics),
        "slow_mode": chat.slow_mode,
    }


async def _json(request: web.Request) -> Any:
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="JSON expected") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="a JSON object expected")
    return body


@web.middleware
async def _own_pages_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """Reject another site's page in the same browser (CSRF, DNS rebinding)."""
    if request.path == "/" or request.path.startswith("/sandbox/"):
        host = urlsplit(f"//{request.host}").hostname or ""
        if host != "localhost":
            try:
                ipaddress.ip_address(host)
            except ValueError:
                raise web.HTTPForbidden(text="open the sandbox by its address") from None
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="another site's page")
    response: web.StreamResponse = await handler(request)
    return response
