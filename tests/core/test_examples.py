"""Ready-made scenes: the bundled ones are valid, errors in an operator's file name the place."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.core import examples
from bot.core.prompt import PROMPT_LIMIT, clean_prompt
from bot.core.task import AspectRatio
from bot.provider.translator import is_foreign
from bot.texts.i18n import LANGUAGES


def test_the_bundled_scenes_have_all_languages_small_pictures_and_good_prompts() -> None:
    scenes = examples.bundled()
    assert {scene.ratio for scene in scenes} == {*AspectRatio, None}
    for scene in scenes:
        assert set(scene.titles) == set(LANGUAGES)
        assert clean_prompt(scene.prompt) == scene.prompt
        assert not is_foreign(scene.prompt)
        assert scene.picture is not None
        assert len(scene.picture) < 20_000
        with Image.open(io.BytesIO(scene.picture)) as picture:
            width, height = picture.size
        shape = 1.0 if scene.ratio is None else scene.ratio.value_of
        assert width / height == pytest.approx(shape, rel=0.01)


def test_twelve_templates_take_a_photo_and_are_small_together() -> None:
    templates = [scene for scene in examples.bundled() if scene.needs_photo]
    assert len(templates) == 12
    assert len({scene.prompt for scene in templates}) == 12
    assert sum(len(scene.picture or b"") for scene in templates) < 250_000


def test_a_template_names_its_ratio_and_model(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        '[[scenes]]\ntitle = "Cat"\nprompt = "A cat"\nneeds_photo = true\n'
        'ratio = "9:16"\nmodel = "fine"\n'
    )
    [scene] = examples.read(path, ["fine"])
    assert (scene.needs_photo, scene.ratio, scene.model) == (True, AspectRatio.TALL, "fine")


def test_prompts_and_titles_are_cleaned_like_a_persons_words(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    scene = {"title": " A\ncat ", "prompt": "A cat --ar 1:1\nru\0ns"}
    path.write_text(json.dumps([scene]), encoding="utf-8-sig")  # as Windows saves it
    [found] = examples.read(path)
    assert (found.titles, found.prompt) == ({"en": "A cat"}, "A cat runs")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prompt", "x" * (PROMPT_LIMIT + 1)), ("prompt", "\u200b"), ("prompt", "--ar 1:1"),
        ("prompt", 5), ("title", " "), ("title", "\u2800"), ("title", "x" * 41),
        ("title", {"en": "x", "ru": " "}),
    ],
)  # fmt: skip
def test_a_text_that_no_card_can_show_is_named(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"title": "Cat", "prompt": "A cat", key: value}]))
    with pytest.raises(ValueError, match=f"scene 1: {key} should be a text of 1 to"):
        examples.read(path)


TOML = """# scenes

[[scenes]]
title = "Cat"
prompt = "A cat"

[[scenes]]
title = "Dog"
prompt = "A dog"
{key} = {value}
"""
JSON = """{{"scenes": [
  {{"title": "Cat", "prompt": "[A] cat, \\"scenes\\": ["}},
  {{
    "title": "Dog",
    "prompt": "A dog",
    "{key}": {value}
  }}
]}}
"""


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("needs_photo", '"yes"', "needs_photo should be true or false"),
        ("needs_foto", "true", "needs_foto is no key; did you mean needs_photo?"),
        ("ratio", '"4:3"', "ratio should be one of"),
        ("model", '"fime"', "model is not on offer; the nearest: fine"),
        ("model", "5", "model should be a text"),
        ("picture", '"no.jpg"', "picture cannot be read"),
        ("picture", '"\\u0000"', "picture cannot be read"),
    ],
)
def test_an_error_names_the_line_and_the_key(
    tmp_path: Path, key: str, value: str, said: str
) -> None:
    for name, text, line in (("s.toml", TOML, 10), ("s.json", JSON, 6)):
        (tmp_path / name).write_text(text.format(key=key, value=value))
        with pytest.raises(ValueError, match="line") as raised:
            examples.read(tmp_path / name, ["fine"])
        assert str(raised.value).startswith(f"line {line}, scene 2: {said}")


def test_a_missing_key_names_the_scene_and_bad_syntax_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('\n[[scenes]]\ntitle = "Cat"\n')
    with pytest.raises(ValueError, match=r"line 2, scene 1: prompt should be a text"):
        examples.read(path)
    path.write_text('[[scenes]]\ntitle = "Cat\n')
    with pytest.raises(ValueError, match=r"^line 2: should be JSON, or TOML"):
        examples.read(path)


def test_a_missing_title_is_shown_in_english(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"title": "Cat", "prompt": "A  cat"}]))
    [scene] = examples.read(path)
    assert (scene.title("ru"), scene.prompt, scene.ratio) == ("Cat", "A cat", AspectRatio.WIDE)
    assert scene.picture is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSON"),
        ({"scenes": 5}, "list of scenes"),
        (["cat"], "scene 1: should be a table"),
        ([{"prompt": "A cat"}], "scene 1: title"),
        ([{"title": {"ru": "Кот"}, "prompt": "A cat"}], "with en"),
        ([{"title": "x" * 41, "prompt": "A cat"}], "1 to 40"),
        ([{"title": "Cat", "prompt": " "}], "prompt"),
        ([{"title": "Cat", "prompt": "A cat", "ratio": "4:3"}], "ratio"),
        ([{"title": "Cat", "prompt": "A cat", "picture": "no.jpg"}], "FileNotFoundError"),
        ([{"title": "Cat", "prompt": "A cat", "picture": "s.json"}], "JPEG"),
    ],
)
def test_a_wrong_scene_names_the_place(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=said):
        examples.read(path)


@pytest.mark.parametrize("page", ["operations.md", "operations.ru.md"])
def test_the_file_in_the_documentation_can_be_read(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    [block] = re.findall(r"```toml\n(\[\[scenes\]\].*?)```", text, flags=re.DOTALL)
    (tmp_path / "snow.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "s.toml").write_text(block, encoding="utf-8")
    [scene] = examples.read(tmp_path / "s.toml", ["seedance-1-lite-480P-5s"])
    assert (scene.needs_photo, scene.title("ru")) == (True, "Первый снег")
