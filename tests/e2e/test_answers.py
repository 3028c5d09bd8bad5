"""Answers to commands, and to content from which no video can be made."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PIL import Image

from bot import texts
from bot.core.catalog import CATALOG
from bot.core.prompt import PROMPT_LIMIT
from bot.core.task import Problem
from bot.sandbox.telegram.people import Person
from bot.settings import Settings
from tests.e2e.conftest import Json, answers, buttons, words
from tests.support.media_files import GREEN, MODEL, flag, jpeg, png
from tests.support.process_harness import ProcessHarness, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

Send = Callable[[Person], Awaitable[Json]]

RETENTION_DAYS: int = Settings.model_fields["retention_days"].default


async def answer_to(person: Person, send: Send) -> Json:
    return await person.expect(answers(await send(person)))


# --- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_commands_are_answered_in_the_persons_language(
    harness: ProcessHarness, lang: str
) -> None:
    person = harness.telegram.add_person("Vera", language_code=lang)
    model = CATALOG[MODEL]
    wanted = {
        "/start": texts.commands.start(lang, model, photos_on=True),
        "/help": texts.commands.help(lang, model, photos_on=True),
        "/privacy": texts.privacy.privacy(lang, RETENTION_DAYS),
        "/cancel": texts.statuses.nothing_to_cancel(lang),
        "/nonsense": texts.commands.unknown_command(lang),
        "/language": texts.commands.choose_language(),
    }
    for command, text in wanted.items():
        reply = await answer_to(person, lambda p, c=command: p.send_text(c))  # type: ignore[misc]
        assert words(reply) == text.render()[0], command


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_the_menu_has_the_commands_in_the_persons_language(
    harness: ProcessHarness, lang: str
) -> None:
    person = harness.telegram.add_person("Vera", language_code=lang)
    await answer_to(person, lambda p: p.send_text("/start"))
    menu = [(one["command"], one["description"]) for one in person.commands()]
    assert menu == texts.commands.commands(lang)
    assert [name for name, _ in menu] == [
        "start", "help", "video", "film", "examples", "history", "settings", "cancel", "language",
        "privacy", "delete_me",
    ]  # fmt: skip


async def test_a_chosen_language_stays(harness: ProcessHarness) -> None:
    person = harness.telegram.add_person("Vera", language_code="de")
    asked = await answer_to(person, lambda p: p.send_text("/language"))
    assert buttons(asked) == [["English", "Русский"]]
    pressed = await person.press(asked, "Русский")
    assert (await person.answer_to(pressed))["text"] == texts.commands.language_set("ru").render()[
        0
    ]
    reply = await answer_to(person, lambda p: p.send_text("/privacy"))
    assert words(reply) == texts.privacy.privacy("ru", RETENTION_DAYS).render()[0]


async def test_the_menu_follows_the_chosen_language_and_back(harness: ProcessHarness) -> None:
    person = harness.telegram.add_person("Vera", language_code="en")
    asked = await answer_to(person, lambda p: p.send_text("/language"))

    def menu() -> list[tuple[str, str]]:
        return [(one["command"], one["description"]) for one in person.commands()]

    await person.press(asked, "Русский")
    await until(lambda: menu() == texts.commands.commands("ru"))
    asked = await answer_to(person, lambda p: p.send_text("/language"))
    await person.press(asked, "English")
    await until(lambda: menu() == texts.commands.commands("en"))
    # What was chosen goes with everything else.
    asked = await answer_to(person, lambda p: p.send_text("/language"))
    await person.press(asked, "Русский")
    await until(lambda: menu() == texts.commands.commands("ru"))
    asked = await answer_to(person, lambda p: p.send_text("/delete_me"))
    await person.press(asked, "Удалить всё")
    await until(lambda: menu() == texts.commands.commands("en"))


async def test_the_first_message_in_a_group_explains_how_to_order(harness: ProcessHarness) -> None:
    person = harness.telegram.add_person("Vera", language_code="en")
    group = harness.telegram.add_group("Film club", [person])
    asked = await person.send_text("/start", chat=group)
    reply = await person.expect(answers(asked), chat=group)
    assert (
        words(reply)
        == texts.commands.start("en", CATALOG[MODEL], photos_on=True, in_group=True).render()[0]
    )


# --- bad input -----------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG of a few bytes that claims 30 000 × 30 000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def photo(size: tuple[int, int], caption: str = "a cat") -> Send:
    return lambda p: p.send_photo(jpeg(flag(size, GREEN)), caption)


def file(content: bytes, name: str, mime_type: str) -> Send:
    return lambda p: p.send_document(content, name, mime_type, "a cat")


def sides(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height, "minimum": 64}


BAD: list[tuple[str, Send, Problem, dict[str, Any]]] = [
    ("only switches", lambda p: p.send_text("--ar 16:9"), Problem.EMPTY_PROMPT, {}),
    ("invisible", lambda p: p.send_text("\u200b\u2060"), Problem.EMPTY_PROMPT, {}),
    (
        "over the limit",
        lambda p: p.send_text("x" * (PROMPT_LIMIT + 1)),
        Problem.PROMPT_TOO_LONG,
        {"length": PROMPT_LIMIT + 1, "limit": PROMPT_LIMIT},
    ),
    ("sticker", lambda p: p.send_sticker(), Problem.UNSUPPORTED_MESSAGE, {}),
    ("voice", lambda p: p.send_voice(), Problem.UNSUPPORTED_MESSAGE, {}),
    ("a text file", file(b"just words", "a.txt", "text/plain"), Problem.NOT_AN_IMAGE, {}),
    ("no image inside", file(b"just words", "a.jpg", "image/jpeg"), Problem.NOT_AN_IMAGE, {}),
    (
        "half an image",
        file(png(Image.effect_noise((600, 600), 90))[:20_000], "a.png", "image/png"),
        Problem.NOT_AN_IMAGE,
        {},
    ),
    ("21 MB", file(bytes(21 << 20), "a.png", "image/png"), Problem.FILE_TOO_BIG, {}),
    ("a bomb", file(bomb(), "a.png", "image/png"), Problem.IMAGE_BOMB, {}),
    ("tiny photo", photo((640, 60)), Problem.IMAGE_SIDES, sides(640, 60)),
    (
        "tiny file",
        file(png(Image.new("L", (60, 60))), "a.png", "image/png"),
        Problem.IMAGE_SIDES,
        sides(60, 60),
    ),
    (
        "long caption",
        photo((800, 800), "y" * (PROMPT_LIMIT + 5)),
        Problem.PROMPT_TOO_LONG,
        {"length": PROMPT_LIMIT + 5, "limit": PROMPT_LIMIT},
    ),
]


@pytest.mark.parametrize(
    ("send", "problem", "details"),
    [pytest.param(send, problem, details, id=name) for name, send, problem, details in BAD],
)
async def test_unusable_input_is_answered_with_the_problem_and_a_remedy(
    harness: ProcessHarness, send: Send, problem: Problem, details: dict[str, Any]
) -> None:
    async def told(lang: str) -> str:
        person = harness.telegram.add_person("Vera", language_code=lang)
        reply = await answer_to(person, send)
        assert buttons(reply) == []
        return words(reply)

    english, russian = await asyncio.gather(told("en"), told("ru"))
    assert english == texts.failures.problem("en", problem, details).render()[0]
    assert russian == texts.failures.problem("ru", problem, details).render()[0]


async def test_bad_input_leaves_nothing_to_order(harness: ProcessHarness) -> None:
    person = harness.telegram.add_person("Vera", language_code="en")
    await answer_to(person, photo((640, 60)))
    await answer_to(person, lambda p: p.send_sticker())
    reply = await answer_to(person, lambda p: p.send_text("/cancel"))
    assert words(reply) == texts.statuses.nothing_to_cancel("en").render()[0]
