"""The sandbox and its page in headless Chromium: for the page's test and the README's pictures.

`python -m tests.pictures` draws docs/pictures anew.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.async_api import FilePayload, Page, ViewportSize, async_playwright, expect

from tests.stand import START_SECONDS, free_port

ROOT = Path(__file__).parents[1]
DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
MADE_SECONDS = 60.0


@asynccontextmanager
async def sandbox(*options: str) -> AsyncIterator[str]:
    """`bot sandbox` as a process; gives the address that it printed, and sees it end well."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bot", "sandbox", "--port", str(free_port()), *options),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(START_SECONDS):
                while "The sandbox is open" not in (
                    line := (await process.stdout.readline()).decode()
                ):
                    if not line and process.stdout.at_eof():
                        log.seek(0)
                        raise AssertionError(f"the sandbox ended at once:\n{log.read().decode()}")
            yield line.split()[-1]
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(START_SECONDS):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def browsing(address: str, size: ViewportSize, *, scale: float = 1) -> AsyncIterator[Page]:
    """The page, ready; afterwards it is known that nothing went wrong on it and that it asked
    nobody but the sandbox.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "Chromium is missing (Debian: apt-get install chromium)"
    wrong: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport=size, device_scale_factor=scale)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
        page.on(
            "request",
            lambda one: None if one.url.startswith((address, "blob:")) else wrong.append(one.url),
        )
        await page.goto(address)
        await page.wait_for_selector("body[data-ready]")
        yield page
        await browser.close()
    assert wrong == []


async def ask(page: Page, prompt: str, photo: bytes) -> None:
    """Attaches a photo, types the prompt, sends both, and waits for the card."""
    await page.get_by_role("button", name="Attach", exact=True).click()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("menuitem", name="Photo").click()
    await (await chooser.value).set_files(
        FilePayload(name="photo.jpg", mimeType="image/jpeg", buffer=photo)
    )
    await page.get_by_role("textbox", name="Message").fill(prompt)
    await page.get_by_role("button", name="Send", exact=True).click()
    card = page.get_by_role("log").get_by_role("button", name="16:9", exact=True)
    await expect(card).to_be_visible(timeout=20_000)


async def press(page: Page, ratio: str) -> None:
    """The order: a ratio below the card."""
    log = page.get_by_role("log")
    await log.get_by_role("button", name=ratio, exact=True).click()
    await expect(log.get_by_text("Accepted")).to_be_visible(timeout=20_000)


async def watch(page: Page) -> tuple[int, int]:
    """Plays the video as soon as it is there; its sides once it really moves."""
    await page.get_by_role("button", name="Play: Video").last.click(timeout=MADE_SECONDS * 1000)
    async with asyncio.timeout(MADE_SECONDS):
        width, height = await page.evaluate(
            """() => new Promise((resolve) => {
                const video = document.querySelector('video');
                const look = () => video.currentTime > 0.2
                    ? resolve([video.videoWidth, video.videoHeight]) : setTimeout(look, 50);
                look();
            })"""
        )
    return width, height


# --- the pictures of the README ------------------------------------------------------------------


def meadow() -> bytes:
    """A photo to begin with: hills under an evening sky, drawn here."""
    width, height, fine = 900, 1200, 2
    picture = Image.new("RGB", (width * fine, height * fine))
    draw = ImageDraw.Draw(picture)
    horizon = height * fine * 0.62
    for y in range(picture.height):
        share = min(y / horizon, 1.0)
        draw.line(
            [(0, y), (picture.width, y)],
            fill=(round(70 + 180 * share), round(110 + 75 * share), round(190 - 60 * share)),
        )
    draw.ellipse([520 * fine, 430 * fine, 690 * fine, 600 * fine], fill=(255, 236, 190))
    for number, colour in enumerate([(126, 120, 150), (88, 112, 120), (58, 96, 82), (34, 70, 52)]):
        top, swell = horizon + (number * 110 - 60) * fine, 90 * fine
        left = -(250 + 170 * number) * fine
        for step in range(4):
            start = left + step * 560 * fine
            draw.ellipse([start, top - swell, start + 800 * fine, top + 900 * fine], fill=colour)
    out = io.BytesIO()
    picture.resize((width, height), Image.Resampling.LANCZOS).save(out, "JPEG", quality=90)
    return out.getvalue()


async def draw(folder: Path) -> None:
    """sandbox.png: a video that came, on a desk; sandbox-phone.png: a card at a phone's width."""
    async with sandbox("--delay", "3") as address:
        tall = ViewportSize(width=DESK["width"], height=960)
        async with browsing(address, tall) as page:
            await ask(page, "The wind goes through the grass, the sun sets", meadow())
            await press(page, "9:16")
            assert await watch(page) == (480, 864)
            await page.mouse.move(1, 1)
            await page.wait_for_timeout(4000)  # the player's controls go
            await page.screenshot(path=folder / "sandbox.png")
        async with browsing(address, PHONE, scale=2) as page:
            await ask(page, "The sun sets, birds fly home", meadow())
            await (
                page.get_by_role("log")
                .get_by_role("listitem")
                .last.evaluate("one => one.scrollIntoView({block: 'end', behavior: 'instant'})")
            )
            await page.wait_for_timeout(1000)
            await page.screenshot(path=folder / "sandbox-phone.png")


if __name__ == "__main__":
    asyncio.run(draw(ROOT / "docs" / "pictures"))
