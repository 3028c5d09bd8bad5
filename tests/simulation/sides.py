"""The bot's edges to Telegram and GPTunnel, without HTTP: the emulators answer in the same loop.

Each fault of the network becomes the exception that the real client would raise. It must not know
tasks, nor when anything fails.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import httpx
from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramNetworkError
from aiogram.methods import TelegramMethod
from aiogram.types import InputFile
from aiohttp.client_reqrep import ConnectionKey

from bot.media.download import DownloadFailed, DownloadGone
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.telegram.calls import Call as Record
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.schema import Upload
from tests.simulation.network import Act, Answer, call

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

API = "https://telegram.test"
PROVIDER = "https://provider.test/v1"
RETRY_AFTER = 3
CUT_OFF = "its process ended before the answer"
"""The fault of a call whose process was asked to end, and ended before the answer came."""
_PAGE = b"<html><body>502 Bad Gateway</body></html>"
_KEY = ConnectionKey("test", 443, True, True, None, None, None)
_QUESTIONS = {"media/result": "result", "media/models": "models", "balance": "balance"}


def _no_connection() -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(_KEY, OSError(111, "refused"))


class Session(BaseSession):
    """aiogram's session without HTTP: one per process."""

    def __init__(self, world: World, process: Process, timeout: float = 30.0) -> None:
        super().__init__(api=TelegramAPIServer.from_base(API), timeout=timeout)
        self._world = world
        self._process = process

    async def close(self) -> None:
        """Nothing is open."""

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None = None,  # noqa: ASYNC109
    ) -> Any:
        """As aiogram.client.session.aiohttp.AiohttpSession does."""
        name = method.__api_method__
        form, files = await self._form(bot, method)
        emulator, clock = self._world.telegram, self._world.unix
        sent_at = clock()
        record: Record | None = None
        is_cut_off = False

        async def effect(act: Act) -> tuple[int, bytes]:
            nonlocal record
            record = emulator.api.begin(name)
            record.started = sent_at  # its sender may be dead when it arrives
            try:
                return await _perform(emulator, record, form, files, act)
            finally:
                if is_cut_off:
                    record.fault = CUT_OFF

        def ended() -> None:
            assert record is not None
            record.ended = clock()

        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                answer = await call(self._world, self._process, "telegram", name, effect, ended)
        except TimeoutError as exc:
            raise TelegramNetworkError(method=method, message="Request timeout error") from exc
        except asyncio.CancelledError:
            if self._process.is_ending:
                is_cut_off = True
                if record is not None:
                    record.fault = CUT_OFF
            raise
        status, content = _telegram_answer(method, answer)
        response = self.check_response(
            bot=bot, method=method, status_code=status, content=content.decode()
        )
        return response.result

    async def _form(
        self, bot: Bot, method: TelegramMethod[Any]
    ) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
        form: dict[str, Any] = {}
        found: dict[str, InputFile] = {}
        for key, value in method.model_dump(warnings=False).items():
            if prepared := self.prepare_value(value, bot=bot, files=found):
                form[key] = prepared
        files = {}
        for key, file in found.items():
            content = b"".join([chunk async for chunk in file.read(bot)])
            files[key] = (file.filename or key, content)
        return form, files

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,  # noqa: ASYNC109
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file's content, in one piece."""
        path = urlsplit(url).path.split("/", 3)[3]
        stored = self._world.telegram.world.files.by_path(path)

        async def effect(act: Act) -> bytes | None:
            return stored.path.read_bytes() if stored else None

        async with asyncio.timeout(timeout):
            answer = await call(self._world, self._process, "telegram", "fetch photo", effect)
        if answer.act is Act.REFUSED:
            raise _no_connection()
        if answer.act.spoils or answer.value is None:
            raise aiohttp.ServerDisconnectedError
        yield answer.value


async def _perform(
    emulator: TelegramEmulator,
    record: Record,
    form: dict[str, Any],
    files: dict[str, tuple[str, bytes]],
    act: Act,
) -> tuple[int, bytes]:
    """Do what the call asks for and record it, as the emulator's HTTP server does."""
    record.fault = act.value if act.spoils else None
    if not act.has_effect:
        record.params = dict(form)
        record.ended = emulator.world.clock()
        return 0, b""
    uploads = {key: _upload(emulator, *file) for key, file in files.items()}
    response = await emulator.api.perform(record, dict(form), uploads)
    assert isinstance(response.body, bytes)
    return response.status, response.body


def _upload(emulator: TelegramEmulator, name: str, content: bytes) -> Upload:
    path = emulator.world.files.new_path()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Upload(path, name, "application/octet-stream", len(content), digest)


def _telegram_answer(
    method: TelegramMethod[Any], answer: Answer[tuple[int, bytes]]
) -> tuple[int, bytes]:
    match answer.act:
        case Act.REFUSED:
            lost: aiohttp.ClientError = _no_connection()
        case Act.RESET_BEFORE | Act.RESET_AFTER:
            lost = aiohttp.ServerDisconnectedError()
        case Act.TORN:
            lost = aiohttp.ClientPayloadError("the answer is not complete")
        case Act.PAGE_BEFORE | Act.PAGE_AFTER:
            return 502, _PAGE
        case Act.BUSY:
            return 429, json.dumps(
                {
                    "ok": False,
                    "error_code": 429,
                    "description": f"Too Many Requests: retry after {RETRY_AFTER}",
                    "parameters": {"retry_after": RETRY_AFTER},
                }
            ).encode()
        case _:
            assert answer.value is not None
            return answer.value
    message = f"{type(lost).__name__}: {lost}"
    raise TelegramNetworkError(method=method, message=message) from lost


class Transport(httpx.AsyncBaseTransport):
    """The transport below bot.provider.client.Gptunnel: one per process."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the emulator; raises as httpx over aiohttp does."""
        path = request.url.path.removeprefix("/v1/")
        if path == "media/create":
            sent = json.loads(request.content)
            name = "create" if sent else "probe"
        else:
            sent, name = dict(parse_qsl(request.url.query.decode())), _QUESTIONS[path]
        headers = {"Authorization": request.headers["Authorization"]}
        provider = self._world.provider

        async def effect(act: Act) -> tuple[int, bytes]:
            return await _ask(provider, "create" if name == "probe" else name, headers, sent, act)

        if name == "result":
            asked = self._world.questions.setdefault(self._process.name, [])
            asked.append((self._world.loop.now, sent["task_id"]))
        create = (
            self._world.begin_create(self._process, paid=name == "create")
            if (name in ("create", "probe"))
            else None
        )
        try:
            answer = await call(self._world, self._process, "provider", name, effect)
        finally:  # not in a process that was killed
            if create is not None and not self._process.is_ending:
                create.known_at = self._world.loop.time()
        if create is not None:
            create.act = answer.act
            create.accepted = answer.value is not None and b'"id"' in answer.value[1]
        match answer.act:
            case Act.REFUSED:
                raise httpx.ConnectError("no connection") from _no_connection()
            case Act.RESET_BEFORE | Act.RESET_AFTER:
                raise httpx.ReadError("reset") from aiohttp.ServerDisconnectedError()
            case Act.PAGE_BEFORE | Act.PAGE_AFTER:
                return httpx.Response(502, content=_PAGE)
            case Act.BUSY:
                return httpx.Response(503, headers={"Retry-After": str(RETRY_AFTER)})
        assert answer.value is not None
        status, content = answer.value
        if answer.act is Act.TORN:
            content = content[: len(content) // 2]
        return httpx.Response(status, content=content)


async def _ask(
    provider: GptunnelEmulator, name: str, headers: dict[str, str], sent: Any, act: Act
) -> tuple[int, bytes]:
    record = provider.begin(name, headers, sent)
    status, content = 0, b""
    if act.has_effect:
        response = await provider.perform(record)
        assert isinstance(response.body, bytes)
        status, content = response.status, response.body
    if act.spoils:
        record.outcome = f"{record.outcome}, {act}"
    return status, content


async def download(world: World, process: Process, url: str, file: BinaryIO) -> int:
    """Fetch a video, in place of bot.media.download.Downloader."""

    async def effect(act: Act) -> bytes | None:
        return world.provider.video(urlsplit(url).path.rpartition("/")[2])

    try:
        async with asyncio.timeout(30):
            answer = await call(world, process, "storage", "download", effect)
    except TimeoutError:
        raise DownloadFailed("too slow") from None
    if answer.act.spoils:
        raise DownloadFailed(str(answer.act))
    if answer.value is None:
        raise DownloadGone("HTTP 404")
    file.write(answer.value)
    return len(answer.value)
