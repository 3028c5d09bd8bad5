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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.async_api import (
    FilePayload,
    Locator,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.support.process_harness import START_SECONDS, free_port

ROOT = Path(__file__).parents[1]
DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
MADE_SECONDS = 60.0

Shown = Callable[[str], Awaitable[None]]
"""Keeps what is on the screen, under a name."""


async def nothing(_: str) -> None:
    """Keeps nothing."""


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


# --- what people do, at a phone's width ----------------------------------------------------------


def log(page: Page) -> Locator:
    """The messages of the open chat."""
    return page.get_by_role("log")


async def say(page: Page, words: str) -> None:
    """Types and sends."""
    await page.locator("#text").fill(words)
    await page.locator("#send").click()


async def attach(
    page: Page, *files: FilePayload, caption: str = "", as_file: bool = False
) -> None:
    """Sends pictures, several as an album, or files as they are."""
    await page.locator("#pick-file" if as_file else "#pick-photo").set_input_files(list(files))
    await say(page, caption)


async def tap(page: Page, words: str, *, below: str = "", then: str = "") -> None:
    """Presses the last button with these words, then waits for the words of `then`. `below`: words
    of the message that has the button, where an older message has the same one."""
    messages = log(page).get_by_role("listitem").filter(has_text=below)
    await messages.locator(".button", has_text=words).last.click()
    if then:
        await expect(log(page).get_by_text(then).last).to_be_visible(timeout=MADE_SECONDS * 1000)


async def go_to(page: Page, chat: str) -> None:
    """Another chat of this person."""
    await page.locator("#back").click()
    await page.locator("#chats").get_by_role("button").filter(has_text=chat).click()


async def become(page: Page, name: str) -> None:
    """Somebody else's page."""
    await page.locator("#back").click()
    async with page.expect_navigation():
        await page.locator("#person").select_option(label=name)
    await page.wait_for_selector("body[data-ready]")


async def add(page: Page, label: str, name: str) -> None:
    """A person or a group, by the sandbox's own panel."""
    await page.locator("#open-panel").click()
    await page.locator("#with-topics").check()
    await page.get_by_label(label, exact=True).fill(name)
    await page.get_by_label(label, exact=True).press("Enter")
    await page.locator("#close-panel").click()
    await expect(page.locator("#panel")).not_to_be_in_viewport()


async def in_a_group(page: Page, *, shown: Shown = nothing) -> None:
    """Two people and a forum: the bot answers in its topic, and one's buttons are one's own."""
    await add(page, "Name", "Boris")
    await expect(page.locator("#person")).to_contain_text("Boris")
    await add(page, "Name of the group", "Film club")
    await go_to(page, "Film club")
    await page.locator("#topic").select_option(label="Videos")
    await say(page, "Who has seen the new one?")
    await say(page, "@sandbox_video_bot a paper boat on a lake")
    await expect(log(page).locator(".button", has_text="16:9")).to_be_visible(timeout=20_000)
    await become(page, "Boris")
    await go_to(page, "Film club")
    await page.locator("#topic").select_option(label="Videos")
    await tap(page, "16:9")
    await expect(page.locator("#alert")).to_contain_text("another person")
    await shown("group-stranger")
    await page.locator("#alert button").click()
    await become(page, "Anna")
    await go_to(page, "Film club")
    await page.locator("#topic").select_option(label="Videos")
    async with _more_videos(page):
        await tap(page, "16:9")
    await shown("group")


async def inline(page: Page, *, shown: Shown = nothing) -> None:
    """One's own videos in any chat, by a few words."""
    await page.locator("#text").fill("@sandbox_video_bot paper")
    found = page.locator("#suggestions [role=option]").first
    await expect(found).to_contain_text("a paper boat on a lake", timeout=20_000)
    await shown("inline")
    await found.click()
    await expect(log(page).get_by_text("via @sandbox_video_bot")).to_be_visible(timeout=20_000)


async def albums(page: Page, *, shown: Shown = nothing) -> None:
    """Three photos in; two videos out, and the buttons of each below them."""
    photos = [picture(f"{number}.jpg", meadow()) for number in range(3)]
    await attach(page, *photos, caption="The grass sways in the wind")
    await expect(log(page).get_by_text("only this picture is used")).to_be_visible(timeout=20_000)
    await tap(page, "⚙️", then="Done")
    await tap(page, "×2", then="2 × 17")
    await tap(page, "9:16")
    await expect(log(page).get_by_text("Buttons of video 1 of 2")).to_be_visible(
        timeout=MADE_SECONDS * 1000
    )
    await tap(page, "2", then="Buttons of video 2 of 2")
    await shown("album")


async def pictures_first(page: Page, *, shown: Shown = nothing) -> None:
    """Four pictures from words, and the card of a video that starts with one of them."""
    await say(page, "Mountains under an evening sky")
    await tap(page, "🖼 Picture first", then="becomes the first frame of your video")
    await tap(page, "×4", then="4 × 6")
    await tap(page, "9:16")
    await expect(log(page).get_by_text("other buttons are those of picture 1 of 4")).to_be_visible(
        timeout=MADE_SECONDS * 1000
    )
    await shown("pictures")
    await tap(page, "🎬 2", then="The picture is the first frame.")
    await tap(page, "Cancel", then="Cancelled.")


async def pictures_in_russian(page: Page, *, shown: Shown = nothing) -> None:
    """A photo that is changed with words, in the other language."""
    await attach(page, picture("meadow.jpg", meadow()), caption="Трава колышется")
    await tap(
        page, "🖌 Изменить фото", below="Трава колышется",
        then="Напишите, что изменить в картинке.",
    )  # fmt: skip
    await say(page, "Пусть будет ночь")
    await expect(log(page).get_by_text("Картинка изменится по вашим словам")).to_be_visible(
        timeout=20_000
    )
    await tap(page, "×2", then="2 × 6")
    await tap(page, "9:16")
    await expect(log(page).get_by_text("Остальные кнопки – картинки 1 из 2")).to_be_visible(
        timeout=MADE_SECONDS * 1000
    )
    await shown("pictures-russian")
    await tap(page, "🎬 1", then="Картинка станет первым кадром.")


async def film(page: Page, *, shown: Shown = nothing) -> None:
    """An idea becomes a card of scenes; two scenes of one's own become one video."""
    await say(page, "/film an old lighthouse keeper finds a letter")
    await expect(log(page).get_by_text("Film of 4 parts")).to_be_visible(timeout=20_000)
    await shown("film-card")
    await tap(page, "Cancel")
    await say(page, "/film An old lighthouse keeper wakes up\nHe reads a letter at the window")
    await expect(log(page).get_by_text("Film of 2 parts")).to_be_visible(timeout=20_000)
    async with _more_videos(page, 3):  # two parts and the whole
        await tap(page, "16:9")
    await shown("film")


async def ideas(page: Page, *, shown: Shown = nothing) -> None:
    """A photo without words, in the other language: three suggestions, and a card after one.

    They come by themselves to somebody who has agreed that photos go to GPTunnel.
    """
    await tap(page, "Отменить", then="Отменено")  # or the photo joins these words
    await attach(page, picture("meadow.jpg", meadow()))
    choose = log(page).get_by_text("Выберите, что будет происходить")
    await expect(choose).to_be_visible(timeout=20_000)
    await shown("ideas")
    await log(page).locator(".button").filter(has_not_text="Отменить").nth(-4).click()
    await expect(log(page).get_by_text("Выберите формат").last).to_be_visible(timeout=20_000)


async def files(page: Page, *, shown: Shown = nothing) -> None:
    """An image as a file in, a video as a file out."""
    await attach(page, picture("meadow.jpg", meadow()), caption="Birds fly home", as_file=True)
    await expect(log(page).get_by_text("Birds fly home").last).to_be_visible()
    await expect(log(page).locator(".button", has_text="9:16")).to_be_visible(timeout=20_000)
    async with _more_videos(page):
        await tap(page, "9:16")
    await tap(page, "⋯ More", then="⋯ Less")
    await tap(page, "As a file")
    name = log(page).locator("a.file", has_text=".mp4")
    await expect(name).to_be_visible(timeout=20_000)
    await shown("files")


async def in_russian(page: Page, *, shown: Shown = nothing) -> None:
    """The client in another language, and the bot with it."""
    await page.locator("#back").click()
    await page.locator("[data-language=ru]").click()
    await expect(page.locator("#side-title")).to_have_text("Чаты")
    await page.locator("#chats").get_by_role("button").filter(has_text="Sandbox bot").click()
    await say(page, "Лодка плывёт по тихому озеру")
    await expect(log(page).get_by_text("Выберите формат").last).to_be_visible(timeout=20_000)
    await shown("russian")


FLOWS = (albums, pictures_first, film, files, in_a_group, inline, in_russian)
"""One after the other, by the same person."""


@asynccontextmanager
async def _more_videos(page: Page, number: int = 1) -> AsyncIterator[None]:
    videos = log(page).get_by_role("button", name="Play: Video")
    before = await videos.count()
    yield
    await expect(videos).to_have_count(before + number, timeout=number * MADE_SECONDS * 1000)


def picture(name: str, jpeg: bytes) -> FilePayload:
    """A file as the browser gives it away."""
    return FilePayload(name=name, mimeType="image/jpeg", buffer=jpeg)


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


async def keep(page: Page, path: Path) -> None:
    """Write what is shown at the end of the chat, with fewer colours."""
    await page.mouse.move(1, 1)
    await page.evaluate("document.getElementById('scroll').scrollTo(0, 1e9)")
    await page.wait_for_timeout(3000)  # what is said for a moment goes
    await page.screenshot(path=path)
    smaller = Image.open(path).convert("RGB").quantize(128)
    smaller.save(path, optimize=True)


async def draw(folder: Path) -> None:
    """sandbox.png: a video that came, on a desk; sandbox-phone.png: a card at a phone's width;
    sandbox-pictures.png, sandbox-film*.png: pictures and a film there; phone-*.png: what people
    do there.
    """
    async with sandbox("--delay", "3") as address, browsing(address, PHONE) as page:

        async def shown(name: str) -> None:
            await keep(page, folder / f"phone-{name}.png")

        for flow in FLOWS:
            await flow(page, shown=shown)
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

            async def kept(name: str) -> None:
                await keep(page, folder / f"sandbox-{name}.png")

            await pictures_first(page, shown=kept)
            await film(page, shown=kept)


if __name__ == "__main__":
    asyncio.run(draw(ROOT / "docs" / "pictures"))
