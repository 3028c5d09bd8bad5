"""Ready-made scenes: the bundled ones are valid, errors in an operator's file name the place."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.core import examples
from bot.core.prompt import clean_prompt
from bot.core.task import AspectRatio
from bot.provider.translator import is_foreign
from bot.texts.i18n import LANGUAGES


def test_the_bundled_scenes_have_all_languages_small_pictures_and_good_prompts() -> None:
    scenes = examples.bundled()
    assert {scene.ratio for scene in scenes} == set(AspectRatio)
    for scene in scenes:
        assert set(scene.titles) == set(LANGUAGES)
        assert clean_prompt(scene.prompt) == scene.prompt
        assert not is_foreign(scene.prompt)
        assert scene.picture is not None
        assert len(scene.picture) < 20_000
        with Image.open(io.BytesIO(scene.picture)) as picture:
            width, height = picture.size
        assert width / height == pytest.approx(scene.ratio.value_of, rel=0.01)


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
