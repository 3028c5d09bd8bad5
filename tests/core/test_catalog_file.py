"""A catalog file made from the provider's list, and brought up to date without losing anything."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from bot.core import families
from bot.core.catalog import CATALOG, read
from bot.core.catalog_file import changes, update, write
from bot.core.task import AspectRatio

LITE, PRO = "seedance-1-lite-480P-5s", "seedance-1-pro-480P-5s"
VEO, KLING, GROK = "glabs-veo-3-1-fast", "kling-v2-5-1080P-5s", "grok-imagine-video-720P-6s"
LISTED = {
    GROK: Decimal(30), KLING: Decimal(60), VEO: Decimal(49), PRO: Decimal("30.005"),
    LITE: Decimal("17.0"), "minimax-hailuo-2.3-fast-768P-6s": Decimal(38),
    'odd"\nid = "x': Decimal(1), "wan-2.5-720p-5s": Decimal("NaN"),
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "catalog.toml"
    write(made, LISTED, replace=False)
    return made


def ids(path: Path) -> list[str]:
    return [model.id for model in read(path)]


def test_known_families_are_offered_and_others_are_comments(path: Path) -> None:
    models = {model.id: model for model in read(path)}
    assert list(models) == [LITE, PRO, KLING, VEO]
    assert models[PRO].price == Decimal("30.01")  # never less than it costs
    veo = models[VEO]
    assert (veo.title, veo.quality, veo.seconds) == ("Veo 3.1 Fast 🔊", "720p", 8)
    assert veo.ratios == (AspectRatio.WIDE, AspectRatio.TALL)
    text = path.read_text(encoding="utf-8")
    for line in (f'# id = "{GROK}"', "# (makes no video without an image)", "# (has no price)"):
        assert line in text
    rest = text[text.index(f'# id = "{GROK}"') :].splitlines()
    assert all(line.startswith("#") for line in rest if line)


def test_every_built_in_model_is_of_a_known_family() -> None:
    for id_, model in CATALOG.items():
        assert families.known(id_, model.price) == model


def test_an_existing_file_is_overwritten_only_with_replace(path: Path) -> None:
    before = path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="--replace"):
        write(path, {LITE: Decimal(99)}, replace=False)
    assert path.read_text(encoding="utf-8") == before
    write(path, {LITE: Decimal(99)}, replace=True)
    assert ids(path) == [LITE]
    with pytest.raises(ValueError, match="no model that the bot knows"):
        write(path, {"unknown": Decimal(1)}, replace=True)
    assert ids(path) == [LITE]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_new_removed_and_dearer_models_are_taken_over_and_titles_stay(
    path: Path,
) -> None:
    blocks = path.read_text(encoding="utf-8").replace("Seedance Lite", "Quick").split("\n\n")
    for number, block in enumerate(blocks):
        if KLING in block:
            blocks[number] = "\n".join(f"# {line}" for line in block.splitlines())
    path.write_text("\n\n".join(blocks), encoding="utf-8")
    assert ids(path) == [LITE, PRO, VEO]
    new = "seedance-2-480P-5s"
    listed = LISTED | {LITE: Decimal(18), VEO: Decimal(40), new: Decimal(140)}
    del listed[PRO]
    assert changes(read(path), listed, path).lines == [
        f"{VEO}: 49 → 40", f"{LITE}: 17 → 18", f"{PRO}: 30.01 → –", f"{new}: – → 140",
    ]  # fmt: skip
    assert update(path, listed)
    assert {model.id: (model.title, model.price) for model in read(path)} == {
        LITE: ("Quick", Decimal(18)),
        VEO: ("Veo 3.1 Fast 🔊", Decimal(49)),  # a lower price there is no reason
        new: ("Seedance 2 🔊", Decimal(140)),
    }
    assert (path.parent / "catalog.toml.old").read_text(encoding="utf-8").count("Quick") == 1
    assert not update(path, listed)
    assert "GPTunnel no longer lists it" in path.read_text(encoding="utf-8")


def test_a_file_not_written_by_the_bot_gets_no_new_models(tmp_path: Path) -> None:
    line = {"id": LITE, "title": "M", "quality": "480p", "seconds": 5, "price": 17}
    for path in (tmp_path / "own.json", tmp_path / "own.toml"):
        if path.suffix == ".json":
            path.write_text(json.dumps([line]))
        else:
            fields = [f"{name} = {json.dumps(value)}" for name, value in line.items()]
            path.write_text("\n".join(["[[models]]", *fields]))
        assert changes(read(path), LISTED, path).lines == []
        assert update(path, LISTED | {LITE: Decimal(18)})
        assert [(model.id, model.title, model.price) for model in read(path)] == [
            (LITE, "M", Decimal(18))
        ]


def test_a_required_model_and_the_last_model_are_not_removed(path: Path) -> None:
    rest = {GROK: Decimal(30)}
    with pytest.raises(ValueError, match="no model would be left"):
        update(path, rest)
    assert len(ids(path)) == 4
    assert update(path, rest, keep=frozenset({PRO}))
    assert ids(path) == [PRO]
