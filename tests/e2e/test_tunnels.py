"""A photo's whole journey through a tunnel, with the program as a process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bot.sandbox.telegram.people import Person
from bot.texts import i18n
from tests.e2e.conftest import (
    Json,
    answers,
    card_for,
    creates,
    is_video,
    order,
    the_job,
    words,
    written,
)
from tests.e2e.test_commands import checked
from tests.support import cloudflared
from tests.support.media_files import GREEN, clip, flag, jpeg, learnt
from tests.support.process_harness import (
    KEY,
    TOKEN,
    BotProcess,
    ProcessHarness,
    free_port,
    open_process_harness,
    until,
)
from tests.support.ssh_service import SshService

pytestmark = pytest.mark.campaign

PATHS = ("/healthz", "/readyz", "/metrics", "/", "/telegram", "/frames/")


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    async with open_process_harness(tmp_path, delay=0.4, renderer=clip) as opened:
        await learnt(opened.database_url, 0.4)
        yield opened


@pytest_asyncio.fixture
async def service() -> AsyncIterator[SshService]:
    service = SshService(free_port())
    await service.start()
    yield service
    await service.kill()


@pytest.fixture
def program(tmp_path: Path) -> cloudflared.Cloudflared:
    return cloudflared.install(tmp_path / "bin")


def through(tunnel: str, **settings: str) -> dict[str, str]:
    return {
        "PUBLIC_URL": "", "PUBLIC_TUNNEL": tunnel, "ADMIN_HTTP_PORT": str(free_port()), **settings,
    }  # fmt: skip


def on_path(program: cloudflared.Cloudflared, **settings: str) -> dict[str, str]:
    return through("cloudflared", PATH=f"{program.folder}:{os.environ['PATH']}", **settings)


async def photo(person: Person, prompt: str) -> Json:
    """Order a video from a photo; return the person's message."""
    asked = await person.send_photo(jpeg(flag((900, 900), GREEN)), prompt)
    await person.press(await card_for(person, asked), "1:1")
    return asked


def link(harness: ProcessHarness, prompt: str) -> str:
    [body] = creates(harness, prompt)
    [found] = body["images"]
    return str(found)


async def status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def tunnel_state(settings: dict[str, str]) -> str:
    url = f"http://127.0.0.1:{settings['ADMIN_HTTP_PORT']}/healthz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return str((await answer.json())["tunnel"])


async def only_frames_are_reachable(
    bot: BotProcess, address: str, settings: dict[str, str]
) -> None:
    for origin in (address, bot.http):
        for path in PATHS:
            assert await status(origin + path) == 404, path
    for path in ("/healthz", "/readyz", "/metrics"):
        assert await status(f"http://127.0.0.1:{settings['ADMIN_HTTP_PORT']}{path}") == 200, path


def waiting_words(lang: str) -> str:
    return i18n.words(lang)("Your photo waits for its connection")


async def test_photos_go_through_an_ssh_service_that_dies_and_comes_back(
    harness: ProcessHarness, service: SshService
) -> None:
    settings = through(service.url)
    bot = await harness.start(settings=settings)
    assert "photos on" in bot.lines
    anna = harness.telegram.add_person("Anna", language_code="en")
    vera = harness.telegram.add_person("Vera", language_code="ru")
    await photo(anna, "a green hill")
    await anna.expect(is_video, within=60)
    first = service.addresses[-1]
    assert link(harness, "a green hill").startswith(f"{first}/frames/")
    job = await the_job(harness, "a green hill")
    assert job.made is not None
    assert job.made.image is not None
    await only_frames_are_reachable(bot, first, settings)
    assert "is pinned in" in bot.lines

    await service.kill()
    await until(lambda: "again in 1 s" in bot.lines)
    await photo(anna, "a green wave")
    await anna.expect(lambda m: waiting_words("en") in words(m), within=30)
    await photo(vera, "зелёная волна")
    await vera.expect(lambda m: waiting_words("ru") in words(m), within=30)
    await order(anna, "only words")  # does not wait
    await until(lambda: creates(harness, "only words"))
    assert ": open at" not in await tunnel_state(settings)
    assert creates(harness, "a green wave") == creates(harness, "зелёная волна") == []
    waiting = await written(
        harness, "SELECT state, attempts FROM tasks WHERE frame_file_id NOT NULL ORDER BY id"
    )
    assert waiting[1:] == [("queued", 0), ("queued", 0)]

    await service.start()
    for person, prompt in ((anna, "a green wave"), (vera, "зелёная волна")):
        await until(lambda prompt=prompt: creates(harness, prompt))  # type: ignore[misc]
        assert link(harness, prompt).startswith(f"{service.addresses[-1]}/frames/")
        await person.expect(is_video, within=60)
    assert service.addresses[-1] != first
    assert await tunnel_state(settings) == f"127.0.0.1: open at {service.addresses[-1]}"
    assert await bot.stop() == 0


async def test_photos_go_through_the_operators_own_host_to_its_public_url(
    harness: ProcessHarness, service: SshService
) -> None:
    service.prints, service.public = False, free_port()
    public = f"http://127.0.0.1:{service.public}"
    bot = await harness.start(settings=through(service.url, PUBLIC_URL=public))
    anna = harness.telegram.add_person("Anna", language_code="en")
    await photo(anna, "a green hill")
    await anna.expect(is_video, within=60)
    assert link(harness, "a green hill").startswith(f"{public}/frames/")
    assert service.asked == [("localhost", harness.http_port)]
    assert await bot.stop() == 0


async def test_photos_go_through_cloudflared_that_dies_and_comes_back(
    harness: ProcessHarness, program: cloudflared.Cloudflared
) -> None:
    settings = on_path(program, ADMINS="1")
    bot = await harness.start(settings=settings)
    anna = harness.telegram.add_person("Anna", language_code="en")
    await photo(anna, "a green hill")
    await anna.expect(is_video, within=60)
    first = link(harness, "a green hill").partition("/frames/")[0]
    await only_frames_are_reachable(bot, first, settings)

    program.refuse()
    os.kill(program.pid(), signal.SIGKILL)
    await photo(anna, "a green wave")
    await anna.expect(lambda m: waiting_words("en") in words(m), within=30)
    await until(lambda: "error code: 1015" in bot.lines)
    program.refuse(False)
    await anna.expect(is_video_of(anna, 2), within=60)
    assert not link(harness, "a green wave").startswith(first)
    given = str(program.runs[0]["environment"])
    assert TOKEN not in given
    assert KEY not in given

    told = await anna.send_text("/privacy")
    assert "Cloudflare, passes the picture on" in words(await anna.expect(answers(told)))
    assert await bot.stop() == 0
    assert not is_alive(program.pid())


def is_video_of(person: Person, number: int) -> Callable[[Json], bool]:
    """Whether the person has so many videos by now."""
    return lambda m: is_video(m) and sum(map(is_video, person.messages)) >= number


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_cloudflared_ends_with_a_bot_that_is_killed(
    harness: ProcessHarness, program: cloudflared.Cloudflared
) -> None:
    bot = await harness.start(settings=on_path(program))
    await until(lambda: "cloudflared: open at" in bot.lines)
    bot.kill()
    await bot.wait()
    await until(lambda: not is_alive(program.pid()))


async def test_a_start_without_the_program_fails_and_names_the_setting(
    harness: ProcessHarness, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    settings = through("cloudflared", PATH=str(tmp_path / "empty"))
    code, out, err = await harness.run(**settings)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("PUBLIC_TUNNEL: the program `cloudflared` is not on the PATH")


async def test_updates_come_by_webhook_through_the_tunnel_and_follow_its_address(
    harness: ProcessHarness, service: SshService
) -> None:
    harness.telegram.api.delivery.retry_delay = 0.05
    bot = await harness.start(settings=through(service.url, UPDATES="webhook"))
    webhook = harness.telegram.world
    await until(lambda: webhook.webhook.url)
    assert webhook.webhook.url == f"{service.addresses[-1]}/telegram"
    anna = harness.telegram.add_person("Anna", language_code="en")
    await photo(anna, "a green hill")
    await anna.expect(is_video, within=60)
    await service.kill()
    await until(lambda: "again in 1 s" in bot.lines)
    await service.start()
    await until(lambda: webhook.webhook.url == f"{service.addresses[-1]}/telegram")
    await photo(anna, "a green wave")
    await anna.expect(is_video_of(anna, 2), within=60)
    assert harness.telegram.calls_of("getUpdates") == []
    assert await bot.stop() == 0


async def test_check_opens_the_tunnel_or_asks_the_bot_that_has_it(
    harness: ProcessHarness, service: SshService, program: cloudflared.Cloudflared
) -> None:
    pins = harness.folder / "data" / "tunnel_known_hosts"
    code, lines = await checked(harness, **through(service.url))
    assert code == 0, lines
    assert lines["photos"] == (
        f"ok a file was fetched through the tunnel, 127.0.0.1: open at {service.addresses[-1]}"
    )
    assert not pins.exists()  # a check changes nothing

    settings = on_path(program)
    bot = await harness.start(settings=settings)
    await until(lambda: "cloudflared: open at" in bot.lines)
    code, lines = await checked(harness, **settings)
    assert code == 0, lines
    assert lines["photos"].startswith("ok cloudflared: open at http://127.0.0.1:")
    assert len(program.runs) == 1
    program.refuse()
    os.kill(program.pid(), signal.SIGKILL)
    await until(lambda: "error code: 1015" in bot.lines)
    code, lines = await checked(harness, **settings)
    assert code == 1
    assert "error code: 1015" in lines["photos"]
    assert await bot.stop() == 0
