"""The HTTP client of GPTunnel's media API (docs/provider.md).

It returns a `Job` or raises one of the ProviderErrors of `bot.core.errors`. It must not know
tasks, Telegram or the database, and it never retries by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, nullcontext
from decimal import Decimal, InvalidOperation
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import httpx

from bot.core.catalog import PRICE_LIMIT
from bot.core.chat_models import ChatModel
from bot.core.errors import (
    ProviderBusy,
    ProviderLost,
    ProviderRefused,
)
from bot.core.json_text import decode
from bot.core.task import Reason
from bot.provider.answers import (
    AGAIN,
    HOLDS,
    Job,
    JobStatus,
    code_of,
    error_of_code,
    error_of_http_status,
    id_of,
    is_documented,
    job_from,
    link_in,
    message_of,
    shape_of,
)
from bot.provider.transport import transport
from bot.runtime import metrics, proxy

logger = logging.getLogger(__name__)

CREATE_SECONDS = 90.0
"""Seconds for a whole create; after that, the answer counts as lost."""

ASK_SECONDS = 20.0
"""Seconds for any other call."""

KEEP_SECONDS = 60.0
"""Seconds that an idle connection is kept: longer than the wait between two polls."""

CONNECTIONS = 20
"""Connections to one host at once: with more, the client gets slower (docs/performance.md)."""

PREPARED_REQUESTS = 16_384
"""How many prepared requests (2 kB each) are kept until the final answer of their job."""

SHAPES = 50
"""How many undocumented forms of answers are logged."""

KEY_LENGTH = 8
"""The length, in characters, from which a key is removed from answers."""

BODY_LIMIT = 1 << 20
"""Bytes of an answer that are read; real answers have a few hundred."""

_TIMEOUT = httpx.Timeout(CREATE_SECONDS, connect=ASK_SECONDS).as_dict()


class Gptunnel:
    """The calls to the provider: create, result, balance, models.

    There are two transports. Polls reuse connections. A create always opens a new one: a kept
    connection that the other side has just closed looks like a lost answer, and a create with a
    lost answer must never be repeated. The client of httpx is not used: its cookies, redirects and
    base URLs are not needed, and cost more than the poll itself (docs/performance.md).
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        asking: httpx.AsyncBaseTransport,
        ordering: httpx.AsyncBaseTransport,
        create_seconds: float = CREATE_SECONDS,
        ask_seconds: float = ASK_SECONDS,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = httpx.Headers(
            {
                "Authorization": api_key,
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
            }
        )
        # A shorter key is none of a real account, and may be a part of an id.
        self._key = api_key.encode() if len(api_key) >= KEY_LENGTH else b""
        self._asking = asking
        # Acquired before the request is built: thousands of built requests that wait for a
        # connection keep Python's garbage collector busy.
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._ordering = ordering
        self._create_seconds = create_seconds
        self._ask_seconds = ask_seconds
        # The same poll is made many times, and building the request costs more than sending it.
        self._prepared: dict[str, httpx.Request] = {}
        self._shapes: set[str] = set()
        self._asks_by_post = False

    @classmethod
    def connect(
        cls, base_url: str, api_key: str, *, proxy_url: str = "", **seconds: float
    ) -> Self:
        """Open both transports to the same address."""
        return cls(
            base_url,
            api_key,
            asking=transport(proxy_url, limit=CONNECTIONS, keepalive_timeout=KEEP_SECONDS),
            ordering=transport(proxy_url, limit=CONNECTIONS, force_close=True),
            **seconds,
        )

    async def close(self) -> None:
        """Close both transports."""
        await self._asking.aclose()
        await self._ordering.aclose()

    async def create(self, *, model: str, prompt: str, ar: str, image: str | None = None) -> Job:
        """Order a video; this costs money (provider.md: create).

        Raises ProviderBusy, ProviderHeld or ProviderRefused when it was certainly not accepted,
        and ProviderLost when that cannot be known.
        """
        body: dict[str, Any] = {"model": model, "prompt": prompt, "ar": ar}
        if image is not None:
            body["images"] = [image]
        with metrics.provider_call("create"):
            return await self._create(body)

    async def _create(self, body: dict[str, Any]) -> Job:
        status, answer, headers = await self._call(
            self._ordering, "media/create", self._create_seconds, body
        )
        code = code_of(answer)
        if id_ := id_of(answer):
            # An id means an accepted order, whatever else the answer says: it is polled from here
            # on.
            return job_from(id_, answer, code)
        if code is None or code == 0:
            if code is None and (error := error_of_http_status(status, headers, answer)):
                raise error
            raise ProviderLost(f"create: HTTP {status} with neither id nor code")
        raise error_of_code(code, headers, answer)

    async def result(self, task_id: str) -> Job:
        """Return the current status of a job (provider.md: result). The call is free and may be
        repeated.

        Raises ProviderBusy (ask again later), ProviderHeld, or ProviderRefused with
        PROVIDER_FORGOT when the provider does not know the id.
        """
        path = f"media/result?task_id={quote(task_id)}"
        with metrics.provider_call("result"):
            job = await self._result(task_id, path)
        if job.status is not JobStatus.PENDING:
            self._prepared.pop(path, None)
        return job

    async def _result(self, task_id: str, path: str) -> Job:
        try:
            status, answer, headers = await self._ask_result(task_id, path)
        except ProviderLost as exc:
            raise ProviderBusy(str(exc)) from None
        code = code_of(answer)
        self._log_new_shape(answer)
        has_status = isinstance(answer.get("status"), str)
        if code is None and not has_status and link_in(answer) is None:
            raise error_of_http_status(status, headers, answer) or ProviderBusy(
                f"result: HTTP {status} without a code"
            )
        if id_of(answer) not in ("", task_id):
            raise ProviderBusy("result: the answer is about another task")
        if code == 4:
            raise ProviderRefused(Reason.PROVIDER_FORGOT, f"code 4 {message_of(answer)}".strip())
        if code and (code in AGAIN or code in HOLDS):
            raise error_of_code(code, headers, answer)
        return job_from(task_id, answer, code)

    async def _ask_result(
        self, task_id: str, path: str
    ) -> tuple[int, Mapping[str, Any], httpx.Headers]:
        """Ask by GET, or by POST where only that is served: both are documented (provider.md:
        result).
        """
        if not self._asks_by_post:
            said = status, answer, _ = await self._call(self._asking, path, self._ask_seconds)
            if status not in (404, 405) or code_of(answer) is not None:
                return said
        said = status, answer, _ = await self._call(
            self._asking, "media/result", self._ask_seconds, {"task_id": task_id}
        )
        self._asks_by_post = status not in (404, 405) or code_of(answer) is not None
        return said

    def _log_new_shape(self, answer: Mapping[str, Any]) -> None:
        """Log each undocumented form of an answer once: keys and types, no values."""
        if not answer or is_documented(answer) or len(self._shapes) >= SHAPES:
            return
        shape = shape_of(answer)
        if shape not in self._shapes:
            self._shapes.add(shape)
            logger.warning("result: an answer in a new form: %s", shape)

    async def probe(self) -> None:
        """Send a free probe by the same path as a create: a create with an empty body
        (provider.md: other calls).

        Returns when the provider answers in its own form; raises ProviderBusy otherwise.
        """
        with metrics.provider_call("probe"):
            await self._probe()

    async def _probe(self) -> None:
        try:
            status, answer, headers = await self._call(
                self._ordering, "media/create", self._ask_seconds, {}
            )
        except ProviderLost as exc:
            raise ProviderBusy(str(exc)) from None
        code = code_of(answer)
        if code is None and status not in (400, 422):
            raise error_of_http_status(status, headers, answer) or ProviderBusy(
                f"probe: HTTP {status} without a code"
            )
        if code in AGAIN:
            raise error_of_code(code, headers, answer)

    async def balance(self) -> Decimal:
        """Return the funds in roubles: balance plus credit limit (provider.md: other calls).

        Raises ProviderBusy and ProviderHeld.
        """
        with metrics.provider_call("balance"):
            funds = await self._balance()
        metrics.balance(float(funds))
        return funds

    async def _balance(self) -> Decimal:
        try:
            status, answer, headers = await self._call(self._asking, "balance", self._ask_seconds)
        except ProviderLost as exc:
            raise ProviderBusy(str(exc)) from None
        try:
            funds = Decimal(str(answer["balance"])) + Decimal(str(answer.get("creditLimit") or 0))
            if not funds.is_finite():
                raise InvalidOperation
            return funds
        except (KeyError, InvalidOperation):
            code = code_of(answer)
            if code is None and status in (404, 405):
                # Perhaps only this call is missing: GPTunnel says code 99 at a wrong address.
                raise ProviderBusy(f"balance: HTTP {status}, there is no such call") from None
            raise (
                (error_of_code(code, headers, answer) if code else None)
                or error_of_http_status(status, headers, answer)
                or ProviderBusy(f"balance: HTTP {status} without a balance")
            ) from None

    async def prices(self) -> dict[str, Decimal]:
        """Return the provider's current price list, roubles by model (provider.md: other calls).

        The call is undocumented: an answer in another form raises ProviderBusy.
        """
        with metrics.provider_call("models"):
            return await self._prices()

    async def _prices(self) -> dict[str, Decimal]:
        try:
            status, answer, _ = await self._call(self._asking, "media/models", self._ask_seconds)
        except ProviderLost as exc:
            raise ProviderBusy(str(exc)) from None
        models = answer.get("models")
        listed: dict[str, Decimal] = {}
        for model in models if isinstance(models, list) else []:
            if isinstance(model, dict) and isinstance(model.get("id"), str):
                price = _roubles(model, "price")
                if price is not None and price <= PRICE_LIMIT:
                    listed[model["id"]] = price
        if not listed:
            raise ProviderBusy(f"models: HTTP {status} without a list")
        return listed

    async def chat_models(self) -> list[ChatModel]:
        """Return the chat models with their prices (provider.md: other calls).

        Raises ProviderBusy when there is no list.
        """
        with metrics.provider_call("chat_models"):
            try:
                status, answer, _ = await self._call(self._asking, "models", self._ask_seconds)
            except ProviderLost as exc:
                raise ProviderBusy(str(exc)) from None
        found = answer.get("data")
        listed = [
            ChatModel(one["id"], _roubles(one, "cost_context"), _roubles(one, "cost_completion"))
            for one in (found if isinstance(found, list) else [])
            if isinstance(one, dict) and isinstance(one.get("id"), str)
        ]
        if status != 200 or not listed:
            raise ProviderBusy(f"chat models: HTTP {status} without a list")
        return listed

    def _poll_request(self, path: str) -> httpx.Request:
        request = self._prepared.get(path)
        if request is None:
            if len(self._prepared) >= PREPARED_REQUESTS:
                self._prepared.clear()
            request = self._prepared[path] = self._request(path)
        return request

    def _request(self, path: str, body: Mapping[str, Any] | None = None) -> httpx.Request:
        return httpx.Request(
            "GET" if body is None else "POST",
            f"{self._base_url}/{path}",
            headers=self._headers,
            json=body,
            extensions={"timeout": _TIMEOUT},
        )

    async def _call(
        self,
        wire: httpx.AsyncBaseTransport,
        path: str,
        seconds: float,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[int, Mapping[str, Any], httpx.Headers]:
        """Send one request within `seconds`; an answer that is not a JSON object counts as empty.

        Raises ProviderBusy when it was certainly not sent, ProviderLost when its answer is lost.
        """
        name, said = path.partition("?")[0], b""
        place = self._slots if body is None else nullcontext()
        try:
            async with asyncio.timeout(seconds), place:
                request = self._poll_request(path) if body is None else self._request(path, body)
                response = await wire.handle_async_request(request)
                async with aclosing(response):
                    async for chunk in response.aiter_bytes():
                        said += chunk
                        if len(said) > BODY_LIMIT:
                            raise ProviderLost(f"{name}: the answer is over {BODY_LIMIT} bytes")
        except Exception as exc:
            of_wires = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)
            if not isinstance(exc, of_wires) and not proxy.is_at_fault(exc):
                raise
            # Only the error's type: its text may contain the address.
            kind = type(exc.__cause__ or exc).__name__
            if _never_sent(exc):
                raise ProviderBusy(f"{name}: {kind}, no connection") from None
            raise ProviderLost(f"{name}: {kind}") from None
        try:
            # A refusal may quote the key, and messages are stored and shown.
            answer = decode(said.replace(self._key, b"***") if self._key else said)
        except (ValueError, RecursionError):
            answer = None
        return (
            response.status_code,
            answer if isinstance(answer, dict) else {},
            response.headers,
        )


def _roubles(answer: Mapping[str, Any], name: str) -> Decimal | None:
    try:
        value = Decimal(str(answer.get(name)))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _never_sent(exc: Exception) -> bool:
    """Whether the request certainly did not reach the provider, because there was no connection.

    httpx-aiohttp maps nearly every broken connection to ConnectTimeout, also those that broke
    after the request was sent; the aiohttp error below distinguishes them.
    """
    cause = exc.__cause__
    if proxy.is_at_fault(exc):
        return True
    if isinstance(cause, aiohttp.ClientError | TimeoutError):
        return isinstance(
            cause,
            aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL,
        )
    return isinstance(
        exc,
        httpx.ConnectError
        | httpx.ConnectTimeout
        | httpx.PoolTimeout
        | httpx.UnsupportedProtocol
        | httpx.InvalidURL,
    )
