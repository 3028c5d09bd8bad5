"""aiogram with lazily built models behaves like aiogram itself, and unneeded modules are not
loaded.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

pytestmark = pytest.mark.campaign

MODULE = ("-m", "tests.runtime.lazy_aiogram_outcomes")


async def run(command: Sequence[str], **environment: str) -> bytes:
    """What a fresh Python says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, "LEAN": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return said


async def outcomes() -> tuple[dict[str, Any], dict[str, Any]]:
    deferred, plain = await asyncio.gather(run(MODULE), run(MODULE, LEAN="0"))
    return json.loads(deferred), json.loads(plain)


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """The outcomes with models built at first use, and as aiogram comes."""
    return asyncio.run(outcomes())


def test_the_installed_versions_are_known(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    deferred, plain = both
    assert deferred["lean"] is True
    assert plain["lean"] is False


@pytest.mark.parametrize(
    ("what", "at_least"), [("parsed", 80), ("serialized", 19), ("answered", 10), ("models", 590)]
)
def test_all_outcomes_are_the_same(
    both: tuple[dict[str, Any], dict[str, Any]], what: str, at_least: int
) -> None:
    deferred, plain = both
    assert len(plain[what]) >= at_least
    differing = [
        pair for pair in zip(deferred[what], plain[what], strict=True) if pair[0] != pair[1]
    ]
    assert not differing


def test_every_model_can_be_built(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert not [name for _, name, complete, _ in both[0]["models"] if not complete]


@pytest.mark.parametrize(
    "given",
    [
        "lazy_aiogram.KNOWN['aiogram'] = '2.25.'",
        "lazy_aiogram.KNOWN['pydantic'] = '3.0.'",
        "os.environ['LEAN'] = '0'",
        "sys.modules['aiogram'] = sys",
    ],
)
async def test_unknown_versions_are_not_touched(given: str) -> None:
    code = f"""
import os, sys
from pydantic import BaseModel
from bot.runtime import lazy_aiogram
before = dict(vars(BaseModel))
{given}
assert lazy_aiogram.import_aiogram() is False
assert "aiogram.types" not in sys.modules
assert dict(vars(BaseModel)) == before
"""
    await run(("-c", code))


async def test_after_a_surprise_aiogram_is_imported_normally() -> None:
    code = """
import logging, sys
from importlib import import_module
from pydantic import BaseModel
from bot.runtime import lazy_aiogram
logging.basicConfig(stream=sys.stdout, format="%(message)s")
before = dict(vars(BaseModel))
def surprising(name):
    module = import_module(name)
    if name == "aiogram.methods":
        del module.Response
    return module
lazy_aiogram.import_module = surprising
assert lazy_aiogram.import_aiogram() is False
assert not [name for name in sys.modules if name.startswith("aiogram")]
assert dict(vars(BaseModel)) == before
from aiogram.methods import SendMessage, Response
from aiogram.types import Chat, Message, Update
assert all(model.__pydantic_complete__ for model in (SendMessage, Chat, Message, Update))
assert Update.model_validate({"update_id": 1}).update_id == 1
"""
    said = (await run(("-c", code))).decode()
    assert "aiogram is imported without lazy models" in said
    assert "Response" in said


async def test_optional_modules_are_not_loaded() -> None:
    code = """
import sys
from bot import __main__ as program
def serve(settings):
    import bot.app
    print(*(name for name, module in sys.modules.items() if module))
    return 0
program._serve = serve
sys.exit(program.main([]))
"""
    said = await run(("-c", code), BOT_TOKEN="1:a", GPTUNNEL_API_KEY="k")
    loaded = set(said.decode().split())
    assert {"bot.app", "httpx", "structlog", "sqlalchemy"} <= loaded
    needless = {"sqlalchemy.orm", "alembic", "asyncpg", "sentry_sdk", "obstore", "PIL", "av"}
    assert not loaded & (needless | {"rich", "click", "pygments"})
