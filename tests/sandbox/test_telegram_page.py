"""The chat page in a real browser: what people do with it, on a desk and on a phone."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from bot.sandbox.gptunnel.senses import hear
from bot.sandbox.telegram import Person, TelegramEmulator
from tests.sandbox.telegram_client import Client, Json, jpeg, mp4, talking
from tests.support.process_harness import until

pytestmark = pytest.mark.campaign

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Milliseconds; a busy machine is slow, not wrong.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)
DESK, PHONE = (1280, 800), (390, 844)
PLAYING = """video => new Promise((done) =>
  video.currentTime > 0
    ? done() : video.addEventListener("timeupdate", () => done(), {once: true}))"""
CARD = {
    "inline_keyboard": [
        [{"text": "9:16", "callback_data": "r:9:16", "style": "primary"}],
        [{"text": "10 s", "disabled": {}}, {"text": "Copy", "copy_text": {"text": "a cat"}}],
    ]
}


@asynccontextmanager
async def opened(
    size: tuple[int, int],
) -> AsyncIterator[tuple[Page, TelegramEmulator, Client, Person]]:
    """The page, and after it the certainty that it reported no error and asked nobody else."""
    chromium = shutil.which("chromium")
    assert chromium, "these tests need Chromium (Debian: apt install chromium)"
    wrong: list[str] = []
    async with talking() as (emulator, bot, anna), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
        page.on(
            "request",
            lambda one: (
                None if one.url.startswith((emulator.url, "blob:")) else wrong.append(one.url)
            ),
        )
        await page.goto(emulator.url)
        await page.wait_for_selector("body[data-ready]")
        yield page, emulator, bot, anna
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
        await browser.close()
    assert wrong == []


async def pressed(bot: Client) -> Json:
    """The press that the page waits for: it shows so before the press has come here."""
    async with asyncio.timeout(20):
        while True:
            for update in await bot.updates():
                if "callback_query" in update:
                    press: Json = update["callback_query"]
                    return press
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_photo_a_card_a_press_and_a_video_that_plays(
    size: tuple[int, int], tmp_path: Path
) -> None:
    picture = tmp_path / "sea.jpg"
    picture.write_bytes(jpeg(600, 800))
    async with opened(size) as (page, _emulator, bot, anna):
        await page.set_input_files("#pick-photo", picture)
        await page.fill("#text", "a calm sea")
        await page.press("#text", "Enter")
        await expect(page.locator(".mine .text")).to_have_text(["hi", "a calm sea"])
        [update] = await bot.updates()
        assert update["message"]["photo"][-1]["height"] == 800
        assert update["message"]["caption"] == "a calm sea"

        reply = {"message_id": update["message"]["message_id"]}
        card = {"chat_id": anna.id, "text": "<b>Ready</b>", "parse_mode": "HTML"}
        sent = (await bot("sendMessage", **card, reply_markup=CARD, reply_parameters=reply)).result
        await expect(page.locator(".reply")).to_contain_text("a calm sea")
        await expect(page.get_by_role("button", name="10 s")).to_be_disabled()
        await page.get_by_role("button", name="9:16").click()
        await page.wait_for_selector(".button.waiting")
        press = await pressed(bot)
        assert press["data"] == "r:9:16"
        await bot("answerCallbackQuery", callback_query_id=press["id"], text="Started")
        await expect(page.locator(".toast")).to_have_text("Started")
        await expect(page.locator(".button.waiting")).to_have_count(0)

        await bot("sendChatAction", chat_id=anna.id, action="record_video")
        await expect(page.locator("#chat-status")).to_contain_text("recording a video")
        place = {"chat_id": anna.id, "message_id": sent["message_id"]}
        await bot("editMessageText", **place, text="On its way")
        await expect(page.locator(f"#m-{sent['message_id']} .text")).to_have_text("On its way")
        await expect(page.locator(f"#m-{sent['message_id']} .meta")).to_contain_text("edited")

        clip = {"video": ("v.mp4", mp4(tmp_path)), "thumbnail": ("t.jpg", jpeg(213, 320))}
        told = {"width": 64, "height": 96, "duration": 1}
        await bot.upload("sendVideo", clip, chat_id=anna.id, caption="Here", **told)
        await expect(page.locator(".badge")).to_have_text("0:01")
        await page.locator(".play").click()
        await page.locator("video").evaluate(PLAYING)
        assert await page.evaluate("document.querySelector('video').videoHeight") == 96
        await bot("deleteMessage", **place)
        await expect(page.locator(f"#m-{sent['message_id']}")).to_have_count(0)
        # The clip went on playing while the list changed around it.
        assert not await page.evaluate("document.querySelector('video').paused")
        assert [m.get("text") or m["caption"] for m in anna.messages] == [
            "hi",
            "a calm sea",
            "Here",
        ]


async def test_replying_editing_deleting_and_commands() -> None:
    async with opened(DESK) as (page, _emulator, bot, anna):
        await bot("setMyCommands", commands=[{"command": "help", "description": "What I can do"}])
        await page.locator("#text").press_sequentially("/he")
        await expect(page.locator("#suggestions [role=option]")).to_contain_text("What I can do")
        await page.press("#text", "Enter")
        await expect(page.locator(".mine .text").last).to_have_text("/help")
        await page.locator(".message").last.hover()
        await page.locator(".more").last.click()
        await page.get_by_role("menuitem", name="Edit").click()
        await page.fill("#text", "a better question")
        await page.press("#text", "Enter")
        await expect(page.locator(".mine .text").last).to_have_text("a better question")
        kinds = [next(k for k in u if k != "update_id") for u in await bot.updates()]
        assert kinds == ["message", "edited_message"]
        await page.locator(".message").first.hover()
        await page.locator(".more").first.click()
        await page.get_by_role("menuitem", name="Reply").click()
        await page.fill("#text", "to the first")
        await page.press("#text", "Enter")
        await expect(page.locator(".reply")).to_contain_text("hi")
        assert anna.messages[-1]["reply_to_message"]["text"] == "hi"
        await page.locator(".more").first.click()
        await page.get_by_role("menuitem", name="Delete").click()
        await expect(page.locator(".message")).to_have_count(2)


async def test_the_page_speaks_the_persons_language_and_shows_alerts() -> None:
    async with opened(PHONE) as (page, _emulator, bot, anna):
        await page.click("#back")
        await page.get_by_role("button", name="RU").click()
        await expect(page.locator("#side-title")).to_have_text("Чаты")
        assert anna.user["language_code"] == "ru"
        await page.locator(".chat-item").click()
        await expect(page.locator("#text")).to_have_attribute("placeholder", "Сообщение")
        await bot("sendMessage", chat_id=anna.id, text="x", reply_markup=CARD)
        await page.get_by_role("button", name="9:16").click()
        await page.wait_for_selector(".button.waiting")
        query = (await pressed(bot))["id"]
        await bot(
            "answerCallbackQuery", callback_query_id=query, text="Осторожно", show_alert=True
        )
        await expect(page.locator("#alert-text")).to_have_text("Осторожно")
        await page.get_by_role("button", name="OK").click()
        await expect(page.locator("#alert")).to_be_hidden()


async def test_switches_groups_and_blocking_from_the_panel() -> None:
    async with opened(DESK) as (page, _emulator, bot, anna):
        await page.get_by_role("switch", name="Too many requests").click()
        await expect(page.locator("#open-panel")).to_have_class("pill warn")
        assert (await bot("sendMessage", chat_id=anna.id, text="x")).status == 429
        await page.get_by_role("switch", name="Too many requests").click()
        await expect(page.locator("#open-panel")).to_have_class("pill")
        assert (await bot("sendMessage", chat_id=anna.id, text="y")).status == 200
        await page.fill("#new-group", "Films")
        await page.press("#new-group", "Enter")
        await page.locator(".chat-item", has_text="Films").click()
        await page.fill("#text", "/video a boat")
        await page.press("#text", "Enter")
        await expect(page.locator(".mine .text")).to_have_text("/video a boat")
        assert (await bot.updates())[-1]["message"]["chat"]["title"] == "Films"
        await page.get_by_role("switch", name="Block the bot").click()
        await page.locator(".chat-item", has_text="Sandbox bot").click()
        await expect(page.locator("#unblock")).to_be_visible()
        assert (await bot("sendMessage", chat_id=anna.id, text="x")).status == 403
        await page.click("#unblock")
        await expect(page.locator("#text")).to_be_visible()


async def test_a_group_refuses_the_bot_from_the_panel() -> None:
    async with opened(DESK) as (page, emulator, bot, anna):
        group = emulator.add_group("Films", [anna], topics=["Talk"])
        post = {"chat_id": group.id, "text": "x", "message_thread_id": 2}
        await page.locator(".chat-item", has_text="Films").click()
        await page.get_by_role("switch", name="No messages").click()
        await expect(page.get_by_role("switch", name="No messages")).to_be_checked()
        assert (await bot("sendMessage", **post)).error.endswith("text messages to the chat")
        await page.get_by_role("switch", name="No messages").click()
        await expect(page.get_by_role("switch", name="No messages")).not_to_be_checked()
        await page.get_by_role("switch", name="Close the topics").click()
        await expect(page.get_by_role("switch", name="Close the topics")).to_be_checked()
        assert (await bot("sendMessage", **post)).error == "Bad Request: TOPIC_CLOSED"
        await page.get_by_role("switch", name="Close the topics").click()
        await expect(page.get_by_role("switch", name="Close the topics")).not_to_be_checked()
        await page.get_by_role("switch", name="Slow mode").click()
        await expect(page.get_by_role("switch", name="Slow mode")).to_be_checked()
        assert [(await bot("sendMessage", **post)).status for _ in range(2)] == [200, 429]
        await page.locator(".chat-item", has_text="Sandbox bot").click()
        await expect(page.get_by_role("switch", name="Slow mode")).to_have_count(0)


async def test_text_of_anybody_is_never_markup() -> None:
    async with opened(DESK) as (page, _emulator, bot, anna):
        evil = '<img src=x onerror="document.title=1">'
        await bot("sendMessage", chat_id=anna.id, text=evil)
        entities = [{"type": "text_link", "offset": 0, "length": 4, "url": "javascript:alert(1)"}]
        await bot("sendMessage", chat_id=anna.id, text="link", entities=entities)
        await expect(page.locator(".message .text").nth(1)).to_have_text(evil)
        await expect(page.locator(".message .text a")).to_have_count(1)
        assert await page.locator(".message .text a").get_attribute("href") is None
        assert await page.locator(".message .text img").count() == 0


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_typed_words_are_sent_as_a_voice_message_that_says_them(
    size: tuple[int, int],
) -> None:
    async with opened(size) as (page, emulator, bot, _anna):
        await page.fill("#text", "Рыжий кот бежит по снегу")
        await page.click("#attach")
        await page.get_by_role("menuitem").last.click()
        await expect(page.locator(".mine").last).to_contain_text("Voice message")
        await expect(page.locator("#text")).to_have_value("")
        voice = (await bot.updates())[-1]["message"]["voice"]
        assert voice["duration"] == 2
        stored = emulator.world.files.get(voice["file_id"])
        assert stored is not None
        assert hear("voice.ogg", stored.path.read_bytes()) == "Рыжий кот бежит по снегу"


async def test_a_switch_that_is_redrawn_while_it_is_pressed_is_switched() -> None:
    async with opened(DESK) as (page, emulator, _, anna):
        emulator.add_group("Films", [anna], topics=["Talk"])
        await page.locator(".chat-item", has_text="Films").click()
        switch = page.get_by_role("switch", name="Close the topics")
        await switch.hover()
        await page.mouse.down()
        emulator.add_person("Ben")
        await expect(page.locator("#person option", has_text="Ben")).to_have_count(1)
        await asyncio.sleep(0.3)
        await page.mouse.up()
        await expect(switch).to_be_checked()


async def test_an_old_state_that_comes_late_does_not_replace_a_newer_one() -> None:
    async with opened(DESK) as (page, emulator, _, anna):
        group = emulator.add_group("Films", [anna], topics=["Talk"])
        await page.locator(".chat-item", has_text="Films").click()
        switch = page.get_by_role("switch", name="Close the topics")
        await expect(switch).not_to_be_checked()
        late: list[Route] = []

        async def answer(route: Route) -> None:
            response = await route.fetch()
            if not late:
                late.append(route)
                await asyncio.sleep(1.0)
            await route.fulfill(response=response)

        await page.route("**/state*", answer)
        await switch.click()
        await until(lambda: late)
        await switch.click()
        await until(lambda: not group.closed_topics)
        await asyncio.sleep(1.5)
        await expect(switch).not_to_be_checked()


async def test_what_happens_before_the_page_listens_is_shown() -> None:
    async with opened(DESK) as (page, emulator, _, anna):

        async def connect(route: Route) -> None:
            emulator.add_group("Films", [anna])
            await route.continue_()

        await page.route("**/events*", connect, times=1)
        await page.reload()
        await expect(page.locator(".chat-item", has_text="Films")).to_be_visible()


async def test_what_happens_while_a_state_is_on_its_way_is_shown() -> None:
    async with opened(DESK) as (page, emulator, bot, anna):

        async def answer(route: Route) -> None:
            response = await route.fetch()
            await bot("sendMessage", chat_id=anna.id, text="meanwhile")
            await asyncio.sleep(0.5)  # its event arrives before the state
            await route.fulfill(response=response)

        await page.route("**/state*", answer, times=1)
        emulator.add_person("Ben")
        await expect(page.locator("#person option", has_text="Ben")).to_have_count(1)
        await expect(page.locator(".message .text").last).to_have_text("meanwhile")
