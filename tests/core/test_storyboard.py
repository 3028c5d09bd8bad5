"""The scenes of a film: read from lines, moved and removed."""

from __future__ import annotations

import pytest

from bot.core.errors import InputError
from bot.core.storyboard import Scene, is_idea, moved, read_lines, without

A, B, C = (Scene(one, one) for one in "abc")


def test_scenes_are_read_one_a_line_without_their_numbers() -> None:
    said = (
        "1. A cat runs\n\n - it jumps --ar 1:1 \n12. it sleeps\n2.5 metres of snow\n2049. A city"
    )
    assert read_lines(said) == [
        "A cat runs", "it jumps", "it sleeps", "2.5 metres of snow", "2049. A city",
    ]  # fmt: skip


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
