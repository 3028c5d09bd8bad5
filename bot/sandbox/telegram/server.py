"""The HTTP server of the Bot API: reads a call, checks it, applies faults, records it."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.sandbox.faults import Faults, suffer
from bot.sandbox.telegram import media, messages, payments, profile, queries, schema
from bot.sandbox.telegram.calls import Call, Json, Method, Request, public, uploaded
from bot.sandbox.telegram.errors import ApiError, bad_request, too_many
from bot.sandbox.telegram.files import URL_LIMIT
from bot.sandbox.telegram.limits import PublishedLimits
from bot.sandbox.telegram.schema import Upload
from bot.sandbox.telegram.state import World
from bot.sandbox.telegram.updates import Delivery

Latency = Callable[[str], float]
FILE_TYPES = {"InputFile", "InputFile or String"}


class BotApi:
    """Answers `/bot<token>/<method>` and `/file/bot<token>/<path>`."""

    def __init__(
        self, world: World, token: str, faults: Faults, latency: Latency | None = None
    ) -> None:
        self.world = world
        self.token = token
        self.faults = faults
        # Seconds before a method has its effect, by its name; None means no delay.
        self.latency = latency
        # The published rates, when they are to be enforced.
        self.limits: PublishedLimits | None = None
        self.calls: list[Call] = []
        self.delivery = Delivery(world)
        self.delivery.on_reply = self._webhook_reply
        self._schema = schema.load()
        self._methods: dict[str, Method] = {
            **messages.METHODS,
            **media.METHODS,
            **profile.METHODS,
            **queries.METHODS,
            **payments.METHODS,
            **self.delivery.methods(),
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for the emulator's application."""
        return [
            web.route("*", "/bot{token}/{method}", self.handle),
            web.get("/file/bot{token}/{path:.+}", self.download),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle one call, from the request to the answer."""
        if request.match_info["token"] != self.token:
            await request.read()
            return _answer(ApiError(401))
        name = self._schema.method(request.match_info["method"])
        if name is None or request.method not in {"GET", "POST"}:
            await request.read()
            return _answer(ApiError(404))
        call = self.begin(name, request)
        try:
            return await self._answer_call(call, request)
        finally:
            call.ended = call.ended or self.world.clock()
            self.world.emit("call", number=call.number, method=name, fault=call.fault)

    async def _answer_call(self, call: Call, request: web.Request) -> web.StreamResponse:
        try:
            raw, files = await self._read(request, call.method)
        except ApiError as error:
            return self._end(call, error)
        call.params = {key: public(value) for key, value in raw.items()}
        fault = self.faults.take(call.method, call.params)
        if fault is not None:
            call.fault = fault.act

        async def effect() -> web.Response:
            return await self.perform(call, raw, files)

        return await suffer(request, fault, effect)

    def begin(self, method: str, request: web.Request | None = None) -> Call:
        """Start the record of a call; `request` is None for a call in a webhook's answer, or of
        this process.
        """
        call = Call(len(self.calls) + 1, method, {}, self.world.clock())
        if request is not None:
            call.headers = dict(request.headers)
        self.calls.append(call)
        return call

    async def perform(self, call: Call, raw: Json, files: dict[str, Upload]) -> web.Response:
        """Do what a recorded call asks for; `raw` and `files` are its form."""
        try:
            method = self._methods.get(call.method)
            if method is None:
                raise ApiError(501, f"the sandbox does not do {call.method}")
            params = self._schema.check(call.method, raw)
            call.params = {key: public(value) for key, value in params.items()}
            call.uploads = uploaded(params, files)
            if self.limits is not None and (
                wait := self.limits.seconds(call.method, params, self.world.clock())
            ):
                raise too_many(wait)
            if self.latency is not None and call.method != "getUpdates":
                await asyncio.sleep(self.latency(call.method))
            result = await method(Request(self.world, params, files, call, fetch))
        except ApiError as error:
            return self._end(call, error)
        return self._end(call, result)

    def _end(self, call: Call, outcome: Any) -> web.Response:
        call.ended = self.world.clock()
        if isinstance(outcome, ApiError):
            call.status, call.description = outcome.code, outcome.description
        else:
            call.status, call.result = 200, outcome
        return _answer(outcome)

    async def _webhook_reply(self, reply: Json) -> None:
        name = self._schema.method(str(reply.get("method")))
        if name is not None:
            raw = {key: value for key, value in reply.items() if key != "method"}
            call = self.begin(name)
            await self.perform(call, raw, {})

    # --- reading a request ---

    async def _read(self, request: web.Request, method: str) -> tuple[Json, dict[str, Upload]]:
        raw: Json = dict(request.query)
        files: dict[str, Upload] = {}
        if request.content_type == "application/json":
            try:
                body = await request.json()
            except ValueError:
                raise bad_request("can't parse JSON object") from None
            if not isinstance(body, dict):
                raise bad_request("object expected as the root of the request")
            raw |= body
        elif request.content_type == "multipart/form-data":
            await self._read_multipart(request, method, raw, files)
        else:
            raw |= dict(await request.post())
        return raw, files

    async def _read_multipart(
        self, request: web.Request, method: str, raw: Json, files: dict[str, Upload]
    ) -> None:
        fields = self._schema.methods[method]
        too_large = False
        async for part in await request.multipart():
            if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
                raise bad_request("nested multipart")
            if part.filename is None and fields.get(part.name, {}).get("type") != "InputFile":
                raw[part.name] = await part.text()
                continue
            upload = await _to_disk(part, self.world)
            too_large = too_large or upload.size > self.world.upload_limit
            if fields.get(part.name, {}).get("type") in FILE_TYPES:
                raw[part.name] = upload
            else:
                files[part.name] = upload
        # Read to the end first: an answer in the middle of an upload breaks the connection.
        if too_large:
            raise ApiError(413)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Bot API: getFile, the link of 20 MB at most."""
        if request.match_info["token"] != self.token:
            return _answer(ApiError(401))
        path = request.match_info["path"]
        stored = self.world.files.by_path(path)
        call = self.begin("download", request)
        call.params = {"file_path": path}
        fault = self.faults.take("download", call.params)

        async def effect() -> web.Response:
            if stored is None or self.world.local:
                return self._end(call, ApiError(404))
            body = await asyncio.to_thread(stored.path.read_bytes)
            self._end(call, {"size": stored.size})
            return web.Response(body=body, content_type="application/octet-stream")

        if fault is not None:
            call.fault = fault.act
        try:
            return await suffer(request, fault, effect)
        finally:
            call.ended = call.ended or self.world.clock()


async def _to_disk(part: aiohttp.BodyPartReader, world: World) -> Upload:
    path, size, digest = world.files.new_path(), 0, hashlib.sha256()
    with path.open("wb") as file:
        while chunk := await part.read_chunk(1 << 16):
            size += len(chunk)
            digest.update(chunk)
            if size <= world.upload_limit:
                file.write(chunk)
    name = Path(part.filename or "file").name
    kind = part.headers.get("Content-Type", "application/octet-stream")
    return Upload(path, name, kind, size, digest.hexdigest())


async def fetch(url: str) -> tuple[bytes, str]:
    """Return the content of a URL in place of a file, up to the limit; OSError when it cannot be
    fetched."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(url) as answer:
                if answer.status == 200:
                    data = await answer.content.read(URL_LIMIT + 1)
                    while len(data) <= URL_LIMIT and (more := await answer.content.read(1 << 16)):
                        data += more
                    return data, answer.content_type
    raise OSError(f"nothing at {url}")


def _answer(outcome: Any) -> web.Response:
    if not isinstance(outcome, ApiError):
        return web.json_response({"ok": True, "result": outcome}, dumps=_dumps)
    response = web.json_response(outcome.body(), status=outcome.code)
    if "retry_after" in outcome.parameters:
        response.headers["Retry-After"] = str(outcome.parameters["retry_after"])
    return response


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
