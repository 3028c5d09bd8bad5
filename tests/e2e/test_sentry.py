"""What reaches Sentry over the wire from a bot whose every error holds a secret."""

from __future__ import annotations

import gzip
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.e2e.test_start import OTHER_TOKEN, run
from tests.support.media_files import clip
from tests.support.process_harness import KEY, TOKEN, open_process_harness

pytestmark = pytest.mark.campaign

PUBLIC = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
PROMPT = "canary prompt of a person"
FAILING = """
import logging, os, sentry_sdk
from bot import __main__ as program, app

async def serve(settings):
    token = settings.bot_token.get_secret_value()
    url = f"{settings.telegram_api_url}/bot{token}/getMe"
    prompt = os.environ["PROMPT"]
    sentry_sdk.add_breadcrumb(message=url, category="http", data={"url": url, "said": prompt})
    sentry_sdk.set_user({"id": 1, "username": prompt})
    sentry_sdk.set_context("request", {"url": url})
    try:
        raise ConnectionError(f"Cannot connect to {url}", url, url.encode())
    except ConnectionError as exc:
        logging.getLogger("bot.telegram.client").error("no answer from %s", url, extra={"url": url})
        raise RuntimeError(f"after {url} with {settings.gptunnel_api_key.get_secret_value()}") from exc

app.serve = serve
raise SystemExit(program.main([]))
"""  # noqa: E501


@asynccontextmanager
async def sentry() -> AsyncIterator[tuple[str, list[str]]]:
    """The DSN of a server that keeps what it is sent: heads and bodies."""
    kept: list[str] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        kept.append(f"{request.raw_path}\n{request.headers}\n{body.decode()}")
        return web.json_response({})

    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/api/7/envelope/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://{PUBLIC}@127.0.0.1:{runner.addresses[0][1]}/7", kept
    finally:
        await runner.cleanup()


async def test_no_secret_and_no_message_is_sent_and_the_last_error_is(
    tmp_path: Path,
) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING, encoding="utf-8")
    async with open_process_harness(tmp_path, renderer=clip) as harness, sentry() as (dsn, kept):
        code, _, err = await run(harness, str(script), SENTRY_DSN=dsn, PROMPT=PROMPT)
    assert code == 1, err
    sent = "\n".join(kept)
    assert len(kept) == 2, sent
    assert "no answer from http://127.0.0.1" in sent
    assert "RuntimeError" in sent
    assert "ConnectionError" in sent
    for secret in (TOKEN, TOKEN.partition(":")[2], KEY, dsn, PROMPT):
        assert secret not in sent
        assert secret not in err
    for word in ('"breadcrumbs":{"values"', '"vars"', '"user"', "server_name"):
        assert word not in sent


async def test_a_refused_token_is_reported_before_the_program_ends(tmp_path: Path) -> None:
    async with open_process_harness(tmp_path, renderer=clip) as harness, sentry() as (dsn, kept):
        code, _, err = await run(harness, "-m", "bot", BOT_TOKEN=OTHER_TOKEN, SENTRY_DSN=dsn)
    assert code == 1, err
    [sent] = kept
    assert "cannot go on" in sent
    assert OTHER_TOKEN.partition(":")[2] not in sent
    assert sys.executable not in sent
