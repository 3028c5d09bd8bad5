"""Updates wait until they are confirmed, reach one poller or one webhook, and can come again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.faults import Fault
from tests.sandbox.telegram_client import talking


async def test_updates_stay_until_an_offset_confirms_them() -> None:
    async with talking() as (_, bot, anna):
        await anna.send_text("one")
        await anna.send_text("two")
        first = await bot.updates()
        assert [u["message"]["text"] for u in first] == ["one", "two"]
        assert await bot.updates() == first
        ids = [u["update_id"] for u in first]
        assert ids[1] == ids[0] + 1
        assert await bot.updates(offset=ids[1]) == first[1:]
        assert await bot.updates(offset=ids[1] + 1) == []
        await anna.send_text("three")
        assert len(await bot.updates(limit=1)) == 1


async def test_a_long_poll_ends_with_the_first_update() -> None:
    async with talking() as (emulator, bot, anna):
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(bot.updates(timeout=30))
            await emulator.wait_for_poll()
            await anna.send_text("news")
        assert [u["message"]["text"] for u in poll.result()] == ["news"]


async def test_a_second_poller_ends_the_first_with_a_conflict() -> None:
    async with talking() as (emulator, bot, anna):
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(bot("getUpdates", timeout=30))
            await emulator.wait_for_poll()
            second = tasks.create_task(bot("getUpdates", timeout=30))
            assert "terminated by other getUpdates" in (await first).error
            assert first.result().status == 409
            await anna.send_text("for the second")
        assert second.result().result[0]["message"]["text"] == "for the second"


async def test_only_requested_kinds_of_updates_are_created() -> None:
    async with talking() as (_, bot, anna):
        await anna.react(anna.messages[0], "👍")
        await bot("getUpdates", allowed_updates=["message_reaction"])
        await anna.react(anna.messages[0], "🔥")
        await anna.send_text("nobody asked")
        [update] = await bot.updates()
        assert update["message_reaction"]["new_reaction"] == [{"type": "emoji", "emoji": "🔥"}]
        assert update["message_reaction"]["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]


async def test_any_update_can_be_injected_and_any_delivered_twice() -> None:
    async with talking() as (emulator, bot, anna):
        emulator.inject({"message": {"nonsense": True}})
        await anna.send_text("good")
        garbage, good = await bot.updates()
        assert garbage["message"] == {"nonsense": True}
        assert await bot.updates(offset=good["update_id"] + 1) == []
        emulator.redeliver(good["update_id"])
        assert await bot.updates(offset=good["update_id"] + 1) == [good]
        assert await bot.updates(offset=good["update_id"] + 1) == []
        with pytest.raises(KeyError):
            emulator.redeliver(1)
        with pytest.raises(ValueError, match="integer"):
            emulator.inject({"update_id": "1"})


class Hook:
    """A bot's webhook: fails the first times it is asked to."""

    def __init__(self, failures: int, reply: dict[str, Any] | None) -> None:
        self.url = ""
        self.failures = failures
        self.reply = reply
        self.got: list[tuple[str | None, dict[str, Any]]] = []
        self.enough = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        if self.failures:
            self.failures -= 1
            return web.Response(status=500)
        self.got.append((secret, await request.json()))
        self.enough.set()
        return web.json_response(self.reply) if self.reply else web.Response()


@asynccontextmanager
async def hooked(failures: int = 0, reply: dict[str, Any] | None = None) -> AsyncIterator[Hook]:
    hook = Hook(failures, reply)
    app = web.Application()
    app.router.add_post("/hook", hook.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield hook
    finally:
        await runner.cleanup()


async def test_a_webhook_gets_each_update_with_the_secret_until_it_takes_it() -> None:
    async with hooked(failures=2) as hook, talking() as (emulator, bot, anna):
        emulator.api.delivery.retry_delay = 0.01
        await bot("setWebhook", url=hook.url, secret_token="s3cret_")
        await anna.send_text("one")
        await asyncio.wait_for(hook.enough.wait(), 30)
        assert [(s, u["message"]["text"]) for s, u in hook.got] == [("s3cret_", "one")]
        info = (await bot("getWebhookInfo")).result
        assert info["url"] == hook.url
        assert "500" in info["last_error_message"]
        polled = await bot("getUpdates")
        assert (polled.status, "webhook is active" in polled.error) == (409, True)
        assert (await bot("deleteWebhook")).result is True
        assert await bot.updates() == []


async def test_a_webhook_may_answer_with_a_method() -> None:
    async with talking() as (_, bot, anna):
        reply = {"method": "sendMessage", "chat_id": anna.id, "text": "by the answer"}
        async with hooked(reply=reply) as hook:
            await bot("setWebhook", url=hook.url)
            await anna.send_text("one")
            await anna.expect(lambda m: m.get("text") == "by the answer", within=30)
            await bot("deleteWebhook")


async def test_a_webhook_set_while_polling_ends_the_poll() -> None:
    async with hooked() as hook, talking() as (emulator, bot, _):
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(bot("getUpdates", timeout=30))
            await emulator.wait_for_poll()
            await bot("setWebhook", url=hook.url)
        assert poll.result().status == 409
        wrong = await bot("setWebhook", url="http://example.org/hook")
        assert "HTTPS URL must be provided" in wrong.error
        wrong = await bot("setWebhook", url=hook.url, secret_token="пароль")
        assert "unallowed characters" in wrong.error


async def test_flood_control_is_answered_like_telegram_and_a_given_number_of_times() -> None:
    async with talking() as (emulator, bot, anna):
        emulator.flood("sendMessage", retry_after=7)
        answer = await bot("sendMessage", chat_id=anna.id, text="x")
        assert answer.status == 429
        assert answer.body["parameters"] == {"retry_after": 7}
        assert len(anna.messages) == 1
        assert (await bot("sendMessage", chat_id=anna.id, text="x")).result
        assert [call.fault for call in emulator.calls_of("sendMessage")] == ["answer", None]


async def test_a_lost_answer_leaves_its_effect_and_its_record() -> None:
    async with talking() as (emulator, bot, anna):
        emulator.faults.add(Fault(on="sendMessage", act="reset_after", match={"text": "x"}))
        assert (await bot("sendMessage", chat_id=anna.id, text="y")).result
        with pytest.raises(aiohttp.ClientError):
            await bot("sendMessage", chat_id=anna.id, text="x")
        assert [m["text"] for m in anna.messages] == ["hi", "y", "x"]
        lost = emulator.calls_of("sendMessage", text="x")[0]
        assert (lost.ok, lost.fault) == (True, "reset_after")
