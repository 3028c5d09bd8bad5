"""The scenes of a film: read from lines, moved and removed."""

from __future__ import annotations

import pytest

from bot.core.errors import InputError
from bot.core.storyboard import (
    Scene,
    is_idea,
    moved,
    read_lines,
    said_by_model,
    unnumbered,
    without,
)
from tests.support.growth import SQUARE, growth

A, B, C = (Scene(one, one) for one in "abc")


def test_scenes_are_read_one_a_line_without_their_numbers() -> None:
    said = (
        "1. A cat runs\n\n - it jumps --ar 1:1 \n12. it sleeps\n2.5 metres of snow\n2049. A city"
    )
    assert read_lines(said) == [
        "A cat runs", "it jumps", "it sleeps", "2.5 metres of snow", "2049. A city",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "1) A cat", "1.A cat", "1: A cat", "Scene 1: A cat", "scene 12. A cat", "Shot 3 — A cat",
        "Сцена 1: A cat", "Сцена №2. A cat", "Кадр 2) A cat", "**1.** A cat", "**Scene 1:** A cat",
        "**Сцена 1**: A cat", "- 1. A cat", "## A cat", "### 2. A cat", "1️⃣ A cat", "🔟 A cat",
        "**A cat**", "> A cat", "* A cat",
    ],
)  # fmt: skip
def test_what_stands_in_front_of_a_scene_in_a_list_is_no_part_of_it(line: str) -> None:
    assert read_lines(line) == ["A cat"]
    assert said_by_model(line, line) == Scene("A cat", "A cat")


@pytest.mark.parametrize(
    "line",
    [
        "2.5 metres of snow", "16:9 screen on a wall", "3 cats run", "2049. A city", "3D cat",
        "Scene of a crime", "Scene 5 of the play begins", "#cat on a wall", "Part of a wall", "1.",
        "Кадр за кадром", "100) bottles", "12:30 on a clock",
    ],
)  # fmt: skip
def test_numbers_that_belong_to_a_scene_stay(line: str) -> None:
    assert read_lines(line) == [line]


@pytest.mark.parametrize("part", ["-", "# ", "\t", "- #", "**", "1. "])
def test_a_long_line_is_read_in_linear_time(part: str) -> None:
    assert growth(lambda size: unnumbered(f"{part * (size // len(part))}x"), 100_000) < SQUARE


def test_a_line_that_is_no_prompt_is_an_error() -> None:
    with pytest.raises(InputError):
        read_lines("A cat\n" + "a" * 801)


@pytest.mark.parametrize(("said", "idea"), [("a cat", True), ("a\n \n", True), ("a\nb", False)])
def test_more_than_one_line_is_no_idea(said: str, idea: bool) -> None:
    assert is_idea(said) is idea


def test_a_scene_moves_by_one_and_stays_at_the_ends() -> None:
    assert moved((A, B, C), 1, -1) == (B, A, C)
    assert moved((A, B, C), 1, 1) == (A, C, B)
    assert moved((A, B, C), 0, -1) == (A, B, C)
    assert moved((A, B, C), 2, 1) == (A, B, C)
    assert moved((A, B, C), 9, -1) == (A, B, C)


def test_a_scene_goes_unless_too_few_are_left() -> None:
    assert without((A, B, C), 1) == (A, C)
    assert without((A, B), 1) == (A, B)
    assert without((A, B), 1, fewest=1) == (A,)
