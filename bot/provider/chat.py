"""One call to a chat model of the provider (provider.md: "Other calls"), best effort.

A late, strange or missing answer is None: nothing depends on one. It must not know what is asked,
and logs neither questions nor answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import httpx

from bot.core.json_text import decode

BODY_LIMIT = 1 << 18
"""Bytes of an answer."""

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]
"""A message in the OpenAI form: role and content."""


async def ask(
    client: httpx.AsyncClient, model: str, messages: Sequence[Message], seconds: float
) -> str | None:
    """Return the model's words within `seconds`, or None."""
    body = {"model": model, "messages": messages}
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
        words = decode(content)["choices"][0]["message"]["content"]
        # A model that refuses answers null.
        return words if isinstance(words, str) else None
    except (
        httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError, LookupError,
        TypeError, RecursionError,
    ) as exc:  # fmt: skip
        # Only the error's type: its text may contain the address or the prompt.
        logger.warning("the chat model gives nothing: %s", type(exc).__name__)
        return None
