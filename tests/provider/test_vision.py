"""Suggestions for a photo over real HTTP: only usable answers are used, and no photo leaks."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image

from bot.core.suggestions import LABEL_LIMIT
from bot.media import frames
from bot.provider.vision import PICTURE_LIMIT, Viewer, read
from bot.sandbox.gptunnel.server import GptunnelEmulator
from tests.support.handler_harness import jpeg

THREE = [{"label": f"Label {n}", "prompt": f"Prompt {n}"} for n in range(3)]


@pytest.fixture
async def provider() -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


def answering(status: int, words: object) -> Viewer:
    body = {"choices": [{"message": {"content": words}}]}
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=body))
    return Viewer(httpx.AsyncClient(base_url="http://chat", transport=transport), "seeing")


@pytest.mark.parametrize(
    ("lang", "first"), [("ru", "Поднимается лёгкий ветер"), ("en", "A light")]
)
async def test_a_photo_gets_three_suggestions_in_the_language_of_the_person(
    provider: GptunnelEmulator, lang: str, first: str
) -> None:
    viewer = Viewer.connect(provider.base_url, provider.api_key, "seeing")
    small = await frames.make_glance(jpeg(3000, 2000))
    found = await viewer.suggest(small, lang)
    await viewer.close()
    assert found is not None
    assert len(found) == 3
    assert found[0].label.startswith(first)
    assert all(one.prompt.isascii() for one in found)
    [call] = provider.calls
    [part] = call.body["messages"][-1]["content"]
    kind, _, content = part["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as sent:
        assert max(sent.size) == 512


async def test_a_glance_is_small_upright_and_has_no_metadata() -> None:
    noise = Image.effect_noise((2400, 1600), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "Maker"
    file = io.BytesIO()
    noise.save(file, "JPEG", exif=exif)
    small = await frames.make_glance(file.getvalue())
    assert len(small) < PICTURE_LIMIT
    with Image.open(io.BytesIO(small)) as seen:
        assert seen.size == (341, 512)
        assert not seen.getexif()
    assert b"Maker" not in small


@pytest.mark.parametrize(
    "said",
    [
        json.dumps(THREE),
        f"Here you are:\n```json\n{json.dumps(THREE)}\n```",
        json.dumps({"suggestions": THREE}),
        json.dumps([{"label": 5, "prompt": "x"}, "x", *THREE, *THREE]),
        json.dumps([THREE[0], {"label": "Another", "prompt": "Prompt 0"}, *THREE[1:]]),
        json.dumps({"photo": "a cat", "suggestions": THREE}),
        f"For photo [1]: {json.dumps(THREE)} [end]",
        json.dumps(THREE).replace("}]", "},]"),
        json.dumps(THREE).replace("}, {", ",}, // next\n{"),
    ],
)
def test_usual_forms_of_an_answer_are_read(said: str) -> None:
    found = read(said)
    assert found is not None
    assert [(one.label, one.prompt) for one in found] == [
        (f"Label {n}", f"Prompt {n}") for n in range(3)
    ]


@pytest.mark.parametrize(
    "said",
    [
        "", "I cannot help with that.", "[]", "[1, 2, 3]", "]" + "[" * 9, "[" * 100_000 + "]",
        json.dumps(THREE[:2]), json.dumps([THREE[0]] * 3), json.dumps({"label": "x"}),
        json.dumps([{"label": "--ar 1:1", "prompt": "x"}, *THREE[:2]]),
        json.dumps([{"label": "x", "prompt": "y" * 801}, *THREE[:2]]),
        json.dumps([{"label": str(n), "prompt": "the same"} for n in range(3)]),
    ],
)  # fmt: skip
def test_strange_answers_are_none(said: str) -> None:
    assert read(said) is None


def test_labels_and_prompts_are_cleaned_and_fit() -> None:
    strange = {"label": f"\u202e--ar 1:1 {'long ' * 30}", "prompt": "Wave\u0000s --seed 5\nroll"}
    found = read(json.dumps([strange, *THREE[:2]]))
    assert found is not None
    assert len(found[0].label) <= LABEL_LIMIT
    assert found[0].label.startswith("long")
    assert found[0].label.endswith("…")
    assert found[0].prompt == "Waves roll"


@pytest.mark.parametrize(("status", "words"), [(500, "x"), (401, "x"), (200, "no"), (200, None)])
async def test_a_refusal_is_none(status: int, words: object) -> None:
    assert await answering(status, words).suggest(jpeg(64, 64), "en") is None


async def test_a_late_answer_is_none() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = httpx.AsyncClient(base_url="http://chat", transport=httpx.MockTransport(never))
    assert await Viewer(client, "seeing", seconds=0.01).suggest(jpeg(64, 64), "en") is None


async def test_a_large_picture_is_not_sent(provider: GptunnelEmulator) -> None:
    viewer = Viewer.connect(provider.base_url, provider.api_key, "seeing")
    assert await viewer.suggest(b"\xff" * (PICTURE_LIMIT + 1), "en") is None
    await viewer.close()
    assert provider.calls == []


async def test_neither_photo_nor_words_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    picture = jpeg(64, 64)
    assert await answering(200, "a private thing").suggest(picture, "en") is None
    assert "a private thing" not in caplog.text
    assert base64.b64encode(picture).decode()[:40] not in caplog.text


async def test_the_sandbox_refuses_what_is_no_picture(provider: GptunnelEmulator) -> None:
    async with httpx.AsyncClient(headers={"Authorization": provider.api_key}) as client:
        for url in (
            "https://example.org/a.jpg",
            "data:image/jpeg;base64,AAAA",
            "data:image/png;base64,%",
        ):
            part = {"type": "image_url", "image_url": {"url": url}}
            answer = await client.post(
                f"{provider.base_url}/chat/completions",
                json={"model": "m", "messages": [{"role": "user", "content": [part]}]},
            )
            assert answer.status_code == 400, url
