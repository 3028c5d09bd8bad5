"""The provider's answers without secrets, prompts and links."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from bot.provider.scrubbing import Scrubber

KEY = "canary-key-0123456789"
PROMPT = "A lighthouse on a rocky coast at dusk"
scrub = Scrubber([KEY], [PROMPT])


@pytest.mark.parametrize(
    "text",
    [
        KEY, KEY.upper(), f"key={KEY};", KEY[3:14], quote(KEY[:9] + "/"),
        base64.b64encode(KEY.encode()).decode(),
    ],
)  # fmt: skip
def test_a_key_is_found_in_every_form(text: str) -> None:
    assert scrub.text(text) == "<secret>"


@pytest.mark.parametrize("text", [PROMPT, PROMPT.upper(), "no: lighthouse, on a…", quote(PROMPT)])
def test_a_prompt_is_found_in_parts(text: str) -> None:
    assert scrub.text(text) == "<prompt>"


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/x?y=1",
        "HTTP:/a.example/x",
        "a.example/x.mp4",
        "https%3A%2F%2Fa.example%2Fx",
    ],
)
def test_a_link_is_found_without_its_scheme_too(text: str) -> None:
    assert scrub.text(text) == "<link>"


def test_harmless_text_stays() -> None:
    assert scrub.text("Heavy load, try again later") == "Heavy load, try again later"
    assert scrub.name("created_at") == "created_at"
    assert scrub.describe("queued") == "text of 6 characters"


def test_an_answer_of_any_depth_is_described() -> None:
    deep: object = KEY
    for _ in range(400):
        deep = [deep, {"in": deep}]
    assert KEY not in str(scrub.body({"code": 0, "deep": deep}))


def test_values_are_kept_only_where_they_are_harmless() -> None:
    answer = {
        "code": 0, "status": "running", "model": "m-1", "url": "https://a.example/x",
        "created_at": 1753202556, "note": "my own words", "list": [1, 2], "ok": True, "no": None,
        "message": f"see https://a.example/{KEY[:3]} of {'0' * 24}",
    }  # fmt: skip
    assert scrub.body(answer) == {
        "code": 0, "status": "running", "model": "m-1", "url": "<a link>",
        "created_at": "a number", "note": "<text of 12 characters>", "list": ["a number"] * 2,
        "ok": True, "no": None, "message": "see <link> of <id>",
    }  # fmt: skip
