"""A card changes before it is ordered, for its owner alone; the price follows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot import texts
from bot.core import catalog, examples
from bot.provider.translator import Translator
from handlers.context import Offer
from tests.support.handler_harness import MODEL, Call, HandlerHarness, Person

NBSP = "\N{NO-BREAK SPACE}"


class FakeTranslator(Translator):
    """A chat model that knows what it is told here."""

    def __init__(self, **said: str) -> None:
        self.said = said

    async def translate(self, prompt: str) -> str | None:
        return self.said.get("translation")

    async def improve(self, prompt: str) -> str | None:
        return self.said.get("scene")


@pytest.fixture(autouse=True)
def offer(harness: HandlerHarness) -> Offer:
    offer = Offer(
        model=MODEL,
        photos_on=True,
        models=catalog.offered(MODEL.id),
        examples=examples.bundled(),
    )
    harness.dispatcher["offer"] = offer
    return offer


def knows(harness: HandlerHarness, **said: str) -> None:
    harness.dispatcher["offer"] = replace(
        harness.dispatcher["offer"], translator=FakeTranslator(**said)
    )


async def test_a_prompt_that_could_not_be_translated_says_so_on_its_card(
    harness: HandlerHarness, boris: Person
) -> None:
    note = "не удалось перевести"
    knows(harness)
    await harness.feed(**boris.text("Кот под дождём"))
    await harness.feed(**boris.text("A cat in the rain"))
    await harness.feed(**boris.text("Neon Tokyo"))
    failed, english, names = harness.telegram.sent
    assert note in failed.text
    assert note not in english.text + names.text

    knows(harness, translation="A cat in the rain")
    await harness.feed(**boris.text("Кот под дождём"))
    translated = harness.telegram.sent[-1]
    assert note not in translated.text
    own = next(data for row in translated.buttons for text, data in row if "как написано" in text)
    await harness.feed(**boris.press(own, translated.message_id))
    assert note not in harness.telegram.edits[-1].text  # that was their own choice


def texts_of(call: Call) -> list[list[str]]:
    return [[text for text, _ in row] for row in call.buttons]


def data_of(call: Call, text: str) -> str:
    [data] = [data for row in call.buttons for label, data in row if label == text]
    return data


def marked(call: Call) -> list[str]:
    rows = json.loads(call.params["reply_markup"])["inline_keyboard"]
    return [button["text"] for row in rows for button in row if button.get("style")]


def card_as_shown(call: Call) -> dict[str, Any]:
    """What a press carries of the message below which it was."""
    return {"text": "card", "reply_markup": json.loads(call.params["reply_markup"])}


# --- kind, quality, length -------------------------------------------------------------------


async def test_a_card_has_its_options_behind_one_button(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("A cat"))
    [card] = harness.telegram.sent
    assert texts_of(card) == [["1:1", "16:9", "9:16"], ["⚙️ 480p · 5 s"], ["Cancel"]]
    await harness.feed(**ann.press(data_of(card, "⚙️ 480p · 5 s")))
    [edit] = harness.telegram.edits
    assert texts_of(edit) == [
        ["1:1", "16:9", "9:16"],
        ["480p", "720p", "1080p"],
        ["5 s", "10 s"],
        ["×1", "×2", "×3"],
        ["Done"],
        ["Cancel"],
    ]
    assert marked(edit) == ["480p", "5 s", "×1"]
    await harness.feed(**ann.press(data_of(edit, "Done")))
    assert texts_of(harness.telegram.edits[-1]) == texts_of(card)


async def test_the_price_follows_the_chosen_options(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("o|1|1"))
    await harness.feed(**ann.press(data_of(harness.telegram.edits[-1], "720p")))
    edit = harness.telegram.edits[-1]
    assert f"Price: 41{NBSP}₽" in edit.text
    assert marked(edit) == ["720p", "5 s", "×1"]
    await harness.feed(**ann.press(data_of(edit, "10 s")))
    edit = harness.telegram.edits[-1]
    assert f"Price: 82{NBSP}₽" in edit.text
    assert (harness.task()["model"], harness.task()["price_kopecks"]) == (
        "seedance-1-lite-720P-10s", 8200,
    )  # fmt: skip
    await harness.feed(**ann.press("n|1|3"))
    edit = harness.telegram.edits[-1]
    assert f"Price: 3 × 82{NBSP}₽ = 246{NBSP}₽" in edit.text
    await harness.feed(**ann.press("r|1|16:9"))
    assert harness.rows("SELECT state, model, price_kopecks, aspect_ratio FROM tasks") == 3 * [
        ("queued", "seedance-1-lite-720P-10s", 8200, "16:9")
    ]
    assert "×3" in harness.telegram.edits[-1].text


async def test_the_ratio_that_is_first_stays_first(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.photo(caption="It waves"))
    [card] = harness.telegram.sent
    shown = {**card_as_shown(card), "photo": [
        {"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}]}  # fmt: skip
    await harness.feed(**ann.press("o|1|1", **shown))
    [edit] = harness.telegram.edits
    assert edit.name == "editMessageCaption"
    assert texts_of(edit)[0] == ["9:16", "1:1", "16:9"]
    assert "9:16" in marked(edit)


@pytest.mark.parametrize("data", ["o|1|1", "c|1|seedance-1-lite-720P-5s", "n|1|2", "w|1|1", "i|1"])
async def test_a_card_can_be_changed_only_by_its_owner_and_as_a_draft(
    harness: HandlerHarness, ann: Person, boris: Person, data: str
) -> None:
    knows(harness, scene="A scene")
    await harness.feed(**ann.text("A cat"))
    before = harness.task()
    await harness.feed(**boris.press(data, chat=ann.chat))
    assert harness.telegram.toasts == [texts.statuses.press_foreign("ru")]
    assert harness.task() == before
    await harness.feed(**ann.press("x|1"))
    edits = len(harness.telegram.edits)
    await harness.feed(**ann.press(data))
    assert "cancelled" in harness.telegram.toasts[-1]
    assert len(harness.telegram.edits) == edits
    assert harness.task()["revision"] == 0


@pytest.mark.parametrize("data", ["c|1|seedance-1-pro-480P-5s", "n|1|4", "n|1|0"])
async def test_a_model_not_on_offer_cannot_be_chosen(
    harness: HandlerHarness, ann: Person, data: str
) -> None:
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press(data))
    assert harness.task()["revision"] == 0
    assert harness.telegram.toasts == [texts.statuses.press_expired("en")]


# --- words -----------------------------------------------------------------------------------


async def test_a_translation_is_shown_with_the_original_and_sent(
    harness: HandlerHarness, boris: Person
) -> None:
    knows(harness, translation="A cat runs")
    await harness.feed(**boris.text("Кот бежит"))
    [card] = harness.telegram.sent
    assert card.text.startswith("A cat runs\n")
    assert "Вы писали:\nКот бежит" in card.text
    await harness.feed(**boris.press("r|1|1:1"))
    assert harness.task()["prompt"] == "A cat runs"


async def test_one_tap_sends_the_original_prompt(harness: HandlerHarness, boris: Person) -> None:
    knows(harness, translation="A cat runs")
    await harness.feed(**boris.text("Кот бежит"))
    await harness.feed(
        **boris.press(data_of(harness.telegram.sent[0], "✍️ Отправить как написано"))
    )
    [edit] = harness.telegram.edits
    assert edit.text.startswith("Кот бежит\n")
    assert "A cat runs" in edit.text
    assert harness.task()["prompt"] == "Кот бежит"
    await harness.feed(**boris.press(data_of(edit, "🌐 Отправить вариант бота")))
    assert harness.task()["prompt"] == "A cat runs"


async def test_a_caption_is_translated_too(harness: HandlerHarness, boris: Person) -> None:
    knows(harness, translation="It waves")
    await harness.feed(**boris.photo(caption="Машет"))
    assert (harness.task()["prompt"], harness.task()["original"]) == ("It waves", "Машет")


async def test_a_failed_translation_keeps_the_original(
    harness: HandlerHarness, boris: Person
) -> None:
    knows(harness)
    await harness.feed(**boris.text("Кот бежит"))
    [card] = harness.telegram.sent
    assert (card.text[0], card.reply_to) == ("🎬", 1)
    assert harness.task()["prompt"] == "Кот бежит"
    assert texts_of(card)[1:] == [["⚙️ 480p · 5 с", "✨ Улучшить"], ["Отменить"]]


async def test_a_few_words_become_a_scene_and_can_be_restored(
    harness: HandlerHarness, ann: Person
) -> None:
    knows(harness, scene="A ginger cat on a roof at dusk")
    await harness.feed(**ann.text("cat"))
    await harness.feed(**ann.press(data_of(harness.telegram.sent[0], "✨ Improve")))
    assert harness.telegram.toasts == [texts.cards.press_improving("en")]
    [edit] = harness.telegram.edits
    assert edit.text.startswith("A ginger cat on a roof at dusk\n")
    assert "You wrote:\ncat" in edit.text
    await harness.feed(**ann.press(data_of(edit, "✍️ Send as I wrote it")))
    assert harness.task()["prompt"] == "cat"


async def test_a_failed_scene_is_reported_and_the_card_stays(
    harness: HandlerHarness, ann: Person
) -> None:
    knows(harness)
    await harness.feed(**ann.text("cat"))
    await harness.feed(**ann.press("i|1"))
    assert "could not improve" in harness.telegram.sent[-1].text
    assert harness.task()["prompt"] == "cat"


async def test_long_words_and_their_translation_fit_below_a_photo(
    harness: HandlerHarness, boris: Person
) -> None:
    knows(harness, translation="word " * 150 + "end")
    await harness.feed(**boris.photo(caption="слово " * 130))
    assert len(harness.telegram.sent[0].text) <= 1024
    assert "end\n" in harness.telegram.sent[0].text


# --- defaults --------------------------------------------------------------------------------


async def test_a_persons_defaults_are_on_their_new_cards(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("/settings"))
    [shown] = harness.telegram.sent
    assert texts_of(shown) == [
        ["480p", "720p", "1080p"],
        ["5 s", "10 s"],
        ["1:1", "16:9", "9:16"],
        ["English", "Русский"],
    ]
    await harness.feed(**ann.press(data_of(shown, "1080p")))
    await harness.feed(**ann.press("sr|9:16"))
    edit = harness.telegram.edits[-1]
    assert "1080p" in edit.text
    assert "9:16" in edit.text
    assert marked(edit) == ["1080p", "5 s", "9:16", "English"]
    await harness.feed(**ann.text("A cat"))
    card = harness.telegram.sent[-1]
    assert f"88{NBSP}₽" in card.text
    assert texts_of(card)[0] == ["9:16", "1:1", "16:9"]
    for command in ("/start", "/help"):  # both name the model of the person's next card
        await harness.feed(**ann.text(command))
        assert f"1080p, 88{NBSP}₽" in harness.telegram.sent[-1].text.replace("5 seconds, ", "")
    await harness.feed(**ann.press(data_of(edit, "9:16")))
    assert harness.rows("SELECT ratio, model FROM users") == [(None, "seedance-1-lite-1080P-5s")]


async def test_a_default_no_longer_on_offer_is_replaced_by_the_bots(
    harness: HandlerHarness, ann: Person, offer: Offer
) -> None:
    await harness.feed(**ann.press("sm|seedance-1-lite-1080P-5s", 5))
    harness.dispatcher["offer"] = replace(offer, models=(MODEL,))
    await harness.feed(**ann.text("A cat"))
    assert harness.task()["model"] == MODEL.id


# --- scenes ----------------------------------------------------------------------------------


async def test_the_first_screen_leads_to_ready_scenes(
    harness: HandlerHarness, ann: Person
) -> None:
    await harness.feed(**ann.text("/start"))
    assert harness.telegram.sent[0].buttons == [[("✨ Examples", "e|0")]]
    await harness.feed(**ann.press("e|0"))
    scene = harness.telegram.sent[-1]
    assert scene.name == "sendPhoto"
    assert scene.text.startswith("✨ Fox at dawn · 1/17\n")
    assert list(scene.files.values()) == [examples.bundled()[0].picture]
    photo = [{"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}]
    await harness.feed(**ann.press(data_of(scene, "‹"), photo=photo))
    [edit] = harness.telegram.edits
    assert edit.name == "editMessageMedia"
    assert "17/17" in json.loads(edit.params["media"])["caption"]


async def test_a_chosen_scene_becomes_one_card(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.text("/examples"))
    press = ann.press(data_of(harness.telegram.sent[0], "🎬 Use this scene"))
    number = await harness.feed(**press)
    await harness.again(number, **press)
    assert harness.states() == ["draft"]
    card = harness.telegram.sent[-1]
    assert card.text.startswith(examples.bundled()[0].prompt)
    assert texts_of(card)[0] == ["16:9", "1:1", "9:16"]
    assert len(harness.telegram.sent) == 2
    await harness.feed(**ann.press("t|99"))
    assert harness.telegram.toasts[-1] == texts.statuses.press_expired("en")
    answer = {"message_id": card.message_id, "date": 0, "chat": ann.chat, "text": "card",
              "from": {"id": 42, "is_bot": True, "first_name": "V"}}  # fmt: skip
    await harness.feed(**ann.text("A wolf", reply_to_message=answer))
    assert harness.task()["prompt"] == "A wolf"


async def test_without_scenes_there_is_nothing_to_browse(
    harness: HandlerHarness, ann: Person, offer: Offer
) -> None:
    harness.dispatcher["offer"] = replace(offer, examples=())
    await harness.feed(**ann.text("/examples"))
    await harness.feed(**ann.text("/start"))
    assert "no examples here" in harness.telegram.sent[0].text
    assert harness.telegram.sent[1].buttons == []
