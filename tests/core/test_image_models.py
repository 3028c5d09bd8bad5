"""Image models: known by family, priced by the operator's catalog, and named by IMAGE_MODEL."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.core import catalog, catalog_file, families
from bot.core.catalog import CATALOG
from bot.core.task import TaskKind
from bot.settings import Settings, SettingsError, read_settings

PICTURE = '[[models]]\nid = "seedream-3"\ntitle = "S"\nkind = "picture"\nprice = 6\n'
VIDEO = (
    '[[models]]\nid = "seedance-1-lite-480P-5s"\ntitle = "S"\nquality = "480p"\nseconds = 5\n'
    "price = 17\n"
)


def read(path: Path | None, **settings: Any) -> Settings:
    return read_settings(
        _env_file=None,
        bot_token="1:" + "a" * 35,
        gptunnel_api_key="key",
        access="open",
        catalog_file=path,
        **settings,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.toml"
    path.write_text(PICTURE, encoding="utf-8")
    return path


def test_image_models_of_a_list_are_written_and_read_again(tmp_path: Path) -> None:
    listed = {
        "seedream-3": Decimal("5.555"), "google-imagen-3": Decimal(9), "seedream-4": Decimal(8),
        "yandex-art": Decimal(3), "seedance-1-lite-480P-5s": Decimal(17),
    }  # fmt: skip
    path = tmp_path / "catalog.toml"
    made = catalog_file.write(path, listed, replace=False)
    assert made.hidden == {
        "seedream-4": "has a call of its own", "yandex-art": "takes no aspect ratio",
    }  # fmt: skip
    found = {model.id: model for model in catalog.read(path)}
    assert [model.kind for model in found.values()] == ["video", "picture", "picture"]
    assert found["seedream-3"].price == Decimal("5.56")
    assert found["seedream-3"].takes_image
    assert not found["google-imagen-3"].takes_image
    # a price that rose is taken over, and the kind stays
    assert catalog_file.update(path, listed | {"google-imagen-3": Decimal(11)})
    again = {model.id: model for model in catalog.read(path)}
    assert again["google-imagen-3"].price == 11
    assert again["google-imagen-3"].kind is TaskKind.PICTURE
    plain = tmp_path / "catalog.json"
    catalog_file.write(plain, listed, replace=False)
    assert catalog.read(plain) == tuple(found.values())


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('kind = "film"', "kind should be among video, picture"),
        ('kind = "picture"\nseconds = 5', "missing or unknown: seconds"),
        ('kind = "picture"\ntakes_image = "yes"', "takes_image should be true or false"),
        ("takes_image = true", "missing or unknown: quality, seconds, takes_image"),
    ],
)
def test_a_wrong_line_names_its_mistake(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'[[models]]\nid = "x"\ntitle = "X"\nprice = 1\n{line}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=what):
        catalog.read(path)


def test_a_file_of_image_models_leaves_the_video_models(path: Path) -> None:
    settings = read(path, image_model="seedream-3", public_url="https://bot.example.org")
    assert settings.models == catalog.offered(settings.model)
    assert settings.drawing_model is not None
    assert settings.drawing_model.price == 6
    assert [one.id for one in settings.priced_models][-1] == "seedream-3"


def test_pictures_are_not_offered_as_videos(path: Path) -> None:
    path.write_text(PICTURE + VIDEO, encoding="utf-8")
    assert [one.id for one in read(path).models] == ["seedance-1-lite-480P-5s"]
    assert read(path).drawing_model is None


def test_without_photos_there_are_no_pictures_and_a_warning(path: Path) -> None:
    settings = read(path, image_model="seedream-3")
    assert settings.drawing_model is None
    assert any("IMAGE_MODEL without PUBLIC_URL" in line for line in settings.warnings)


@pytest.mark.parametrize(
    ("image_model", "what"),
    [
        ("seedream-33", "is no image model that is known; the nearest: seedream-3"),
        ("nano-banana", "has no price: name it in CATALOG_FILE"),
        ("seedance-1-lite-480P-5s", "makes videos, not pictures; image models: seedream-3"),
        ("seedream-4", "cannot be used: it has a call of its own"),
    ],
)
def test_a_wrong_image_model_says_what_would_do(path: Path, image_model: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(path, image_model=image_model)
    [line] = caught.value.lines
    assert line.startswith("IMAGE_MODEL: ")
    assert what in line


@pytest.mark.parametrize("model", ["seedream-3", "nano-banana"])
def test_an_image_model_as_model_says_where_it_belongs(path: Path, model: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(path, model=model)
    assert caught.value.lines == [
        "MODEL: makes pictures; set it as IMAGE_MODEL, and a video model here"
    ]


def test_the_built_in_catalog_has_no_image_models() -> None:
    """Their prices are not published, and a guess would be shown to people."""
    built_in = catalog._build()
    assert all(model.kind is TaskKind.VIDEO for model in built_in.values())
    assert not set(families.IMAGE_MODELS) & built_in.keys()
    assert catalog.videos(CATALOG.values())
