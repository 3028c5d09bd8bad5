"""The page's HTTP API: acts, events, switches and records; closed to pages of other sites."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from bot.sandbox.gptunnel import GptunnelEmulator
from bot.sandbox.telegram import TelegramEmulator
from tests.sandbox.telegram_client import Client, jpeg, talking


async def post(bot: Client, path: str, body: Any = None, **options: Any) -> Any:
    url = f"{bot.emulator.url}/sandbox/{path}"
    async with bot.session.post(url, json=body if body is not None else {}, **options) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def get(bot: Client, path: str) -> Any:
    async with bot.session.get(f"{bot.emulator.url}/sandbox/{path}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_a_person_acts_over_http() -> None:
    async with talking() as (_, bot, anna):
        me = f"people/{anna.id}"
        sent = (await post(bot, f"{me}/text", {"text": "a cat"}))["result"]
        await post(bot, f"{me}/edit", {"message_id": sent["message_id"], "text": "a dog"})
        form = aiohttp.FormData({"caption": "sea", "reply_to": str(sent["message_id"])})
        for _ in range(2):
            form.add_field("file", jpeg(), filename="a.jpg", content_type="image/jpeg")
        url = f"{bot.emulator.url}/sandbox/{me}/photo"
        async with bot.session.post(url, data=form) as answer:
            assert len((await answer.json())["result"]) == 2
        await post(bot, f"{me}/sticker")
        await post(bot, f"{me}/block")
        updates = await bot.updates()
        kinds = [next(k for k in u if k != "update_id") for u in updates]
        assert kinds == ["message", "edited_message", *["message"] * 3, "my_chat_member"]
        assert updates[2]["message"]["reply_to_message"]["text"] == "a dog"
        assert "sticker" in updates[4]["message"]


@pytest.mark.parametrize(
    ("act", "body", "error"),
    [
        ("text", {"text": "  "}, "nothing to send"),
        ("press", {"message_id": 99, "button": "x"}, "no such message"),
        ("press", {}, "message_id"),
        ("photo", {}, "no file"),
        ("delete", {"message_id": "x"}, "ValueError"),
        ("text", [1], "JSON object"),
    ],
)
async def test_a_wrong_act_is_explained(act: str, body: Any, error: str) -> None:
    async with talking() as (_, bot, anna):
        url = f"{bot.emulator.url}/sandbox/people/{anna.id}/{act}"
        async with bot.session.post(url, json=body) as answer:
            assert answer.status == 400
            assert error in (await answer.json())["error"]


async def test_the_state_is_what_this_person_sees() -> None:
    async with talking() as (_, bot, anna):
        boris = await post(bot, "people", {"first_name": "Boris", "language_code": "ru"})
        await post(bot, "groups", {"title": "Films", "people": [anna.id], "topics": ["Talk"]})
        await bot("setMyCommands", commands=[{"command": "help", "description": "Help"}])
        state = await get(bot, f"state?person={anna.id}")
        assert [chat["type"] for chat in state["chats"]] == ["private", "supergroup"]
        assert state["chats"][0]["messages"][0]["text"] == "hi"
        assert state["chats"][0]["commands"][0]["command"] == "help"
        assert state["chats"][1]["topics"] == {"2": "Talk"}
        assert state["me"]["first_name"] == "Anna"
        state = await get(bot, f"state?person={boris['id']}")
        assert [chat["id"] for chat in state["chats"]] == [boris["id"]]


@pytest.mark.parametrize(("header", "name"), [("ru-RU,ru;q=0.9", "Анна"), ("de", "Anna")])
async def test_the_first_visitor_becomes_a_person_with_the_browsers_language(
    header: str, name: str
) -> None:
    async with TelegramEmulator() as emulator, aiohttp.ClientSession() as session:
        url, headers = f"{emulator.url}/sandbox/state", {"Accept-Language": header}
        for _ in range(2):
            async with session.get(url, headers=headers) as answer:
                assert (await answer.json())["me"]["first_name"] == name
        assert len(emulator.people) == 1


async def test_events_stream_to_the_person_they_concern() -> None:
    async with talking() as (emulator, bot, anna):
        boris = emulator.add_person("Boris")
        url = f"{bot.emulator.url}/sandbox/events?person={anna.id}"
        async with bot.session.get(url) as stream:
            assert await stream.content.readline() == b"event: ready\n"
            await boris.send_text("not for Anna")
            await bot("sendMessage", chat_id=anna.id, text="for Anna")
            async with asyncio.timeout(30):
                while True:
                    line = await stream.content.readline()
                    if line.startswith(b'data: {"event"'):
                        event = json.loads(line.removeprefix(b"data: "))
                        if event["event"] == "message":
                            break
        assert event["message"]["text"] == "for Anna"


async def test_media_is_served_in_ranges_and_never_executed() -> None:
    async with talking() as (emulator, bot, anna):
        data = b"<script>alert(1)</script>"
        message = await anna.send_document(data, "a.html", "text/html")
        url = f"{emulator.url}/sandbox/files/{message['document']['file_id']}"
        async with bot.session.get(url, headers={"Range": "bytes=1-6"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"script")
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_faults_and_floods_are_switched_over_http() -> None:
    async with talking() as (_, bot, anna):
        fault = await post(bot, "faults", {"on": "getMe", "act": "answer", "status": 502})
        assert fault["id"] in await get(bot, "faults")
        async with bot.session.post(
            f"{bot.emulator.url}/sandbox/faults", json={"on": "getMe", "act": "explode"}
        ) as answer:
            assert answer.status == 400
        async with bot.session.delete(
            f"{bot.emulator.url}/sandbox/faults/{fault['id']}"
        ) as answer:
            assert answer.status == 200
        assert (await bot("getMe")).status == 200
        await post(bot, "flood", {"on": True})
        for _ in range(3):
            assert (await bot("sendMessage", chat_id=anna.id, text="x")).status == 429
        assert (await bot("getUpdates")).status == 200
        await post(bot, "flood", {"on": False})
        assert (await bot("sendMessage", chat_id=anna.id, text="x")).status == 200
        calls = await get(bot, "calls")
        assert [call["fault"] for call in calls if call["method"] == "sendMessage"] == [
            *["answer"] * 3,
            None,
        ]


async def test_updates_are_injected_and_delivered_again_over_http() -> None:
    async with talking() as (_, bot, _anna):
        made = await post(bot, "inject", {"message": "garbage"})
        assert (await bot.updates())[0] == made
        await bot.updates(offset=made["update_id"] + 1)
        await post(bot, "redeliver", {"update_id": made["update_id"]})
        assert await bot.updates() == [made]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
async def test_pages_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    async with talking() as (emulator, bot, anna):
        url = f"{emulator.url}/sandbox/people/{anna.id}/text"
        async with bot.session.post(url, json={"text": "x"}, headers=headers) as answer:
            assert answer.status == 403
        assert len(anna.messages) == 1
        own = {"Origin": emulator.url}
        async with bot.session.post(url, json={"text": "x"}, headers=own) as answer:
            assert answer.status == 200


async def test_the_page_reaches_the_providers_switches() -> None:
    provider = GptunnelEmulator()
    await provider.start()
    control = provider.base_url.removesuffix("/v1") + "/sandbox"
    async with talking(provider_control=control) as (_, bot, _anna):
        await post(bot, "provider/delay", {"seconds": 7})
        assert provider.delay == 7
        state = await post(bot, "provider/fault", {"mode": "refuses"})
        assert state["mode"] == "refuses"
    await provider.stop()


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    async with talking() as (emulator, bot, _):
        async with bot.session.get(f"{emulator.url}/") as answer:
            page = await answer.text()
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "http://" not in page
        assert "https://" not in page
        for name in ("base.css", "chat.css", "icon.svg", "js/app.js"):
            async with bot.session.get(f"{emulator.url}/static/{name}") as answer:
                assert answer.status == 200
