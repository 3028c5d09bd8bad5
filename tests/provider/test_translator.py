"""Translation of prompts over real HTTP; its failures never fail an order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bot.core.chat_models import ChatModel
from bot.core.errors import ProviderBusy
from bot.provider.client import Gptunnel
from bot.provider.translator import Translator, bare, is_foreign, is_refusal, quoted_words
from bot.sandbox.faults import Fault
from bot.sandbox.gptunnel.server import GptunnelEmulator


@pytest.fixture
async def provider() -> AsyncIterator[GptunnelEmulator]:
    emulator = GptunnelEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def translator(provider: GptunnelEmulator) -> AsyncIterator[Translator]:
    made = Translator.connect(provider.base_url, provider.api_key, "chatty")
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("prompt", "foreign"),
    [
        ("рыжий кот бежит по снегу", True),
        ("un chat court dans la neige", True),
        ("eine Katze läuft", True),
        ("猫が雪の中を走る", True),
        ("고양이가 달린다", True),
        ("قطة تجري", True),
        ("A cat runs through the snow", False),
        ("A cat with a crème brûlée", False),
        ("一只猫在雪中奔跑", False),
        ("cat", False),
        ("Москва-style skyline over the river, people walking in the evening light", False),
        ("42 🎬", False),
    ],
)
def test_prompts_that_may_need_a_translation_are_recognised(prompt: str, foreign: bool) -> None:
    assert is_foreign(prompt) is foreign


async def test_russian_is_translated(provider: GptunnelEmulator, translator: Translator) -> None:
    assert await translator.translate("рыжий кот бежит") == "ginger cat runs"
    [call] = provider.calls
    assert call.name == "chat"
    assert call.body["model"] == "chatty"
    assert call.body["stream"] is False
    assert call.body["messages"][-1] == {"role": "user", "content": "рыжий кот бежит"}


async def test_english_and_chinese_cause_no_request(
    provider: GptunnelEmulator, translator: Translator
) -> None:
    assert await translator.translate("A cat runs through the snow") is None
    assert await translator.translate("一只猫在雪中奔跑") is None
    assert provider.calls == []


async def test_an_unchanged_answer_is_not_a_translation(translator: Translator) -> None:
    assert await translator.translate("red fox running") is None


async def test_a_few_words_become_a_scene(translator: Translator) -> None:
    scene = await translator.improve("кот")
    assert scene is not None
    assert scene.startswith("cat")
    assert len(scene) > len("cat, ")


def answering(status: int, body: str) -> Translator:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, text=body))
    return Translator(httpx.AsyncClient(base_url="http://chat", transport=transport), "chatty")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "{}"),
        (401, '{"error": {"message": "bad key"}}'),
        (200, "<html>"),
        (200, "[]"),
        (200, '{"choices": []}'),
        (200, '{"choices": ["A cat"]}'),
        (200, '{"choices": [{"message": {"content": null}}]}'),
        (200, '{"choices": [{"message": {"content": ["A cat"]}}]}'),
        (200, '{"choices": [{"message": {"content": "--ar 1:1"}}]}'),
        (200, '{"choices": [{"message": {"content": "%s"}}]}' % ("a" * 801)),
        (200, "[" * 100_000),
        (200, " " * 300_000),
    ],
)
async def test_an_unusable_answer_is_none(status: int, body: str) -> None:
    assert await answering(status, body).translate("кот бежит") is None


def saying(content: object, **choice: object) -> Translator:
    said = {"choices": [{"message": {"content": content}, **choice}]}
    return answering(200, json.dumps(said))


@pytest.mark.parametrize(
    "content",
    [
        "<think>The user wants a cat.\nIn English.</think>\n\nA cat runs",
        "<thinking>A cat</thinking>A cat runs",
        "The user wants a cat.\n</think>\n\nA cat runs",
        "<think></think>A cat runs",
        [{"type": "text", "text": "A cat runs"}],
        [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "A cat runs"}],
        [{"type": "text", "text": "A cat"}, {"type": "text", "text": " runs"}],
    ],
)
async def test_thoughts_and_parts_of_an_answer_are_no_words(content: object) -> None:
    assert await saying(content).translate("кот бежит") == "A cat runs"
    assert await saying(content, finish_reason="stop").translate("кот бежит") == "A cat runs"


@pytest.mark.parametrize(
    "content",
    [
        "```\nA cat runs\n```",
        "```text\nA cat runs\n```",
        "Here is the translation:\n\n```\nA cat runs\n```\nAnything else?",
        "```A cat runs```",
        "`A cat runs`",
        '"A cat runs"',
        "“A cat runs”",
        "«A cat runs»",
        "**A cat runs**",
        '**"A cat runs"**',
        "Sure! Here is the translation:\n\nA cat runs",
        "Sure, here's the translated prompt: A cat runs",
        "Here’s the scene:\nA cat runs",
        "Certainly!\n\nA cat runs",
        "Translation: A cat runs",
        "**Translation:** A cat runs",
        "A cat runs\n\nNote: the name was kept.",
        "A cat runs\n(Note: there is no name.)",
        "A&nbsp;cat&#32;runs",
    ],
)
async def test_what_a_model_puts_around_its_answer_is_left_out(content: str) -> None:
    assert await saying(content).translate("кот бежит") == "A cat runs"
    assert await saying(content).improve("cat") == "A cat runs"


@pytest.mark.parametrize(
    ("prompt", "said", "kept"),
    [
        ("«Кафе»", "«Кафе»", None),
        ("«Кафе» у моря, «Бар»", "«Кафе» by the sea, «Бар»", "«Кафе» by the sea, «Бар»"),
        ("Том & Джерри &amp; кот", "Tom & Jerry &amp; cat", "Tom & Jerry &amp; cat"),
        ("вывеска «A & B»", "a sign «A &amp; B»", "a sign «A & B»"),
        ("вот кот: он бежит", "Here is a cat: it runs", "Here is a cat: it runs"),
        ("слово `код` на экране", "the word `code` on screen", "the word `code` on screen"),
        ("я не могу остановиться", "I can't stop", "I can't stop"),
        ("конечно! и кот бежит", "Of course! And the cat runs", "Of course! And the cat runs"),
        ("вывеска «Добро пожаловать»", "a «Добро пожаловать» sign", "a «Добро пожаловать» sign"),
        ("закат 🌅", "🌅", "🌅"),
        ("текст «Привет»", "text 'Привет'", "text 'Привет'"),
        ("текст «Привет»", "text Привет", "text Привет"),
        ("слово 'ПРИВЕТ'", "word 'ПРИВЕТ'", "word 'ПРИВЕТ'"),
        ("слово 'ПРИВЕТ'", "word 'HELLO'", None),
        ("слово ‘ПРИВЕТ’", "word ‘HELLO’", None),
        ("слово ‹ПРИВЕТ›", "word HELLO", None),
        ("看板「こんにちは」の夜", "A sign “hello” at night", None),
        ("п'ять котів і м'яч", "Five cats and a ball", "Five cats and a ball"),
        ('экран 24" и кот 10" ростом', 'A 24" screen, a 10" cat', 'A 24" screen, a 10" cat'),
    ],
)
async def test_what_belongs_to_an_answer_stays(prompt: str, said: str, kept: str | None) -> None:
    assert await saying(said).translate(prompt) == kept


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, I can’t help with that.",
        "Sorry, I cannot translate this.",
        "I cannot translate this content.",
        "I am unable to provide this translation.",
        "As an AI language model, I must not.",
        "Извините, я не могу помочь с этим запросом.",
        "很抱歉，我无法协助完成您的请求。",
        "Рыжий кот бежит по белому снегу",
    ],
)
async def test_a_refusal_and_another_language_are_no_translation(said: str) -> None:
    assert await saying(said).translate("кот бежит по снегу") is None
    assert await saying(said).improve("cat") is None


@pytest.mark.parametrize(
    "begins", ["`" * 200_000, "a" + "\n" * 200_000 + "b", "I " * 100_000, "**" * 100_000]
)
def test_long_answers_are_read_quickly(begins: str) -> None:
    assert bare(begins, "кот") is not None
    assert not is_refusal(begins)


@pytest.mark.parametrize(
    ("content", "end"),
    [
        ("A cat ru", "length"),
        ("A cat", "content_filter"),
        ("<think>The user wants", "stop"),
        ([], "stop"),
        ([{"type": "text"}], "stop"),
        ({"text": "A cat"}, "stop"),
    ],
)
async def test_an_unfinished_answer_is_none(content: object, end: str) -> None:
    assert await saying(content, finish_reason=end).translate("кот бежит") is None


async def test_an_answer_is_cleaned_like_a_prompt() -> None:
    said = '{"choices": [{"message": {"content": " A cat\\nruns --ar 1:1 "}}]}'
    assert await answering(200, said).translate("кот бежит") == "A cat runs"


async def test_a_late_answer_is_none(provider: GptunnelEmulator) -> None:
    client = httpx.AsyncClient(base_url="http://127.0.0.1:9")  # nobody listens
    assert await Translator(client, "chatty").translate("кот бежит") is None
    await client.aclose()

    async def never(request: httpx.Request) -> httpx.Response:
        import asyncio

        await asyncio.Event().wait()
        raise AssertionError

    slow = httpx.AsyncClient(base_url="http://chat", transport=httpx.MockTransport(never))
    assert await Translator(slow, "chatty", translate_seconds=0.01).translate("кот бежит") is None


RUSSIAN = [  # a prompt, and what its translation keeps
    ("Маша и кот идут по улице", ["Masha", "cat"]),
    ("Кот Борис летит в небе над Казанью", ["Boris", "Kazan", "Cat"]),
    ("вывеска «Добро пожаловать» у моря", ["«Добро пожаловать»", "sea"]),
    ('на экране слово "ПРИВЕТ", ночь', ['"ПРИВЕТ"', "night"]),
    ("плакат “Сдаётся дом”, дождь", ["“Сдаётся дом”", "rain"]),
    ("крупный план: собака бежит по снегу", ["close-up", "dog", "snow"]),
    ("замедленная съёмка, волны в море", ["slow motion", "waves"]),
    ("съёмка с дрона, лес на рассвете, 4K", ["drone shot", "forest", "4K"]),
    ("наезд камеры на старый город, 1920 год", ["dolly in", "old", "city", "1920"]),
    ("Надпись «Кафе Пушкинъ», наезд камеры, Анна идёт", ["«Кафе Пушкинъ»", "dolly in", "Anna"]),
]


@pytest.mark.parametrize(("prompt", "kept"), RUSSIAN)
async def test_a_translation_keeps_names_quoted_words_and_the_camera(
    provider: GptunnelEmulator, translator: Translator, prompt: str, kept: list[str]
) -> None:
    said = await translator.translate(prompt)
    assert said is not None
    assert all(words in said for words in kept), said
    rest = said
    for words in quoted_words(prompt):
        rest = rest.replace(words, "")
    assert not any("а" <= char <= "я" for char in rest.lower()), said
    [call] = provider.calls
    task = call.body["messages"][0]["content"]
    assert all(asked in task for asked in ("names", "quotation marks", "camera", "numbers"))


async def test_a_translation_that_lost_quoted_words_is_not_used() -> None:
    said = '{"choices": [{"message": {"content": "A sign “Welcome” by the sea"}}]}'
    assert await answering(200, said).translate("вывеска «Добро пожаловать» у моря") is None


async def test_the_list_of_chat_models_has_their_prices(provider: GptunnelEmulator) -> None:
    client = Gptunnel.connect(provider.base_url, provider.api_key)
    assert ChatModel("gpt-4o-mini", Decimal("0.12"), Decimal("0.48")) in await client.chat_models()
    provider.faults.add(
        Fault(on="chat_models", act="answer", body={"data": [{"id": "x"}, {"id": 5}, "y"]})
    )
    assert await client.chat_models() == [ChatModel("x")]
    bodies: list[Any] = [
        {"data": None},
        {"data": []},
        {"data": [{"name": "x"}]},
        [],
        {"error": {"message": "bad key"}},
    ]
    for body in bodies:
        provider.faults.clear()
        provider.faults.add(Fault(on="chat_models", act="answer", body=body))
        with pytest.raises(ProviderBusy):
            await client.chat_models()
    await client.close()
