"""A photo without words: suggestions as buttons, only after consent, and never an order."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from PIL import Image

from bot.core.suggestions import Suggestion
from tests.support.handler_harness import NOON, Call, HandlerHarness, Person

IDEAS = (
    Suggestion("Начинается снег", "Snow begins to fall, wide shot"),
    Suggestion("Все танцуют", "Everybody dances, the camera circles"),
    Suggestion("Дует ветер", "The wind blows, slow push in"),
)


class FakeViewer:
    """Gives these answers in turn, and the last one from then on."""

    def __init__(self, *answers: tuple[Suggestion, ...] | None) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[bytes, str]] = []

    async def suggest(self, jpeg: bytes, lang: str) -> tuple[Suggestion, ...] | None:
        self.seen.append((jpeg, lang))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def sees(harness: HandlerHarness, *answers: tuple[Suggestion, ...] | None) -> FakeViewer:
    viewer = FakeViewer(*answers)
    harness.dispatcher["offer"] = replace(harness.dispatcher["offer"], viewer=viewer)
    return viewer


async def agrees(harness: HandlerHarness, person: Person) -> None:
    user_id = person.user["id"]
    assert isinstance(user_id, int)
    await harness.storage.privacy.consent(user_id, NOON)


def labels(call: Call) -> list[str]:
    return [text for row in call.buttons for text, _ in row]


async def test_without_a_model_everything_is_as_it_was(
    harness: HandlerHarness, boris: Person
) -> None:
    await harness.feed(**boris.photo())
    [ask] = harness.telegram.sent
    assert labels(ask) == ["Отменить"]
    assert harness.telegram.edits == []


async def test_nothing_goes_out_before_the_person_agreed(
    harness: HandlerHarness, boris: Person
) -> None:
    viewer = sees(harness, IDEAS)
    await harness.feed(**boris.photo())
    [ask] = harness.telegram.sent
    assert "уйдёт видеосервису GPTunnel" in ask.text
    assert labels(ask) == ["💡 Идеи для этого фото", "Отменить"]
    assert viewer.seen == []
    assert not await harness.storage.privacy.consented(8)

    await harness.feed(**boris.press("ia|1"))
    assert await harness.storage.privacy.consented(8)
    [(seen, lang)] = viewer.seen
    assert lang == "ru"
    with Image.open(io.BytesIO(seen)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (288, 512))
    [edit] = harness.telegram.edits
    assert edit.params["message_id"] == str(ask.message_id)
    assert labels(edit) == [*(one.label for one in IDEAS), "✍️ Написать своё", "Отменить"]
    assert harness.states() == ["draft"]
    assert harness.task()["prompt"] is None


async def test_after_consent_suggestions_come_by_themselves(
    harness: HandlerHarness, boris: Person
) -> None:
    sees(harness, IDEAS)
    await agrees(harness, boris)
    await harness.feed(**boris.photo())
    [ask] = harness.telegram.sent
    assert "соглашаетесь" not in ask.text
    [edit] = harness.telegram.edits
    assert edit.params["message_id"] == str(ask.message_id)
    assert IDEAS[0].label in labels(edit)


async def test_a_choice_opens_the_usual_card_and_orders_nothing(
    harness: HandlerHarness, boris: Person
) -> None:
    sees(harness, IDEAS)
    await agrees(harness, boris)
    await harness.feed(**boris.photo())
    press = boris.press("it|1|1")
    number = await harness.feed(**press)
    card = harness.telegram.sent[-1]
    assert card.name == "sendPhoto"
    assert card.text.startswith(IDEAS[1].prompt)
    assert IDEAS[1].label in card.text  # what the English means
    assert labels(card)[0] == "9:16"
    task = harness.task()
    assert (task["state"], task["prompt"], task["original"]) == (
        "draft", IDEAS[1].prompt, IDEAS[1].label,
    )  # fmt: skip
    await harness.again(number, **press)
    assert len(harness.telegram.sent) == 2
    assert harness.states() == ["draft"]


async def test_another_choice_changes_the_same_card(
    harness: HandlerHarness, boris: Person
) -> None:
    sees(harness, IDEAS)
    await agrees(harness, boris)
    await harness.feed(**boris.photo())
    ask = harness.telegram.sent[0].message_id
    await harness.feed(**boris.press("it|1|0", ask))
    card = harness.telegram.sent[-1].message_id
    await harness.feed(**boris.press("it|1|2", ask))
    assert len(harness.telegram.sent) == 2
    assert harness.telegram.edits[-1].params["message_id"] == str(card)
    assert harness.task()["prompt"] == IDEAS[2].prompt
    await harness.feed(**boris.press("r|1|9:16", card))
    assert harness.states() == ["queued"]
    await harness.feed(**boris.press("it|1|0", ask))
    assert harness.task()["prompt"] == IDEAS[2].prompt


async def test_in_english_the_card_has_one_text(harness: HandlerHarness, ann: Person) -> None:
    sees(harness, IDEAS)
    await agrees(harness, ann)
    await harness.feed(**ann.photo())
    await harness.feed(**ann.press("it|1|0"))
    assert harness.task()["original"] is None
    assert harness.task()["prompt"] == IDEAS[0].prompt


async def test_own_words_are_as_good_as_ever(harness: HandlerHarness, ann: Person) -> None:
    sees(harness, IDEAS)
    await agrees(harness, ann)
    await harness.feed(**ann.photo())
    await harness.feed(**ann.press("io|1"))
    assert "Write as a message" in harness.telegram.toasts[-1]
    await harness.feed(**ann.text("It waves"))
    assert harness.task()["prompt"] == "It waves"
    await harness.feed(**ann.press("it|1|0"))
    assert harness.task()["prompt"] == "It waves"
    assert "no longer" in harness.telegram.toasts[-1]
    assert harness.states() == ["draft"]


@pytest.mark.parametrize("by_press", [True, False])
async def test_without_an_answer_the_person_writes(
    harness: HandlerHarness, ann: Person, *, by_press: bool
) -> None:
    sees(harness, None, IDEAS)
    if not by_press:
        await agrees(harness, ann)
    await harness.feed(**ann.photo())
    if by_press:
        await harness.feed(**ann.press("ia|1"))
        assert "No ideas came" in harness.telegram.edits[-1].text
        assert labels(harness.telegram.edits[-1]) == ["💡 Ideas for this photo", "Cancel"]
    else:
        assert harness.telegram.edits == []
    await harness.feed(**ann.press("ia|1"))  # once more
    assert IDEAS[0].label in labels(harness.telegram.edits[-1])
    await harness.feed(**ann.text("It waves"))
    assert harness.task()["prompt"] == "It waves"


async def test_a_photo_that_telegram_does_not_give_fails_nothing(
    harness: HandlerHarness, ann: Person
) -> None:
    viewer = sees(harness, IDEAS)
    await agrees(harness, ann)
    harness.telegram.refuse("getFile", 400, "Bad Request: file is temporarily unavailable")
    await harness.feed(**ann.photo())
    assert len(harness.telegram.sent) == 1
    assert viewer.seen == []


async def test_others_can_neither_ask_nor_choose(
    harness: HandlerHarness, ann: Person, boris: Person
) -> None:
    viewer = sees(harness, IDEAS)
    await harness.feed(**ann.photo())
    await harness.feed(**boris.press("ia|1"))
    assert viewer.seen == []
    assert not await harness.storage.privacy.consented(8)
    await harness.feed(**ann.press("ia|1"))
    await harness.feed(**boris.press("it|1|0"))
    assert harness.task()["prompt"] is None


async def test_old_and_wrong_buttons_are_refused_in_words(
    harness: HandlerHarness, ann: Person
) -> None:
    sees(harness, IDEAS)
    await agrees(harness, ann)
    await harness.feed(**ann.photo())
    await harness.feed(**ann.press("it|1|7"))
    await harness.feed(**ann.press("it|9|0"))
    assert harness.task()["prompt"] is None
    with closing(sqlite3.connect(harness.path)) as connection:
        connection.execute("DELETE FROM suggestions")
        connection.commit()
    await harness.feed(**ann.press("it|1|0"))
    assert "no ideas for this photo any more" in harness.telegram.toasts[-1]
    harness.dispatcher["offer"] = replace(harness.dispatcher["offer"], viewer=None)
    await harness.feed(**ann.press("ia|1"))
    assert "no ideas for this photo any more" in harness.telegram.toasts[-1]
    assert harness.task()["prompt"] is None


async def test_suggestions_survive_a_restart_and_are_deleted_with_the_draft(
    harness: HandlerHarness, ann: Person
) -> None:
    sees(harness, IDEAS)
    await agrees(harness, ann)
    await harness.feed(**ann.photo())
    sees(harness, None)  # another process, which has looked at nothing
    await harness.feed(**ann.press("it|1|2"))
    assert harness.task()["prompt"] == IDEAS[2].prompt
    await harness.storage.privacy.erase_person(7, now=NOON)
    assert harness.rows("SELECT * FROM suggestions") == []


async def test_an_album_is_looked_at_once(harness: HandlerHarness, ann: Person) -> None:
    viewer = sees(harness, IDEAS)
    await agrees(harness, ann)
    await harness.feed(**ann.photo(media_group_id="g"))
    await harness.feed(**ann.photo(media_group_id="g"))
    assert len(viewer.seen) == 1
    assert "album" in harness.telegram.edits[-1].text


async def test_a_photo_with_words_is_not_looked_at(harness: HandlerHarness, ann: Person) -> None:
    viewer = sees(harness, IDEAS)
    await agrees(harness, ann)
    await harness.feed(**ann.photo(caption="It waves"))
    assert viewer.seen == []
