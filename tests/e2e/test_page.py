"""The first journey as a newcomer makes it: `bot sandbox`, a browser, and nothing but clicks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import ViewportSize, expect

from tests.pictures import (
    DESK,
    FLOWS,
    PHONE,
    ask,
    browsing,
    ideas,
    pictures_in_russian,
    press,
    sandbox,
    say,
    watch,
)
from tests.support.media_files import BLUE, GREEN, RED, flag, jpeg

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    """The sandbox's page."""
    async with sandbox("--delay", "0.5") as url:
        yield url


@pytest.mark.parametrize(
    "size",
    [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone", marks=pytest.mark.campaign)],
)
async def test_a_prompt_a_photo_and_a_press_become_a_portrait_video_that_plays(
    address: str, size: ViewportSize
) -> None:
    # What happens in between is as long on a phone as on a desk: there it is left out.
    prompt = "a curtain in the wind" if size is DESK else "a curtain on a phone, instant-test"
    async with browsing(address, size) as page:
        before = await page.get_by_role("button", name="Play: Video").count()
        photo = jpeg(flag((1200, 900), RED, GREEN, GREEN, BLUE))
        await ask(page, prompt, photo)
        await press(page, "9:16")
        log = page.get_by_role("log")
        await expect(log.get_by_role("button", name="Play: Video")).to_have_count(
            before + 1, timeout=60_000
        )
        assert await watch(page) == (480, 864)
        # As an answer to the prompt, after which nothing tells of waiting any more.
        video = log.get_by_role("listitem").last
        await expect(video.get_by_role("button").filter(has_text=prompt).first).to_be_visible()
        await expect(log.get_by_text("Accepted")).to_have_count(0)
        await expect(log.get_by_text("Making your video")).to_have_count(0)
        # Its first picture is the middle of the photo: the frame arrived, and was cut.
        colour = await page.evaluate(
            """() => {
                const video = document.querySelector('video');
                const canvas = document.createElement('canvas');
                canvas.width = canvas.height = 1;
                const context = canvas.getContext('2d');
                context.drawImage(video, 20, 100, 1, 1, 0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
            }"""
        )
        assert all(abs(a - b) < 40 for a, b in zip(colour, GREEN, strict=True)), colour
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"]


async def test_the_admin_sees_a_price_and_a_guest_what_is_left(address: str) -> None:
    async with browsing(address, DESK) as page:  # whoever visits first is the admin
        log = page.get_by_role("log")
        await say(page, "a boat for the admin")
        await expect(log.get_by_text("Price: 17").last).to_be_visible(timeout=60_000)
        guest = {"first_name": "Guest", "language_code": "en"}
        answer = await page.request.post(f"{address}/sandbox/people", data=guest)
        await page.goto(f"{address}/?person={(await answer.json())['id']}")
        await say(page, "a boat for a guest")
        await expect(log.get_by_text("20 of 20 left today")).to_be_visible(timeout=60_000)
        await expect(log.get_by_text("Price:")).to_have_count(0)


@pytest.mark.campaign
async def test_a_bot_without_an_admin_is_claimed_on_the_page() -> None:
    async with (
        sandbox("--claim", "--delay", "0.5") as url,
        browsing(url, DESK) as page,
    ):
        terminal = page.get_by_role("region", name="Terminal")
        await expect(terminal.get_by_text("?start=claim-")).to_be_visible(timeout=60_000)
        await say(page, "a cat")
        log = page.get_by_role("log")
        await expect(log.get_by_text("It has no admin yet")).to_be_visible(timeout=60_000)
        await terminal.get_by_role("button", name="Open the link").click()
        await expect(log.get_by_text("You are the admin of this bot now.")).to_be_visible(
            timeout=60_000
        )
        await log.get_by_role("button", name="🧮 Caps", exact=True).click()
        await expect(log.get_by_text("There are no caps")).to_be_visible(timeout=60_000)


@pytest.mark.campaign
async def test_groups_people_topics_albums_files_inline_mode_and_languages_at_a_phones_width(
    address: str,
) -> None:
    seen: list[str] = []
    async with browsing(address, PHONE) as page:

        async def shown(name: str) -> None:
            """Nothing is wider than the phone, and no call is shown as unanswered."""
            assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            wide = "[...document.querySelectorAll('.bubble, .button, [role=option]')]"
            assert (
                await page.evaluate(
                    f"{wide}.filter(one => one.getBoundingClientRect().right > innerWidth).length"
                )
                == 0
            )
            await expect(page.get_by_text("did not answer the press")).to_have_count(0)
            seen.append(name)

        for flow in FLOWS:
            await flow(page, shown=shown)
        await ideas(page, shown=shown)
        await pictures_in_russian(page, shown=shown)
        assert seen == [
            "album", "pictures", "film-card", "film", "files", "group-stranger", "group", "inline",
            "russian", "ideas", "pictures-russian",
        ]  # fmt: skip
        # Messages of one topic are not in the other.
        await page.locator("#back").click()
        await page.locator("#chats").get_by_role("button").filter(has_text="Film club").click()
        await page.locator("#topic").select_option(label="General")
        await expect(page.get_by_role("log").get_by_text("a paper boat")).to_have_count(0)
        await say(page, "Тихо тут")
        await expect(page.get_by_role("log").get_by_text("Тихо тут")).to_be_visible()
