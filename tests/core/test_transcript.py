"""Words that speech models invent for silence are removed; real words stay as they are."""

from __future__ import annotations

import pytest

from bot.core.transcript import spoken_words
from tests.support.growth import SQUARE, growth


@pytest.mark.parametrize(
    "invented",
    [
        "", " \n", "Субтитры сделал DimaTorzok", "Субтитры создавал DimaTorzok.",
        "Редактор субтитров А. Семкин Корректор А. Егорова", "Продолжение следует...",
        "Продолжение  следует… Продолжение следует…", "Спасибо за просмотр!",
        "Спасибо за внимание. До новых встреч!", "Thanks for watching!", "you",
        "Thank you for watching. Please subscribe to my channel.",
        "Subtitles by the Amara.org community", "Transcribed by https://otter.ai",
        "[BLANK_AUDIO]", "[Music] (wind blowing)", "♪♪♪", "*музыка*", "ДИНАМИЧНАЯ МУЗЫКА",
        "시청해주셔서 감사합니다!", "ご視聴ありがとうございました",
        "- Thanks for watching! -",
    ],
)  # fmt: skip
def test_invented_words_are_none(invented: str) -> None:
    assert spoken_words(invented) == ""


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        ("Кот бежит по снегу. Субтитры сделал DimaTorzok", "Кот бежит по снегу."),
        (" Кот бежит\nРедактор субтитров А.Семкин Корректор А.Егорова\n", "Кот бежит"),
        ("Кот машет и говорит: продолжение следует.", None),
        ("Кот бежит. Продолжение следует.", None),
        ("A cat says thanks for watching", None),
        ("Крупный план, субтитры белые, кот бежит", None),
        ("Музыка играет, кот танцует [звук]", None),
        ("Кот", None),
        ("Thank you", None),
    ],
)
def test_true_words_stay(heard: str, words: str | None) -> None:
    assert spoken_words(heard) == (heard if words is None else words)


@pytest.mark.parametrize("part", ["[", "*", "А ", "МУЗЫКА ", "субтитры сделал ", ". ", "("])
def test_long_transcripts_are_read_in_linear_time(part: str) -> None:
    assert growth(lambda size: spoken_words(part * (size // len(part))), 250_000) < SQUARE
