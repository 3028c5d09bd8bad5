"""One bot for all journeys that do not stop it: each has its own people and its own prompts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bot.sandbox.gptunnel.records import Mode
from bot.sandbox.gptunnel.records import Task as Job
from bot.sandbox.telegram.people import Person
from tests.support import canaries
from tests.support.media_files import clip, learnt
from tests.support.process_harness import ProcessHarness, open_process_harness, until

Json = dict[str, Any]
QUICK = 0.4
"""Seconds that a video takes here, and that the bot has learnt it to take."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session_harness(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ProcessHarness]:
    """A running bot that serves one journey after the other."""
    async with open_process_harness(
        tmp_path_factory.mktemp("harness"), delay=QUICK, renderer=clip
    ) as opened:
        await learnt(opened.database_url, QUICK)
        await opened.start(settings={"TASK_DEADLINE_SECONDS": "5"}, balance_gap=3.0)
        yield opened
        found = canaries.leaks_to_telegram(opened.telegram)
        found += canaries.leaks_to_provider(opened.provider)
        found += canaries.leaks_on_disk(opened.folder)
        async with aiohttp.ClientSession(opened.bots[0].http) as http:
            for path in ("/healthz", "/metrics"):
                async with http.get(path) as answer:
                    found += canaries.leaks(path, await answer.read())
        assert found == [], "a secret went where it must not go"
        assert not opened.bots[0].ended, "the bot ended on the way"


@pytest.fixture
def harness(session_harness: ProcessHarness) -> ProcessHarness:
    """The running bot between emulators that behave."""
    session_harness.provider.mode, session_harness.provider.delay = Mode.WELL, QUICK
    session_harness.provider.faults.clear()
    session_harness.telegram.faults.clear()
    return session_harness


# --- what people see -------------------------------------------------------------------------


def words(message: Json) -> str:
    """Text or caption."""
    return str(message.get("text") or message.get("caption") or "")


def buttons(message: Json) -> list[list[str]]:
    """The rows of buttons below a message."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [[button["text"] for button in row] for row in rows]


def answers(message: Json) -> Callable[[Json], bool]:
    """Return the texts that reply to this message, or follow it: commands are not quoted in
    private."""
    number = message["message_id"]
    is_command = message["chat"]["type"] == "private" and words(message).startswith("/")

    def replies(m: Json) -> bool:
        quoted = m.get("reply_to_message", {}).get("message_id")
        if quoted is None and is_command:
            return bool(m["from"]["is_bot"]) and int(m["message_id"]) > int(number)
        return bool(quoted == number)

    return replies


def has_button(text: str) -> Callable[[Json], bool]:
    """Messages below which there is this button."""
    return lambda m: any(text in row for row in buttons(m))


def is_video(message: Json) -> bool:
    """Whether the message is a video."""
    return "video" in message and message["from"]["is_bot"]


async def card_for(person: Person, message: Json) -> Json:
    """The card that answers this message."""
    mine = answers(message)
    return await person.expect(lambda m: mine(m) and has_button("16:9")(m))


async def order(person: Person, prompt: str, ratio: str = "16:9") -> tuple[Json, Json]:
    """Send a prompt and press; return the person's message and the pressed card."""
    asked = await person.send_text(prompt)
    card = await card_for(person, asked)
    await person.press(card, ratio)
    return asked, card


# --- records of the emulators ----------------------------------------------------------------


def jobs(harness: ProcessHarness, prompt: str) -> list[Job]:
    """The videos that the provider makes of this prompt, each of them paid."""
    return [job for job in harness.provider.tasks.values() if job.prompt == prompt]


async def the_job(harness: ProcessHarness, prompt: str) -> Job:
    """The one video of this prompt, as soon as it was ordered."""
    await until(lambda: jobs(harness, prompt))
    [job] = jobs(harness, prompt)
    return job


def creates(harness: ProcessHarness, prompt: str) -> list[Json]:
    """The bodies of all creates for this prompt, accepted or not."""
    calls = [call.body for call in harness.provider.calls if call.is_order]
    return [body for body in calls if body["prompt"] == prompt]


def sent_videos(harness: ProcessHarness, chat_id: int) -> int:
    """How many videos were uploaded to a chat."""
    return len(harness.telegram.calls_of("sendVideo", chat_id=chat_id))


async def written(harness: ProcessHarness, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return rows of the database, read without the bot."""

    def read() -> list[tuple[Any, ...]]:
        path = harness.database_url.partition(":///")[2]
        with closing(sqlite3.connect(path)) as database:
            return database.execute(query, values).fetchall()

    return await asyncio.to_thread(read)


async def until_written(
    harness: ProcessHarness, query: str, *values: object
) -> list[tuple[Any, ...]]:
    """Return the rows, as soon as there are any."""
    async with asyncio.timeout(20):
        while not (rows := await written(harness, query, *values)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return rows
