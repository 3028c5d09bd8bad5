"""The bot against a Bot API server with only the methods that a video needs.

Other servers and tests answer missing methods with 404, or with a bare `true`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.media_files import clip, learnt
from tests.support.process_harness import TOKEN, ProcessHarness, open_process_harness, until

Json = dict[str, Any]
NOT_BUILT: dict[str, Callable[[], web.Response]] = {
    "404": lambda: web.json_response(
        {"ok": False, "error_code": 404, "description": "Not Found: method not found"}, status=404
    ),
    "true": lambda: web.json_response({"ok": True, "result": True}),
}


@dataclass
class BareServer:
    """Messages get numbers, updates wait for their offset; all else is `not_built`."""

    not_built: Callable[[], web.Response]
    waiting: list[Json] = field(default_factory=list)
    calls: list[tuple[str, Json]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1000))

    def of(self, method: str) -> list[Json]:
        return [asked for name, asked in self.calls if name == method]

    def person_says(self, **update: Any) -> None:
        """An update with the fields that cannot be missing, and no others."""
        self.waiting.append({"update_id": next(self.numbers), **update})

    async def answer(self, request: web.Request) -> web.Response:
        name, asked = request.match_info["method"], dict(await request.post())
        self.calls.append((name, asked))
        match name:
            case "getMe":
                return self._result({"id": 7100200300, "is_bot": True, "first_name": "B"})
            case "getUpdates":
                offset = int(str(asked.get("offset", 0)))
                self.waiting = [u for u in self.waiting if u["update_id"] >= offset]
                await asyncio.sleep(0 if self.waiting else 0.05)
                return self._result(self.waiting)
            case "sendMessage" | "sendVideo":
                chat = {"id": int(str(asked["chat_id"])), "type": "private"}
                message = {"message_id": len(self.calls), "date": int(time.time()), "chat": chat}
                return self._result(message)
            case _:
                return self.not_built()

    @staticmethod
    def _result(result: Any) -> web.Response:
        return web.json_response({"ok": True, "result": result})


@asynccontextmanager
async def serving(server: BareServer) -> AsyncIterator[str]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post(f"/bot{TOKEN}/{{method}}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def started(harness: ProcessHarness, url: str) -> None:
    await learnt(harness.database_url, 0.4)
    await harness.start(settings={"TELEGRAM_API_URL": url, "PUBLIC_URL": ""})


@pytest.mark.parametrize("kind", NOT_BUILT)
async def test_a_video_needs_only_updates_messages_and_videos(tmp_path: Path, kind: str) -> None:
    server = BareServer(NOT_BUILT[kind])
    anna: Json = {"id": 5, "is_bot": False, "first_name": "Anna"}
    said: Json = {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}, "from": anna}
    async with (
        open_process_harness(tmp_path, delay=0.4, renderer=clip) as harness,
        serving(server) as url,
    ):
        await started(harness, url)
        server.person_says(message={**said, "text": "a red fox"})
        await until(lambda: server.of("sendMessage"))
        [card] = server.of("sendMessage")
        rows = json.loads(card["reply_markup"])["inline_keyboard"]
        [data] = [b["callback_data"] for row in rows for b in row if "16:9" in b["text"]]
        server.person_says(
            callback_query={"id": "1", "from": anna, "chat_instance": "1", "data": data}
        )
        await until(lambda: server.of("sendVideo"))
        assert len(harness.provider.charges) == 1
        assert {name for name, _ in server.calls} >= {"setMyCommands", "setMyDescription"}
        assert await harness.bots[0].stop() == 0
        assert "Traceback" not in harness.bots[0].lines
        _, told, _ = await harness.run("check", TELEGRAM_API_URL=url)
        assert "ok    token: B\nnote  updates: by polling; whether a webhook is set" in told
        assert "a red fox" not in harness.bots[0].lines


LONG = ", which falls on the hills and on the lake"
"""A prompt that does not fit into the quote above the card is repeated on it."""


async def test_a_broken_update_stops_no_other_and_is_not_logged(
    tmp_path: Path,
) -> None:
    server = BareServer(NOT_BUILT["404"])
    anna: Json = {"id": 5, "is_bot": False, "first_name": "half \ud83d of a pair"}
    chat: Json = {"id": 5, "type": "private"}
    async with (
        open_process_harness(tmp_path, delay=0.4, renderer=clip) as harness,
        serving(server) as url,
    ):
        await started(harness, url)
        server.person_says(thing_of_next_year={"text": "canary words", "from": anna})
        server.person_says(update_id=10**30, message={"text": "canary words"})
        server.person_says(message={"message_id": 3, "text": "canary words"})
        said = {"message_id": 4, "date": 1, "chat": chat, "from": anna}
        server.person_says(message={**said, "text": "a fox \ude00 \0 in the snow" + LONG})
        await until(lambda: server.of("sendMessage"))
        assert "a fox � � in the snow" in server.of("sendMessage")[0]["text"]
        assert await harness.bots[0].stop() == 0
        assert "canary words" not in harness.bots[0].lines
