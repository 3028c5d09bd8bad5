"""Scenes from an idea over real HTTP; whatever a model answers, it is a list of scenes or None."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InputError
from bot.core.json_text import values_in
from bot.core.prompt import PROMPT_LIMIT
from bot.core.storyboard import MOST, SCENE_LIMIT, Scene
from bot.provider.storyteller import ANSWER_LIMIT, Storyteller, read_scenes
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.server import GptunnelEmulator
from tests.support.growth import SQUARE, growth


@pytest.fixture
async def provider() -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def storyteller(provider: GptunnelEmulator) -> AsyncIterator[Storyteller]:
    made = Storyteller.connect(provider.base_url, provider.api_key, "chatty")
    yield made
    await made.close()


def answering(content: str) -> Storyteller:
    body = json.dumps({"choices": [{"message": {"content": content}}]})
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=body))
    return Storyteller(httpx.AsyncClient(base_url="http://chat", transport=transport), "chatty")


def scenes(count: int = 3, **changes: Any) -> str:
    return json.dumps({"scenes": [{"scene": "a", "prompt": "b"} | changes] * count})


@pytest.mark.parametrize(
    ("lang", "begins"), [("en", "It begins: a cat."), ("ru", "Начало: a cat.")]
)
async def test_the_sandbox_tells_a_story_in_the_persons_language(
    provider: GptunnelEmulator, storyteller: Storyteller, lang: str, begins: str
) -> None:
    told = await storyteller.tell("a cat", lang)
    assert told is not None
    assert len(told) == 4
    assert told[0].text.startswith(begins)
    assert all(scene.prompt.startswith("a cat, ") for scene in told)
    [call] = provider.calls
    assert call.body["model"] == "chatty"
    assert call.body["messages"][-1] == {"role": "user", "content": "a cat"}
    assert f"in {'Russian' if lang == 'ru' else 'English'}" in call.body["messages"][0]["content"]


async def test_a_russian_idea_gets_english_prompts(storyteller: Storyteller) -> None:
    told = await storyteller.tell("рыжий кот бежит", "ru")
    assert told is not None
    assert told[0].prompt.startswith("ginger cat runs")


async def test_words_around_the_answer_do_not_matter() -> None:
    said = f"Sure! Here it is:\n```json\n{scenes(2)}\n```\nEnjoy."
    assert await answering(said).tell("x", "en") == [Scene("a", "b")] * 2


TWO = '{"scenes": [{"scene": "a", "prompt": "b"}, {"scene": "a", "prompt": "b"}]}'


@pytest.mark.parametrize(
    "said",
    [
        f"As asked [2 scenes], {{each}} short: {TWO}",
        f"{TWO} Done [2 scenes] {{:}}",
        f"Scenes [1, 2]:\n{TWO}",
        f"{TWO}\n{TWO}",
        TWO.replace("]}", ",]}"),
        TWO.replace('"}', '",\n}'),
        TWO.replace('{"scene":', '// one more, [so]\n{"scene":'),
        TWO.replace("},", "} /* the first, */,").replace("]}", ", // the last\n]}"),
        TWO.replace('"a"', '"a\n"'),
        TWO[len('{"scenes": ') : -1],
    ],
)
async def test_json_as_models_write_it_is_read(said: str) -> None:
    assert await answering(said).tell("x", "en") == [Scene("a", "b")] * 2


async def test_what_looks_like_a_comment_stays_in_a_text() -> None:
    said = scenes(2, scene='see http://a.b/c, "d" ,] /* e */ ,}').replace("]}", ",]}")
    told = await answering(said).tell("x", "en")
    assert told == [Scene('see http://a.b/c, "d" ,] /* e */ ,}', "b")] * 2


@pytest.mark.parametrize(
    "part", ["[", "{", '"', "/* ", ",", ",//", ", // x\n", '\\"', '"\\"', '{"', "[1,", "\\"]
)
def test_a_long_strange_answer_is_refused_in_linear_time(part: str) -> None:
    def read(size: int) -> None:
        assert list(values_in(f"{{{part * (size // len(part))}")) == []

    assert growth(read, 250_000) < SQUARE


async def test_texts_are_cleaned_like_prompts() -> None:
    said = scenes(2, scene=" <b>a\nb</b> ", prompt="A cat --ar 1:1\u202e runs")
    assert await answering(said).tell("x", "en") == [Scene("<b>a b</b>", "A cat runs")] * 2


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no",
        "[]",
        "{}",
        '{"scenes": "ab"}',
        '{"scenes": {"a": 1}}',
        '{"scenes": [1, 2]}',
        '{"scenes": [null, null]}',
        scenes(1),
        scenes(MOST + 1),
        scenes(2, scene=5),
        scenes(2, prompt=None),
        scenes(2, prompt="--ar 1:1"),
        scenes(2, scene="a" * (SCENE_LIMIT + 1)),
        scenes(2, prompt="a" * (PROMPT_LIMIT + 1)),
        scenes(2) + " " * ANSWER_LIMIT,
        "[" * 15_000 + "]" * 4_000,
    ],
)
async def test_a_strange_answer_is_none(said: str) -> None:
    assert await answering(said).tell("x", "en") is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="chat", act="reset_before"),
        Fault(on="chat", act="answer", status=500),
        Fault(on="chat", act="answer", body="<html>"),
        Fault(on="chat", act="truncate"),
    ],
)
async def test_a_lost_answer_is_none(
    provider: GptunnelEmulator, storyteller: Storyteller, fault: Fault
) -> None:
    provider.faults.add(fault)
    assert await storyteller.tell("a cat", "en") is None


async def test_a_late_answer_is_none(provider: GptunnelEmulator) -> None:
    provider.faults.add(Fault(on="chat", act="hang_before", delay=5))
    made = Storyteller.connect(provider.base_url, provider.api_key, "chatty")
    made._seconds = 0.05
    assert await made.tell("a cat", "en") is None
    await made.close()


@given(st.text(max_size=300) | st.from_regex(r'\{"scenes": ?\[.{0,80}\]\}'))
def test_any_text_is_scenes_or_a_known_error(said: str) -> None:
    try:
        found = read_scenes(said)
    except (InputError, ValueError, LookupError, TypeError, RecursionError):
        return
    assert 2 <= len(found) <= MOST
