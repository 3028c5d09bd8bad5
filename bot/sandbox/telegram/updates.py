"""Delivery of updates: long polling with its offsets and conflicts, or the webhook with
retries.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.sandbox.telegram.calls import Method, Request
from bot.sandbox.telegram.errors import OTHER_POLLER, WEBHOOK_ACTIVE, ApiError, bad_request
from bot.sandbox.telegram.state import Json, Webhook, World

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
MAX_TIMEOUT = 50
SECRET = re.compile(r"[A-Za-z0-9_-]+")


class Delivery:
    """The delivery of updates to one bot: the current poll, or the webhook."""

    def __init__(self, world: World, retry_delay: float = 1.0) -> None:
        self.world = world
        # Seconds before a failed webhook delivery is tried again; doubles up to 60.
        self.retry_delay = retry_delay
        self.on_reply: Callable[[Json], Awaitable[None]] | None = None
        self._poller: asyncio.Future[str | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        world.on_update = self._news

    async def get_updates(self, req: Request) -> list[Json]:
        """Bot API: getUpdates. A second poll ends the first one with 409, as
        at Telegram.
        """
        world, params = self.world, req.params
        if world.webhook.url:
            raise ApiError(409, WEBHOOK_ACTIVE)
        self._end_poll(OTHER_POLLER)
        self._allow(params)
        offset = params.get("offset", 0)
        if offset < 0:
            offset = (list(world.pending)[offset:] or [{"update_id": 0}])[0]["update_id"]
        world.confirm(offset)
        limit = min(max(params.get("limit", 100), 1), 100)
        timeout = min(params.get("timeout", 0), MAX_TIMEOUT)
        if not (world.pending or world.repeated) and timeout > 0:
            await self._wait(timeout)
        repeated = [world.repeated.popleft() for _ in range(min(limit, len(world.repeated)))]
        return (repeated + list(world.pending))[:limit]

    async def _wait(self, seconds: float) -> None:
        # None if there are updates, or the reason why this poll ended.
        ended: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._poller = ended
        self.world.emit("poll")
        try:
            async with asyncio.timeout(seconds):
                reason = await ended
        except TimeoutError:
            return
        finally:
            if self._poller is ended:
                self._poller = None
        if reason is not None:
            raise ApiError(409, reason)

    @property
    def polled(self) -> bool:
        """Whether a getUpdates call is waiting now."""
        return self._poller is not None

    def _news(self) -> None:
        self._end_poll(None)
        self._wake.set()

    def _end_poll(self, reason: str | None) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(reason)
        self._poller = None

    def _allow(self, params: Json) -> None:
        if "allowed_updates" in params:
            self.world.allowed = set(params["allowed_updates"]) or None

    async def set_webhook(self, req: Request) -> bool:
        """Bot API: setWebhook. Unlike at Telegram, plain http is allowed for
        loopback.
        """
        world, params = self.world, req.params
        url = params["url"]
        if not url:
            return await self.delete_webhook(req)
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        secret = params.get("secret_token", "")
        if secret and not SECRET.fullmatch(secret):
            raise bad_request("bad webhook: secret token contains unallowed characters")
        self._allow(params)
        self._end_poll("terminated by setWebhook request")
        await self.stop()
        if params.get("drop_pending_updates"):
            world.pending.clear()
        world.webhook = Webhook(url, secret, params.get("max_connections", 40))
        # It ends in `stop`, which the emulator always calls.
        self._task = asyncio.create_task(self._deliver())  # noqa: TID251
        return True

    async def delete_webhook(self, req: Request) -> bool:
        """Bot API: deleteWebhook."""
        await self.stop()
        self.world.webhook = Webhook()
        if req.params.get("drop_pending_updates"):
            self.world.pending.clear()
        return True

    async def webhook_info(self, req: Request) -> Json:
        """Bot API: getWebhookInfo."""
        hook = self.world.webhook
        info: Json = {
            "url": hook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self.world.pending),
        }
        if hook.url:
            info["max_connections"] = hook.max_connections
        if hook.last_error:
            info["last_error_date"], info["last_error_message"] = hook.last_error
        if self.world.allowed:
            info["allowed_updates"] = sorted(self.world.allowed)
        return info

    async def stop(self) -> None:
        """End the webhook's deliveries and any waiting poll."""
        self._end_poll("terminated by other getUpdates request")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _deliver(self) -> None:
        """Deliver updates one by one; each is repeated until the webhook answers 2xx."""
        world, hook, delay = self.world, self.world.webhook, self.retry_delay
        headers = {"X-Telegram-Bot-Api-Secret-Token": hook.secret} if hook.secret else {}
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                queue = world.repeated or world.pending
                if not queue:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                update = queue[0]
                failure = await self._post(session, hook.url, update)
                if failure is None:
                    delay = self.retry_delay
                    if queue and queue[0] is update:
                        queue.popleft()
                else:
                    hook.last_error = (world.now(), failure)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 60)

    async def _post(self, session: aiohttp.ClientSession, url: str, update: Json) -> str | None:
        try:
            async with session.post(url, json=update, timeout=aiohttp.ClientTimeout(60)) as answer:
                body = await answer.read()
                if not 200 <= answer.status < 300:
                    return f"Wrong response from the webhook: {answer.status} {answer.reason}"
        except (aiohttp.ClientError, TimeoutError, OSError):
            return "Connection refused or timed out"
        reply = _method_in(body)
        if reply is not None and self.on_reply is not None:
            await self.on_reply(reply)
        return None

    def methods(self) -> dict[str, Method]:
        """Return the methods that this object answers."""
        return {
            "getUpdates": self.get_updates,
            "setWebhook": self.set_webhook,
            "deleteWebhook": self.delete_webhook,
            "getWebhookInfo": self.webhook_info,
        }


def _method_in(body: bytes) -> Json | None:
    """Run a call in the webhook's answer (Bot API: Making requests when getting updates)."""
    try:
        reply: Any = json.loads(body)
    except ValueError:
        return None
    return reply if isinstance(reply, dict) and "method" in reply else None
