"""Faults of a server, switched on one by one: what an emulator does instead of a good answer.

It knows aiohttp.web and no protocol: the emulators name the calls, and provide the effect of each.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    field_serializer,
    field_validator,
)

Act = Literal[
    "answer",
    "answer_after",
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "slow",
    "truncate",
]
Effect = Callable[[], Awaitable[web.Response]]

_TYPE = "content-type"
_CHUNKS_PER_SECOND = 10
_LOOK_EVERY = 0.02
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Fault(BaseModel):
    """One misbehaviour, describable in JSON.

    `on`: the name of a call, or `*` for any. `match`: parameters of the request that must be
    equal (compared as text, since forms carry nothing else). `skip`: matching calls let through
    first. `times`: the number of calls that it affects, 0 for all until it is removed. The effect,
    by `act`:

    * `answer`, `answer_after`: `status`, `headers` and `body` instead of the real answer; the call
      has no effect (`answer`) or its normal effect (`answer_after`). `delay` seconds pass first.
    * `reset_before`, `reset_after`: the connection is reset (TCP RST).
    * `hang_before`, `hang_after`: silence for `delay` seconds (0: until the client disconnects),
      then a reset.
    * `slow`: the real answer, `delay` seconds late, at `rate` bytes a second (0: at full speed).
    * `truncate`: the real answer promises its whole length and ends in the middle.

    A `body` that is a string is sent as HTML, as proxies do, unless `headers` say otherwise;
    bytes go as they are (in JSON: `{"base64": "…"}`), anything else as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: Annotated[str, Field(min_length=1)]
    act: Act
    status: Annotated[int, Field(ge=100, le=599)] = 200
    headers: dict[str, str] = {}
    body: bytes | JsonValue = None
    delay: NonNegativeFloat = 0
    rate: NonNegativeInt = 0
    skip: NonNegativeInt = 0
    times: NonNegativeInt = 1
    match: dict[str, JsonValue] = {}

    @field_validator("body", mode="wrap")
    @classmethod
    def _body_from_json(cls, value: object, check: Callable[[object], Any]) -> Any:
        # Not left to pydantic's union, which may turn a str into bytes.
        if isinstance(value, bytes | str):
            return value
        if isinstance(value, dict) and value.keys() == {"base64"}:
            try:
                return base64.b64decode(str(value["base64"]), validate=True)
            except binascii.Error as exc:
                raise ValueError("body.base64 is not base64") from exc
        return check(value)

    @field_serializer("body")
    def _body_to_json(self, value: Any) -> Any:
        return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    def concerns(self, call: str, params: Mapping[str, object]) -> bool:
        return self.on in ("*", call) and all(
            name in params and _text(params[name]) == _text(value)
            for name, value in self.match.items()
        )

    def response(self) -> web.Response:
        """Return the answer of `answer` and `answer_after`."""
        headers = dict(self.headers)
        kind = next((headers.pop(name) for name in self.headers if name.lower() == _TYPE), None)
        if self.body is None:
            content, usual = b"", "application/octet-stream"
        elif isinstance(self.body, bytes):
            content, usual = self.body, "application/octet-stream"
        elif isinstance(self.body, str):
            content, usual = self.body.encode(), "text/html; charset=utf-8"
        else:
            content, usual = json.dumps(self.body).encode(), "application/json; charset=utf-8"
        return web.Response(
            body=content, status=self.status, headers={**headers, "Content-Type": kind or usual}
        )


class Faults:
    """The active faults, the oldest first. Used in one event loop."""

    def __init__(self) -> None:
        self._left: dict[str, Fault] = {}

    def add(self, fault: Fault) -> str:
        """Activate `fault`; the id is for `remove`."""
        key = secrets.token_hex(4)
        self._left[key] = fault
        return key

    def remove(self, key: str) -> bool:
        """Remove a fault; False when there is none with this id."""
        return self._left.pop(key, None) is not None

    def clear(self) -> None:
        self._left.clear()

    def take(self, call: str, params: Mapping[str, object] | None = None) -> Fault | None:
        """Return the fault for this call, counted as used; None lets the call through.

        A fault still in its `skip` passes the call to the next fault. Newer faults do not count a
        call that an older fault has handled.
        """
        for key, fault in list(self._left.items()):
            if not fault.concerns(call, params or {}):
                continue
            if fault.skip:
                self._left[key] = fault.model_copy(update={"skip": fault.skip - 1})
                continue
            if fault.times == 1:
                del self._left[key]
            elif fault.times:
                self._left[key] = fault.model_copy(update={"times": fault.times - 1})
            return fault
        return None

    def list(self) -> dict[str, Fault]:
        """Return the active faults by id, with the remaining `skip` and `times`."""
        return dict(self._left)


async def suffer(request: web.Request, fault: Fault | None, effect: Effect) -> web.StreamResponse:
    """Answer `request` as `fault` says, or with `effect()` if there is no fault.

    `effect` does what the call asks for and returns the good answer with its body in memory; it is
    called at most once, and not at all by `answer`, `reset_before` and `hang_before`.
    """
    if fault is None:
        return await effect()
    match fault.act:
        case "answer":
            await asyncio.sleep(fault.delay)
            return fault.response()
        case "answer_after":
            await effect()
            await asyncio.sleep(fault.delay)
            return fault.response()
        case "reset_before" | "hang_before":
            pass
        case "reset_after" | "hang_after":
            await effect()
        case "slow" | "truncate":
            return await _spoil(request, fault, await effect())
    if fault.act in ("hang_before", "hang_after"):
        await _wait_for_silence(request, fault.delay)
    return reset(request)


def reset(request: web.Request) -> web.Response:
    """Reset the connection of `request`. The response is only for aiohttp: no client
    receives it.
    """
    if request.transport is not None:
        sock = request.transport.get_extra_info("socket")
        # Without it abort() ends with a normal FIN when all input has been read.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        request.transport.abort()
    return web.Response()


async def _wait_for_silence(request: web.Request, delay: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(delay or None):
            # aiohttp lets a handler continue after its client has disconnected, so the handler has
            # to check.
            while request.transport is not None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(_LOOK_EVERY)


async def _spoil(request: web.Request, fault: Fault, real: web.Response) -> web.StreamResponse:
    content = real.body or b""
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"{fault.act}: the answer to {fault.on} has no body in memory")
    await asyncio.sleep(fault.delay)
    streamed = web.StreamResponse(status=real.status, headers=real.headers)
    streamed.content_length = len(content)
    await streamed.prepare(request)
    try:
        if fault.act == "truncate":
            await streamed.write(bytes(content[: len(content) // 2]))
            if request.transport is not None:
                request.transport.close()
        elif not fault.rate:
            await streamed.write(bytes(content))
        else:
            step = max(1, fault.rate // _CHUNKS_PER_SECOND)
            for start in range(0, len(content), step):
                await streamed.write(bytes(content[start : start + step]))
                await asyncio.sleep(step / fault.rate)
    except ConnectionError:
        pass  # the client disconnected, as the fault intends
    return streamed


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
