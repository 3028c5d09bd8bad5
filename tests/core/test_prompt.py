"""The prompt is cleaned before anything is shown or paid."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InputError
from bot.core.prompt import PROMPT_LIMIT, clean_prompt
from bot.core.task import Problem


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        ("A cat on a bicycle", "A cat on a bicycle"),
        ("  two\n\n lines\tand  spaces ", "two lines and spaces"),
        ("a cat --ar 16:9", "a cat"),
        ("a cat --ar 16:9 in the rain --seed 42", "a cat in the rain"),
        ("--dur 10 a cat", "a cat"),
        ("a cat --cf true --wm false", "a cat"),
        ("a cat --ar=16:9 runs", "a cat runs"),
        ("a cat --cf --wm true runs", "a cat runs"),
        ("a cat\n--rs 1080p\nruns", "a cat runs"),
        ("a cat --ar\u200b 16:9", "a cat"),
        ("a cat -\u200b-ar 16:9", "a cat"),
        ("a cat -- and a dog", "a cat -- and a dog"),
        ("well--known", "well--known"),
        ("a cat —ar 16:9", "a cat"),
        ("a cat –ar=9:16 runs —Seed 42 —wm true", "a cat runs"),
        ("a cat —resolution 1080p", "a cat"),
        ("a cat —running fast", "a cat —running fast"),
        ("a cat — ar 16:9", "a cat — ar 16:9"),
        ("peace —resolution of all", "peace —resolution of all"),
        ("cat—seed 5 x", "cat—seed 5 x"),
        ("-- --seed 5 x", "-- x"),
        ("a\x00b\x07c\u202ed", "abcd"),
        ("кот й", "кот й"),
        ("👨\u200d👩\u200d👧 dance", "👨\u200d👩\u200d👧 dance"),
        ("🐈", "🐈"),
        ("\U0001fa77", "\U0001fa77"),  # of Unicode 15, newer than Python 3.11's tables
        ("\U0001fadf \U0001fae9", "\U0001fadf \U0001fae9"),  # of Unicode 16
        ("猫", "猫"),
    ],
)
def test_switches_and_invisible_characters_are_removed(raw: str, sent: str) -> None:
    assert clean_prompt(raw) == sent


@pytest.mark.parametrize(
    "raw",
    ["", " \n\t", "--ar 16:9", "\u200b\u2060", "...", "--", "-- --a b", "\u2800\u3164", "\ufffc"],
)
def test_a_prompt_without_words_is_empty(raw: str) -> None:
    with pytest.raises(InputError) as caught:
        clean_prompt(raw)
    assert caught.value.problem is Problem.EMPTY_PROMPT


def test_the_limit_counts_the_cleaned_prompt_and_names_both_numbers() -> None:
    assert len(clean_prompt("я" * PROMPT_LIMIT + " --ar 16:9")) == PROMPT_LIMIT
    with pytest.raises(InputError) as caught:
        clean_prompt("я" * (PROMPT_LIMIT + 1))
    assert caught.value.problem is Problem.PROMPT_TOO_LONG
    assert caught.value.details == {"length": PROMPT_LIMIT + 1, "limit": PROMPT_LIMIT}


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(["--", "--ar", "16:9", " ", "\n", "-", "=", "\u200b", "\u200d", "a"]),
        ),
        max_size=20,
    ).map("".join)
)
def test_a_cleaned_prompt_has_no_switches_and_is_stable(raw: str) -> None:
    try:
        sent = clean_prompt(raw)
    except InputError:
        return
    assert 0 < len(sent) <= PROMPT_LIMIT
    assert not re.search(r"(?:^|\s)--[^\s-]", sent)
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in sent)
    assert sent == " ".join(sent.split())
    assert clean_prompt(sent) == sent
    sent.encode()


@given(
    st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=PROMPT_LIMIT // 4)
)
def test_a_plain_prompt_is_sent_unchanged(word: str) -> None:
    assert clean_prompt(word) == unicodedata.normalize("NFC", word)
