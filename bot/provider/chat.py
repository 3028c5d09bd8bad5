"""Calls to a chat model of the provider (provider.md: "Other calls"), best effort.

A late, strange or missing answer is None: nothing depends on one. It must not know what is asked,
and logs neither questions nor answers.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import aiohttp
import httpx

from bot.core.json_text import decode
from bot.provider.transport import client

BODY_LIMIT = 1 << 18
"""Bytes of an answer."""

logger = logging.getLogger(__name__)

_THOUGHT = re.compile(r"</think(?:ing)?>")
_UNFINISHED = re.compile(r"\s*<think(?:ing)?>")

Message = Mapping[str, Any]
"""A message in the OpenAI form: role and content."""


class ChatModelClient:
    """Asks one chat model; the subclasses know what."""

    SECONDS: ClassVar[float]
    """The longest wait for an answer."""

    def __init__(
        self, client: httpx.AsyncClient, model: str = "", *, seconds: float | None = None
    ) -> None:
        self._client = client
        self._model = model
        self._seconds = self.SECONDS if seconds is None else seconds

    @classmethod
    def connect(cls, base_url: str, api_key: str, model: str, *, proxy_url: str = "") -> Self:
        """Open a client with the same transport as the other calls to the provider."""
        timeout = httpx.Timeout(cls.SECONDS)
        return cls(client(base_url, api_key, timeout, proxy_url=proxy_url), model)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    def take(self, model: str) -> None:
        """Use this model from now on."""
        self._model = model


async def ask(
    client: httpx.AsyncClient, model: str, messages: Sequence[Message], seconds: float
) -> str | None:
    """Return the model's words within `seconds`, or None."""
    # Some services stream unless they are told not to.
    body = {"model": model, "messages": messages, "stream": False}
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream("POST", "chat/completions", json=body) as response,
        ):
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > BODY_LIMIT:
                    raise ValueError("the answer is too long")
        if response.status_code != 200:
            logger.warning("the chat model answers HTTP %d", response.status_code)
            return None
        choice = decode(content)["choices"][0]
        if (end := choice.get("finish_reason")) in ("length", "content_filter"):
            logger.warning("the chat model does not finish its answer: %s", end)
            return None
        return _words(choice["message"]["content"])
    except (
        httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError, LookupError,
        TypeError, AttributeError, RecursionError,
    ) as exc:  # fmt: skip
        # Only the error's type: its text may contain the address or the prompt.
        logger.warning("the chat model gives nothing: %s", type(exc).__name__)
        return None


def _words(content: Any) -> str | None:
    """Return the words of a message, a text or a list of parts, without the model's thoughts.

    A model that refuses answers null. Reasoning models put their thoughts before the answer; some
    services leave out the tag that opens them.
    """
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part["type"] == "text")
    if not isinstance(content, str):
        return None
    said = _THOUGHT.split(content)[-1]
    return None if _UNFINISHED.match(said) else said
