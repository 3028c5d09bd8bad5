"""Write a CATALOG_FILE from the provider's list, and bring an existing one up to date.

A file written by this program names every listed model; those that are not offered are in
comments. So a model that the file does not name is new. It must not know where the list comes
from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from bot.core import catalog, families
from bot.core.catalog import Model
from bot.core.task import AspectRatio, TaskKind

Listed = Mapping[str, Decimal]
"""The provider's list: roubles by model."""

HEADER = "# Written by `bot catalog` from GPTunnel's list. Prices are what people see, in roubles."
_RULE = "# To offer a model, take the # away; to hide one, put it there. See CATALOG_FILE."
_ID = re.compile(r'\bid"?\s*[=:]\s*"([^"]+)"')


class Taken(StrEnum):
    """The outcome of an update of the catalog."""

    DONE = "done"
    NOTHING = "nothing"  # no model is new, gone or more expensive
    NO_ANSWER = "no answer"  # of the provider
    NOT_WRITTEN = "not written"  # there is no file, it is read-only, or it has mistakes


@dataclass
class Plan:
    """The content of a file: the models on offer, and the reasons why others are in comments."""

    offered: list[Model] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)  # by id: the reason


@dataclass(frozen=True)
class Changes:
    """The differences between the list and a catalog, as pairs of prices; None where the model is
    missing.
    """

    models: Mapping[str, tuple[Decimal | None, Decimal | None]]

    @property
    def lines(self) -> list[str]:
        """A line for each: `id: 17 → 18`, `id: 17 → –` is gone, `id: – → 40` is new."""
        return sorted(
            f"{id_}: {_price(here)} → {_price(there)}"
            for id_, (here, there) in self.models.items()
        )

    @property
    def to_take(self) -> bool:
        """Whether any model is new, gone or more expensive; a lower price is not taken over."""
        return any(
            here is None or there is None or there > here for here, there in self.models.values()
        )


def plan(listed: Listed) -> Plan:
    """Return a new catalog of all listed models."""
    made = Plan()
    for id_ in sorted(listed, key=families.place):
        try:
            made.offered.append(families.known(id_, listed[id_]))
        except families.Unfit as exc:
            made.hidden[id_] = str(exc)
    return made


def changes(models: Iterable[Model], listed: Listed, path: Path | None = None) -> Changes:
    """Compare a catalog with the list; new models only when `path` was written here."""
    found: dict[str, tuple[Decimal | None, Decimal | None]] = {}
    for model in models:
        price = _listed_price(listed, model.id)
        if price is None or model.price not in (price, families.whole_kopecks(price)):
            found[model.id] = (model.price, price)
    if (named := _named(path)) is not None:
        for model in plan(listed).offered:
            if model.id not in named:
                found[model.id] = (None, model.price)
    return Changes(found)


def update(path: Path, listed: Listed, *, keep: frozenset[str] = frozenset()) -> bool:
    """Take over models that are new, gone or more expensive; return False if there are none.

    Titles, ratios, lower prices, hidden models and the models in `keep` stay. The previous file is
    kept beside it with the suffix `.old`. Raises ValueError and OSError; the file is then
    unchanged.
    """
    models = catalog.read(path)
    found = changes(models, listed, path)
    if not found.to_take:
        return False
    whole, named = plan(listed), _named(path)
    made = Plan(hidden=dict(whole.hidden))
    for model in models:
        price = _listed_price(listed, model.id)
        if price is not None:
            highest = max(model.price, families.whole_kopecks(price))
            made.offered.append(replace(model, price=highest))
        elif model.id in keep:
            made.offered.append(model)
        else:
            made.hidden[model.id] = "GPTunnel no longer lists it"
    mine = {model.id for model in models}
    for model in whole.offered:
        if model.id in mine:
            continue
        if named is None or model.id in named:
            made.hidden[model.id] = "not offered"
        else:
            made.offered.append(model)
    for model in made.offered:
        made.hidden.pop(model.id, None)
    if not made.offered:
        raise ValueError("no model would be left")
    text = render(made, listed, path.suffix)
    _replace(path.with_name(path.name + ".old"), path.read_text(encoding="utf-8"))
    _replace(path, text)
    return True


def write(path: Path, listed: Listed, *, replace: bool) -> Plan:
    """Write a new catalog. Raises ValueError: the file exists, or no listed model is known."""
    made = plan(listed)
    if not made.offered:
        raise ValueError("GPTunnel lists no model that the bot knows; nothing was written")
    if path.exists() and not replace:
        raise ValueError(f"{path} exists; --replace overwrites it")
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, render(made, listed, path.suffix))
    return made


def render(made: Plan, listed: Listed, suffix: str) -> str:
    """Return the text of a file: TOML with comments, or JSON, which has none."""
    if suffix.lower() != ".toml":
        lines = ",\n".join(
            f'  {{"id": {_text(one.id)}, "title": {_text(one.title)}, '
            + "".join(f'"{name}": {value}, ' for name, value in _of_kind(one))
            + f'"price": {one.price.normalize():f}, '
            f'"ratios": {json.dumps([ratio.value for ratio in one.ratios])}'
            + (f', "typical_seconds": {one.typical_seconds}}}' if one.typical_seconds else "}")
            for one in made.offered
        )
        return f'{{"models": [\n{lines}\n]}}\n'
    parts = [f"{HEADER}\n{_RULE}\n"]
    parts += [_toml(model) for model in made.offered]
    for id_ in sorted(made.hidden, key=families.place):
        parts.append(_hidden(id_, made.hidden[id_], listed.get(id_)))
    return "\n".join(parts)


def _toml(model: Model) -> str:
    lines = [
        "[[models]]",
        f"id = {_text(model.id)}",
        f"title = {_text(model.title)}",
        *(f"{name} = {value}" for name, value in _of_kind(model)),
        f"price = {model.price.normalize():f}",
    ]
    if model.ratios != tuple(AspectRatio):
        lines.append(f"ratios = {json.dumps([ratio.value for ratio in model.ratios])}")
    if model.typical_seconds:
        lines.append(f"typical_seconds = {model.typical_seconds}")
    return "\n".join(lines) + "\n"


def _of_kind(model: Model) -> list[tuple[str, str]]:
    """Return the names and values that only models of this kind have."""
    if model.kind is TaskKind.VIDEO:
        return [("quality", _text(model.quality)), ("seconds", str(model.seconds))]
    takes_image = [("takes_image", "true")] if model.takes_image else []
    return [("kind", _text(model.kind.value)), *takes_image]


def _hidden(id_: str, why: str, price: Decimal | None) -> str:
    """Return a model as comments, ready to be completed; the id is untrusted input."""
    try:
        lines = _toml(families.known(id_, price or Decimal(0))).splitlines()
    except families.Unfit:
        lines = ["[[models]]", f"id = {_text(id_)}"]
        if price is not None and price.is_finite():
            lines.append(f"price = {price:f}")
    return "\n".join(f"# {line}" for line in [f"({why})", *lines]) + "\n"


def _named(path: Path | None) -> set[str] | None:
    """Return all ids in a file written by this program; None for any other file."""
    if path is None or path.suffix.lower() != ".toml":
        return None
    text = path.read_text(encoding="utf-8-sig")
    return set(_ID.findall(text)) if text.startswith(HEADER) else None


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _text(value: str) -> str:
    # JSON's escapes are TOML's, except for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed_price(listed: Listed, id_: str) -> Decimal | None:
    price = listed.get(id_)
    return price if price is not None and price.is_finite() else None


def _price(price: Decimal | None) -> str:
    return "–" if price is None else f"{price.normalize():f}"
