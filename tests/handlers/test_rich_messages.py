"""A prompt that another bot wrote as a rich message is forwarded here."""

from __future__ import annotations

from typing import Any

import pytest

from bot.telegram.rich_messages import with_plain_words
from tests.support.handler_harness import HandlerHarness, Person


def paragraph(*text: Any) -> dict[str, Any]:
    return {"type": "paragraph", "text": text[0] if len(text) == 1 else list(text)}


def bold(text: Any) -> dict[str, Any]:
    return {"type": "bold", "text": text}


NESTED: Any = "deep"
for _ in range(100):
    NESTED = bold(NESTED)


@pytest.mark.parametrize(
    ("blocks", "prompt"),
    [
        ([paragraph("A red fox runs")], "A red fox runs"),
        ([paragraph("A ", bold(["red ", bold("fox")]), " runs")], "A red fox runs"),
        (
            [
                {"type": "heading", "size": 1, "text": "Scene"},
                {"type": "divider"},
                {
                    "type": "list",
                    "items": [
                        {"label": "1.", "blocks": [paragraph("a fox")]},
                        {"label": "2.", "blocks": [paragraph("a hen")]},
                    ],
                },
                {"type": "blockquote", "blocks": [paragraph("at dawn")]},
                {"type": "pre", "text": "35 mm film"},
            ],
            "Scene a fox a hen at dawn 35 mm film",
        ),
    ],
)
async def test_its_words_are_the_prompt(
    harness: HandlerHarness, ann: Person, blocks: list[Any], prompt: str
) -> None:
    event = with_plain_words(ann.message(rich_message={"blocks": blocks}))
    await harness.feed(**event)
    assert harness.task()["prompt"] == prompt
    [card] = harness.telegram.sent
    assert "9:16" in str(card.buttons)
    blocks = [paragraph("A blue fox")]
    change = event["message"] | {"rich_message": {"blocks": blocks}, "edit_date": 2}
    await harness.feed(edited_message=change)
    assert harness.task()["prompt"] == "A blue fox"


@pytest.mark.parametrize("blocks", [[], [{"type": "divider"}], [paragraph(NESTED)]])
async def test_one_without_words_is_of_a_wrong_kind(
    harness: HandlerHarness, ann: Person, blocks: list[Any]
) -> None:
    await harness.feed(**with_plain_words(ann.message(rich_message={"blocks": blocks})))
    [answer] = harness.telegram.sent
    assert "a message of this kind" in answer.text
    assert harness.states() == []


async def test_a_command_in_it_is_no_prompt(harness: HandlerHarness, ann: Person) -> None:
    await harness.feed(**ann.message(rich_message={"blocks": [paragraph("/magic")]}))
    [answer] = harness.telegram.sent
    assert "I do not know this command" in answer.text
