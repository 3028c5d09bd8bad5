"""The emulator's switches over HTTP, for the page: `/sandbox/…`. They are not part of GPTunnel's
API.

GET  state   settings, faults, tasks and charges
GET  calls   every call so far
POST delay   {"seconds": 5} a video, and/or {"create_seconds": 0.2} a create, and/or
             {"charge_seconds": 30} from an accepted order until the balance moves
POST fault   {"mode": "refuses" | "fails" | "hangs" | "overloaded" | "no balance" | "clear"}
             or a fault of bot.sandbox.faults: {"on": "create", "act": "reset_after"}
DELETE fault/{id}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from bot.sandbox.faults import Fault, Faults
from bot.sandbox.gptunnel.records import Call, Charge, Mode, Task

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Emulator(Protocol):
    """The part of the emulator that this API uses."""

    delay: float | Callable[[], float]
    create_latency: float | Callable[[], float]
    charge_delay: float
    mode: Mode
    balance: Decimal
    faults: Faults
    calls: list[Call]
    charges: list[Charge]
    tasks: dict[str, Task]

    @property
    def base_url(self) -> str:
        """The URL that a client of the provider is given."""

    def look(self, task: Task) -> dict[str, Any]:
        """Return a task as `result` would answer now."""


class _Delay(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: NonNegativeFloat | None = None
    create_seconds: NonNegativeFloat | None = None
    charge_seconds: NonNegativeFloat | None = None


class _SetMode(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: Mode


def build(emulator: Emulator) -> web.Application:
    """The application under `/sandbox/`."""
    control = _Control(emulator)
    app = web.Application(middlewares=[_from_loopback_pages])
    app.add_routes(
        [
            web.get("/state", control.state),
            web.get("/calls", control.calls),
            web.post("/delay", control.delay),
            web.post("/fault", control.fault),
            web.delete("/fault/{key}", control.forget),
            web.route("OPTIONS", "/{path:.*}", _preflight),
        ]
    )
    return app


class _Control:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def state(self, request: web.Request) -> web.Response:
        emulator = self._emulator
        faults = emulator.faults.list().items()
        return web.json_response(
            {
                "base_url": emulator.base_url,
                "delay": None if callable(emulator.delay) else emulator.delay,
                "create_delay": (
                    None if callable(emulator.create_latency) else emulator.create_latency
                ),
                "charge_delay": emulator.charge_delay,
                "mode": emulator.mode,
                "balance": float(emulator.balance),
                "faults": {key: fault.model_dump(mode="json") for key, fault in faults},
                "tasks": [
                    {**emulator.look(task), "image": task.image}
                    for task in emulator.tasks.values()
                ],
                "charges": [
                    {
                        "task_id": charge.task_id,
                        "model": charge.model,
                        "price": float(charge.price),
                        "at": charge.at,
                    }
                    for charge in emulator.charges
                ],
            }
        )

    async def calls(self, request: web.Request) -> web.Response:
        return web.json_response([vars(call) for call in self._emulator.calls])

    async def delay(self, request: web.Request) -> web.Response:
        wanted = _Delay.model_validate_json(await request.read())
        if wanted.seconds is not None:
            self._emulator.delay = wanted.seconds
        if wanted.create_seconds is not None:
            self._emulator.create_latency = wanted.create_seconds
        if wanted.charge_seconds is not None:
            self._emulator.charge_delay = wanted.charge_seconds
        return await self.state(request)

    async def fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not isinstance(body, dict) or "mode" not in body:
            key = self._emulator.faults.add(Fault.model_validate(body))
            return web.json_response({"id": key})
        if body == {"mode": "clear"}:
            self._emulator.faults.clear()
            self._emulator.mode = Mode.WELL
        else:
            self._emulator.mode = _SetMode.model_validate(body).mode
        return await self.state(request)

    async def forget(self, request: web.Request) -> web.Response:
        if not self._emulator.faults.remove(request.match_info["key"]):
            raise web.HTTPNotFound
        return await self.state(request)


@web.middleware
async def _from_loopback_pages(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let only pages on loopback, also with another port, use the switches: a browser sends a
    preflight request before a JSON body, and only a loopback origin is allowed.
    """
    try:
        if request.method == "POST" and request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        response = await handler(request)
    except ValidationError as exc:
        wrong: Any = exc.errors(include_url=False, include_context=False, include_input=False)
        response = web.json_response({"errors": wrong}, status=400)
    except ValueError:
        response = web.json_response({"errors": ["the body is no JSON"]}, status=400)
    origin = request.headers.get("Origin", "")
    if urlsplit(origin).hostname in _LOOPBACK:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    return response


async def _preflight(request: web.Request) -> web.Response:
    return web.Response(status=204)
