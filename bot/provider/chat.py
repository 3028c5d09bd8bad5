"""One question to one of the provider's chat models (provider.md: "Other calls").

Best effort: a late, refused or strange answer is None. It must not know what is asked, and logs no
texts.
"""

from __future__ import annotations

import asyncio
import json
import logging

import aiohttp
import httpx

logger = logging.getLogger(__name__)

BODY_LIMIT = 1 << 18


async def ask(
    client: httpx.AsyncClient, model: str, task: str, text: str, seconds: float
) -> str | None:
    """Return the model's answer to `text` with the system message `task`."""
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": task},
            {"role": "user", "content": text},
        ],
    }
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
        return str(json.loads(content)["choices"][0]["message"]["content"])
    except (
        httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError,
        ValueError, LookupError, TypeError, RecursionError,
    ) as exc:  # fmt: skip
        # Only the error's type: its text may contain the address or the prompt.
        logger.warning("the chat model gives nothing: %s", type(exc).__name__)
        return None
