"""The HTTP server of the GPTunnel emulator, as strict as the real one (docs/provider.md).

It knows only the public API and nothing about its callers. The file is long on purpose: all calls
share one record, one check of the key and one place where faults change the answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from bot.sandbox.faults import Faults, suffer
from bot.sandbox.gptunnel import control
from bot.sandbox.gptunnel.chat import answer
from bot.sandbox.gptunnel.files import PICTURE, VIDEO, result_file
from bot.sandbox.gptunnel.models import CHAT_MODELS, MODELS, RATIOS, Model
from bot.sandbox.gptunnel.paint import paint
from bot.sandbox.gptunnel.records import Call, Charge, Made, Mode, Task, Word
from bot.sandbox.gptunnel.render import render
from bot.sandbox.gptunnel.senses import BadPicture, BadSound, hear, is_picture, look
from bot.sandbox.gptunnel.studio import IMAGE_SECONDS, Renderer, Studio

Seconds = float | Callable[[], float]
Effect = Callable[[web.Request, dict[str, Any]], Awaitable[web.Response]]
Issue = dict[str, str]

LINK_SECONDS = 24 * 3600.0
PICTURE_SHARE = 0.3
_STOP_SECONDS = 0.1
_BODY_BYTES = 1 << 20

_MESSAGES = {
    2: "Invalid token",
    3: "Invalid input",
    4: "Record not found",
    5: "Insufficient balance",
    6: "Heavy load, try again later",
    99: "Method not found",
    1001: "Sensitive content in text or image",
    1002: "The prompt failed the safety check",
}


def lognormal(
    median: float = 45.0,
    sigma: float = 0.35,
    *,
    tail: float = 0.01,
    dice: random.Random | None = None,
) -> Callable[[], float]:
    """Return a distribution for `delay`: seconds around `median`; a fraction `tail` takes five
    times as long.
    """
    throw = dice or random.Random()

    def draw() -> float:
        slow = 5.0 if throw.random() < tail else 1.0
        return median * slow * throw.lognormvariate(0, sigma)

    return draw


class GptunnelEmulator:
    """An emulated GPTunnel on loopback.

    Settings may change while it runs: `delay`, the seconds per video, and `create_latency`, the
    seconds per create, half before and half after it counts (both numbers or functions that return
    one); `mode`; `balance` and `credit_limit` in roubles; `charge_delay`, the seconds from an
    accepted order until the balance moves; `models` by id; `chat_models`, the roubles for 1000
    tokens read and written by id; `link_ttl`, the seconds a result's link is valid, and
    `result_base`, the start of its address; `faults`, by the calls `create`, `result`, `models`,
    `chat_models`, `balance`, `chat`, `download` (parameter `file`) and `unknown`. Some words in a
    prompt decide its outcome: see `records.Word`.

    Records: `calls`, `charges` and `tasks` (by id), in order.
    """

    def __init__(
        self,
        *,
        api_key: str = "sandbox-key",
        delay: Seconds = 0.0,
        create_latency: Seconds = 0.0,
        balance: Decimal = Decimal(5000),
        credit_limit: Decimal = Decimal(0),
        clock: Callable[[], float] = time.time,
        renderer: Renderer = render,
        painter: Renderer = paint,
        image_seconds: float = IMAGE_SECONDS,
        studio: Studio | None = None,
    ) -> None:
        self.api_key = api_key
        self.delay = delay
        self.create_latency = create_latency
        self.mode = Mode.WELL
        self.balance = balance
        self.charge_delay = 0.0
        self._owed: list[tuple[float, Decimal]] = []  # due at, price
        self.credit_limit = credit_limit
        self.models = dict(MODELS)
        self.chat_models = dict(CHAT_MODELS)
        self.link_ttl = LINK_SECONDS
        self.result_base = ""
        self.faults = Faults()
        self.calls: list[Call] = []
        self.charges: list[Charge] = []
        self.tasks: dict[str, Task] = {}
        self.origin = ""
        self._clock = clock
        self._studio = studio or Studio(renderer, image_seconds, painter)
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """The base URL for clients: ends in `/v1`."""
        return f"{self.origin}/v1"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 means any free port. Raises OSError when the port is taken."""
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(
            [
                web.post("/v1/media/create", self._answering("create", self._create)),
                web.get("/v1/media/result", self._answering("result", self._result)),
                web.post("/v1/media/result", self._answering("result", self._result)),
                web.get("/v1/media/models", self._answering("models", self._list_models)),
                web.post("/v1/media/models", self._answering("models", self._list_models)),
                web.get("/v1/models", self._answering("chat_models", self._list_chat_models)),
                web.get("/v1/balance", self._answering("balance", self._balance)),
                web.post("/v1/chat/completions", self._answering("chat", self._chat)),
                web.post(
                    "/v1/audio/transcriptions", self._answering("transcribe", self._transcribe)
                ),
                web.get("/result/{file}", self._answering("download", self._download)),
            ]
        )
        app.add_subapp("/sandbox/", control.build(self))
        app.router.add_route("*", "/{path:.*}", self._answering("unknown", self._unknown))
        runner = web.AppRunner(app, shutdown_timeout=_STOP_SECONDS, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.origin = f"http://{host}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End open calls and the current rendering."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._studio.close()

    async def settled(self) -> None:
        """Wait until the studio has made every order."""
        await asyncio.gather(*(task.work for task in self.tasks.values()))

    def look(self, task: Task) -> dict[str, Any]:
        """Return a task as create and result show it."""
        status = task.status(self._clock(), self.mode)
        answer: dict[str, Any] = {
            "code": 0,
            "id": task.id,
            "model": task.model.id,
            "prompt": task.echo,
            "created_at": int(task.created_at),
            "status": status,
            "url": None,
        }
        if task.end is Mode.WELL:
            base = self.result_base or self.origin
            suffix = "png" if task.model.is_picture else "mp4"
            answer["url"] = f"{base}/result/{task.id}_result.{suffix}"
        elif task.end is Word.LATE_SENSITIVE:
            answer |= {"code": 1001, "message": _MESSAGES[1001]}
        elif status == "failed":
            made = task.made or Made(None)
            answer["message"] = made.failure or "Generation failed"
        return answer

    # Every call is recorded, its key is checked, then it is answered or changed by a fault.

    def _answering(
        self, name: str, effect: Effect
    ) -> Callable[..., Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            sent = await _read(request)
            call = self.begin(name, request.headers, sent)

            async def answer() -> web.Response:
                return await self._perform(call, request, effect)

            params = dict(request.match_info)
            params |= sent if isinstance(sent, dict) else {}
            fault = self.faults.take(name, params)
            try:
                response = await suffer(request, fault, answer)
            finally:
                call.ended = self._clock()
            if fault is not None:
                call.outcome = f"{call.outcome}, {fault.act}"
            return response

        return handle

    def begin(self, name: str, headers: Mapping[str, str], sent: Any) -> Call:
        """Record a call; `sent` is its JSON or query."""
        call = Call(name, dict(headers), sent, self._clock())
        self.calls.append(call)
        return call

    async def perform(self, call: Call) -> web.Response:
        """Do what a recorded create, question or balance asks for, without HTTP."""
        effects: dict[str, Effect] = {
            "create": self._create,
            "result": self._result,
            "models": self._list_models,
            "balance": self._balance,
        }
        no_request: Any = None  # only a download looks at it
        return await self._perform(call, no_request, effects[call.name])

    async def _perform(self, call: Call, request: web.Request, effect: Effect) -> web.Response:
        body = call.body if isinstance(call.body, dict) else {"": call.body}
        response = self._forbid(call.name, call.headers) or await effect(request, body)
        call.outcome = _outcome(response)
        return response

    def _forbid(self, name: str, headers: Mapping[str, str]) -> web.Response | None:
        given = next((v for k, v in headers.items() if k.lower() == "authorization"), "")
        if name == "transcribe":  # as OpenAI's own service, which needs "Bearer"
            scheme, _, given = given.partition(" ")
            given = given if scheme == "Bearer" else ""
        # The bare key: "Bearer" before it is a wrong key.
        if name in ("download", "unknown") or secrets.compare_digest(
            given.encode(), self.api_key.encode()
        ):
            return None
        if name in ("balance", "chat", "chat_models", "transcribe"):
            return _openai_error(401, "Incorrect API key provided", "invalid_api_key")
        return _refusal(2)

    # The calls. `body` holds the JSON object or the query; anything else is under "".

    async def _create(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        latency = _draw(self.create_latency)
        await asyncio.sleep(latency / 2)
        answer = await self._accept(body)
        await asyncio.sleep(latency / 2)
        return answer

    async def _accept(self, body: dict[str, Any]) -> web.Response:
        if issues := self._issues(body):
            return _refusal(3, issues=issues)
        prompt = body["prompt"]
        if self.mode is Mode.OVERLOADED:
            return _refusal(6)
        if self.mode is Mode.REFUSES or Word.SENSITIVE in prompt.lower():
            return _refusal(1001)
        if Word.UNSAFE in prompt.lower():
            return _refusal(1002)
        model = self.models[body["model"]]
        if self.mode is Mode.NO_BALANCE or self.balance + self.credit_limit < model.price:
            return _refusal(5)
        now = self._clock()
        image = body["images"][0] if "images" in body else None
        instant = Word.INSTANT in prompt.lower()
        task = Task(
            id=f"{int(now):08x}{secrets.token_hex(8)}",
            model=model,
            prompt=prompt,
            ratio=body.get("ar"),
            image=image,
            created_at=now,
            ready_at=now if instant else now + self._seconds(model),
            work=self._studio.order(model, prompt, body.get("ar"), image),
        )
        self.tasks[task.id] = task
        self._owed.append((now + self.charge_delay, model.price))
        self._collect()
        self.charges.append(Charge(task.id, model.id, model.price, now))
        if instant:
            await asyncio.wait([task.work])
        return web.json_response(self.look(task))

    def _collect(self) -> None:
        """Move the balance for the orders whose charge is due."""
        now = self._clock()
        self.balance -= sum((price for at, price in self._owed if at <= now), Decimal(0))
        self._owed = [(at, price) for at, price in self._owed if at > now]

    def _seconds(self, model: Model) -> float:
        """How long it takes: a picture is done within seconds (provider.md: "Families")."""
        return _draw(self.delay) * (PICTURE_SHARE if model.is_picture else 1.0)

    def _issues(self, body: Mapping[str, Any]) -> list[Issue]:
        """Return the problems of a create's body, by field; the real service lists every model."""
        if "" in body:
            return [_issue("", "object", "the body must be a JSON object")]
        issues = []
        if not isinstance(body.get("model"), str) or body["model"] not in self.models:
            issues.append(_issue("model", " | ".join(self.models), "unknown model"))
        prompt = body.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            issues.append(_issue("prompt", "string", "prompt is required"))
        if "ar" in body and body["ar"] not in RATIOS:
            issues.append(_issue("ar", " | ".join(RATIOS), "unknown aspect ratio"))
        if "images" in body and not _is_one_link(body["images"]):
            issues.append(_issue("images", "array of 1 http(s) link", "invalid images"))
        model = self.models.get(str(body.get("model")))
        if "images" in body and model is not None and not model.takes_image:
            issues.append(_issue("images", "nothing", "this model takes no images"))
        issues += [
            _issue(name, "nothing", "unknown field")
            for name in body
            if name not in ("model", "prompt", "ar", "images")
        ]
        return issues

    async def _result(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        task_id = body.get("task_id")
        if body.keys() != {"task_id"} or not isinstance(task_id, str):
            return _refusal(3, issues=[_issue("task_id", "string", "task_id alone is required")])
        if self.mode is Mode.OVERLOADED:
            return _refusal(6)
        task = self.tasks.get(task_id)
        return _refusal(4) if task is None else web.json_response(self.look(task))

    async def _list_models(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        models = [
            {"id": model.id, "price": float(model.price), "modelration": True}
            for model in self.models.values()
        ]
        return web.json_response({"code": 0, "models": models})

    async def _list_chat_models(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        models = [
            {
                "id": name,
                "object": "model",
                "created": int(self._clock()),
                "title": name,
                "max_capacity": 128_000,
                "cost_context": f"{read:.4f}",
                "cost_completion": f"{written:.4f}",
            }
            for name, (read, written) in self.chat_models.items()
        ]
        return web.json_response({"object": "list", "data": models})

    async def _balance(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        self._collect()
        return web.json_response(
            {
                "orgId": "0" * 24,
                "object": "balance",
                "balance": float(self.balance),
                "creditLimit": float(self.credit_limit),
            }
        )

    async def _chat(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        model, messages = body.get("model"), body.get("messages")
        task, said = _last_words(messages, "system") or "", _last_words(messages, "user")
        if isinstance(model, str) and model and is_picture(messages):
            try:
                words, said = look(messages, task), ""
            except BadPicture as exc:
                return _openai_error(400, str(exc), "invalid_image")
        elif not isinstance(model, str) or not model or said is None:
            return _openai_error(400, "model and messages are required", None)
        else:
            words = answer(task, said)
        used, made = len(said) // 3 + 1, len(words) // 4 + 1
        return web.json_response(
            {
                "id": f"chatcmpl-{secrets.token_hex(12)}",
                "object": "chat.completion",
                "created": int(self._clock()),
                "model": model,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": words},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": used,
                    "completion_tokens": made,
                    "total_tokens": used + made,
                },
            }
        )

    async def _transcribe(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        file = body.get("file")
        if not isinstance(file, Upload) or not body.get("model"):
            return _openai_error(400, "file and model are required", None)
        try:
            text = await asyncio.to_thread(hear, file.name, file.content)
        except BadSound as exc:
            return _openai_error(400, str(exc), "invalid_file")
        return web.json_response({"text": text})

    def video(self, file: str) -> bytes | None:
        """Return what a result's link leads to; None: nothing, or not any more."""
        task = self.tasks.get(file.rpartition("_result.")[0])
        if task is None or task.made is None or task.end is not Mode.WELL:
            return None
        return None if self._clock() > task.ready_at + self.link_ttl else task.made.video

    async def _download(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        video = self.video(request.match_info["file"])
        if video is None:
            return web.Response(
                status=404,
                text="<Error><Code>NoSuchKey</Code></Error>",
                content_type="application/xml",
            )
        model = self.tasks[request.match_info["file"].rpartition("_result.")[0]].model
        return result_file(request, video, PICTURE if model.is_picture else VIDEO)

    async def _unknown(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return _refusal(99, status=404)


async def _read(request: web.Request) -> Any:
    """Return the query of a GET or the JSON of a POST; a body that is not JSON is returned as
    text."""
    if request.method != "POST":
        return dict(request.query)
    if request.content_type == "multipart/form-data":
        return await _form(request)
    text = (await request.read()).decode(errors="replace")
    if request.content_type != "application/json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True)
class Upload:
    """A file of a form."""

    name: str
    content: bytes = field(repr=False)


async def _form(request: web.Request) -> dict[str, Any]:
    """Return the fields of a form; a file is an Upload."""
    found: dict[str, Any] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        content = bytes(await part.read())
        named = part.filename is not None
        found[part.name] = Upload(part.filename or "", content) if named else content.decode()
    return found


def _outcome(response: web.Response) -> str:
    if response.content_type == "application/json" and isinstance(response.body, bytes):
        code = json.loads(response.body).get("code")
        if code is not None:
            return f"code {code}"
    return f"HTTP {response.status}"


def _refusal(code: int, *, status: int = 200, **more: Any) -> web.Response:
    """Return an error as the media API does, in `code` (provider.md: "Errors")."""
    return web.json_response({"code": code, "message": _MESSAGES[code], **more}, status=status)


def _openai_error(status: int, message: str, code: str | None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def _issue(path: str, expected: str, message: str) -> Issue:
    return {"path": path, "expected": expected, "message": message}


def _is_one_link(images: object) -> bool:
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], str):
        return False
    try:
        link = urlsplit(images[0])
    except ValueError:
        return False
    return link.scheme in ("http", "https") and bool(link.hostname)


def _last_words(messages: object, role: str) -> str | None:
    """Return the last message of the user in an OpenAI chat; None when it is not a chat."""
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        return None
    said = [m.get("content") for m in messages if m.get("role") == role]
    return said[-1] if said and isinstance(said[-1], str) else None


def _draw(seconds: Seconds) -> float:
    return seconds() if callable(seconds) else seconds
