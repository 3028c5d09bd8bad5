"""The built-in catalog, and the operator's: read completely, or refused with the reason."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.core import catalog
from bot.core.catalog import CATALOG
from bot.core.task import AspectRatio
from bot.settings import SettingsError, read_settings

LINE = {"id": "m-1", "title": "M", "quality": "480p", "seconds": 5, "price": 12.5}


def test_seedance_lite_is_offered_in_three_qualities_and_two_lengths() -> None:
    default = "seedance-1-lite-480P-5s"
    models = catalog.offered(default)
    assert {model.title for model in models} == {"Seedance Lite"}
    assert [(model.quality, model.seconds) for model in models] == [
        (quality, seconds) for quality in ("480p", "720p", "1080p") for seconds in (5, 10)
    ]
    assert default in [model.id for model in models]


def test_a_default_of_another_kind_is_offered_too() -> None:
    models = catalog.offered("seedance-1-pro-480P-5s")
    assert models[0].id == "seedance-1-pro-480P-5s"
    assert len(models) == 7


def test_a_catalog_is_read_from_toml_and_from_json(tmp_path: Path) -> None:
    toml, plain = tmp_path / "c.toml", tmp_path / "c.json"
    toml.write_text(
        '[[models]]\nid = "m-1"\ntitle = "M"\nquality = "480p"\nseconds = 5\nprice = 12.5\n'
        'ratios = ["9:16"]\n'
    )
    plain.write_text(json.dumps([LINE | {"ratios": ["9:16"]}]))
    [model] = catalog.read(toml)
    assert (model.id, model.price, model.ratios) == ("m-1", Decimal("12.5"), (AspectRatio.TALL,))
    assert catalog.read(plain) == (model,)
    plain.write_text(json.dumps({"models": [LINE]}))
    assert catalog.read(plain)[0].ratios == tuple(AspectRatio)


def test_a_catalog_may_say_how_long_a_video_takes(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps([LINE, {**LINE, "id": "m-2", "typical_seconds": 90}]))
    assert [model.typical_seconds for model in catalog.read(path)] == [None, 90]


def test_a_catalog_saved_by_windows_with_a_mark_in_front_is_read(tmp_path: Path) -> None:
    text = '[[models]]\nid = "m"\ntitle = "М"\nquality = "480p"\nseconds = 5\nprice = 1000000\n'
    (tmp_path / "c.toml").write_text(text, encoding="utf-8-sig")
    (tmp_path / "c.json").write_text(json.dumps([LINE]), encoding="utf-8-sig")
    assert catalog.read(tmp_path / "c.toml")[0].price == 1_000_000
    assert catalog.read(tmp_path / "c.json")[0].id == "m-1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSON"),
        ("[]", "list of models"),
        ("5", "list of models"),
        ('["m"]', "model 1: should be a table"),
        ([LINE, LINE], "twice"),
        ([{**LINE, "colour": "red"}], "model 1: missing or unknown: colour"),
        ([LINE, {"id": "x"}], "model 2: missing or unknown: price, quality, seconds, title"),
        ([{**LINE, "id": "x" * 41}], "40 bytes"),
        ([{**LINE, "id": "a|b"}], "no |"),
        ([{**LINE, "seconds": "5"}], "whole number"),
        ([{**LINE, "seconds": True}], "whole number"),
        ([{**LINE, "price": "free"}], "price"),
        ([{**LINE, "price": -1}], "price"),
        ([{**LINE, "price": 1.005}], "price"),
        ([{**LINE, "price": "NaN"}], "price"),
        ([{**LINE, "price": 1e40}], "model 1: price"),
        ([{**LINE, "price": 10**30}], "model 1: price"),
        ([{**LINE, "price": "1e999999999"}], "model 1: price"),
        ([{**LINE, "price": 1_000_000.01}], "model 1: price"),
        ([{**LINE, "id": "a\0b"}], "model 1: id should be one line"),
        ([LINE, {**LINE, "id": "\ud83d"}], "model 2: id should be one line"),
        ([{**LINE, "title": "a\nb"}], "model 1: title should be one line"),
        ([{**LINE, "title": "a" * 61}], "model 1: title should be one line of at most 60"),
        ([{**LINE, "quality": "a" * 61}], "model 1: quality should be one line"),
        ([{**LINE, "ratios": ["4:3"]}], "ratios"),
        ([{**LINE, "typical_seconds": 0}], "typical_seconds"),
        ([{**LINE, "typical_seconds": True}], "typical_seconds"),
        ([{**LINE, "typical_seconds": "60"}], "typical_seconds"),
        ([{**LINE, "ratios": []}], "ratios"),
        ([{**LINE, "ratios": 5}], "ratios"),
    ],
)
def test_a_wrong_catalog_names_the_place(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=said.replace("|", r"\|")):
        catalog.read(path)


# --- settings --------------------------------------------------------------------------------


def settings(**values: Any) -> Any:
    needed = {"bot_token": "7:AAE", "gptunnel_api_key": "k", "_env_file": None}
    return read_settings(**needed | values)


def test_the_operators_catalog_replaces_the_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps([LINE, LINE | {"id": "m-2"}]))
    assert [model.id for model in settings(catalog_file=path).models] == ["m-1", "m-2"]
    assert settings(catalog_file=path).default_model.id == "m-1"
    assert settings(catalog_file=path, model="m-2").default_model.id == "m-2"
    assert settings().default_model == CATALOG["seedance-1-lite-480P-5s"]


def test_a_wrong_catalog_and_a_model_that_is_not_in_it_name_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    with pytest.raises(SettingsError) as caught:
        settings(catalog_file=path)
    assert caught.value.lines == ["CATALOG_FILE: cannot be read (FileNotFoundError)"]
    path.write_text(json.dumps([LINE]))
    with pytest.raises(SettingsError) as caught:
        settings(catalog_file=path, model="seedance-1-pro-480P-5s")
    assert caught.value.lines == ["MODEL: is not in CATALOG_FILE; the nearest: m-1"]
    with pytest.raises(SettingsError) as caught:
        settings(model="seedance-1-lite-480p")
    [line] = caught.value.lines
    nearest = line.removeprefix("MODEL: is not in the catalog; the nearest: ").split(", ")
    assert len(nearest) == 5
    assert {"seedance-1-lite-480P-5s", "seedance-1-lite-480P-10s"} <= set(nearest)
    with pytest.raises(SettingsError) as caught:
        settings(examples_file=path)
    assert caught.value.lines[0].startswith("EXAMPLES_FILE: line 1, scene 1: id is no key")
