"""The models on offer and what they cost: the only place that knows prices.

The provider changes ids and prices (provider.md: "Models and prices"); the id of a video model
contains resolution and length. Image models have no built-in price: nobody publishes one. It must
not know who orders or who pays.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from bot.core.task import AspectRatio, TaskKind

# Roubles per video, mid-2026 (provider.md: "Models and prices"): family -> resolution -> seconds.
_PRICES: dict[str, dict[str, dict[int, str]]] = {
    "seedance-1-lite": {
        "480P": {2: "6.8", 5: "17", 10: "34", 12: "40.8"},
        "720P": {2: "16.4", 5: "41", 10: "82", 12: "98.4"},
        "1080P": {2: "35.2", 5: "88", 10: "176", 12: "211.2"},
    },
    "seedance-1-pro": {
        "480P": {2: "12", 5: "30", 10: "60", 12: "72"},
        "720P": {2: "22.4", 5: "56", 10: "112", 12: "135"},
        "1080P": {2: "50", 5: "122", 10: "244", 12: "290"},
    },
    "seedance-1-pro-fast": {
        "480P": {2: "4", 5: "10", 10: "20", 12: "24"},
        "720P": {2: "8.8", 5: "22", 10: "44", 12: "52.8"},
        "1080P": {2: "19.6", 5: "49", 10: "98", 12: "117.6"},
    },
    "seedance-1-5-pro": {
        "480P": {5: "15", 10: "30"},
        "720P": {5: "28", 10: "56"},
        "1080P": {5: "58", 10: "116"},
    },
}

_TITLES = {
    "seedance-1-lite": "Seedance Lite",
    "seedance-1-pro": "Seedance Pro",
    "seedance-1-pro-fast": "Seedance Pro Fast",
    "seedance-1-5-pro": "Seedance 1.5 Pro",
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model that a person can choose, with its price."""

    id: str
    title: str
    quality: str = ""  # "480p"; of a video
    seconds: int = 0
    price: Decimal  # roubles
    ratios: tuple[AspectRatio, ...] = tuple(AspectRatio)
    kind: TaskKind = TaskKind.VIDEO
    takes_image: bool = True  # a first frame, or a photo to change
    typical_seconds: int | None = None  # that making one takes; None: not known


TYPICAL_SECONDS = 60
"""Until a model's own durations are learnt; between 30 and 120 s (provider.md: "The video")."""


def _build() -> dict[str, Model]:
    return {
        (id_ := f"{family}-{quality}-{seconds}s"): Model(
            id=id_,
            title=_TITLES[family],
            quality=quality.lower(),
            seconds=seconds,
            price=Decimal(price),
            typical_seconds=TYPICAL_SECONDS,
        )
        for family, qualities in _PRICES.items()
        for quality, lengths in qualities.items()
        for seconds, price in lengths.items()
    }


CATALOG: dict[str, Model] = _build()
"""All known models, including models of old tasks, so that these keep their names."""

OFFERED = tuple(
    f"seedance-1-lite-{quality}-{seconds}s"
    for quality in ("480P", "720P", "1080P")
    for seconds in (5, 10)
)
"""The models on offer when the operator names none."""

ID_LIMIT = 40
"""Bytes of a model's id: a button's data holds the id and a number (Bot API: 64 bytes)."""


TEXT_LIMIT = 60
"""Characters of a title or a quality: both are shown on a button and beside the price."""
PRICE_LIMIT = Decimal(1_000_000)
"""Roubles; a higher price is a mistake, and far higher ones cannot be stored."""
_CONTROL = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
"""Characters that a database or Telegram refuses, or that break a line."""


def model(model_id: str) -> Model:
    """Return the model with this id; KeyError when it is not on offer."""
    return CATALOG[model_id]


def offered(default: str) -> tuple[Model, ...]:
    """Return the default model and the other models on offer."""
    ids = OFFERED if default in OFFERED else (default, *OFFERED)
    return tuple(CATALOG[id_] for id_ in ids)


def videos(models: Iterable[Model]) -> tuple[Model, ...]:
    """Return the models that make videos."""
    return tuple(model for model in models if model.kind is TaskKind.VIDEO)


def learn(models: Iterable[Model]) -> None:
    """Use the operator's models and prices instead of the built-in ones."""
    CATALOG.update({model.id: model for model in models})


def read(path: Path) -> tuple[Model, ...]:
    """Read the operator's catalog: TOML with `[[models]]`, or JSON with the same or a bare list.

    Raises ValueError, which names the problem and its place.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".toml":
            told: Any = tomllib.loads(content.decode("utf-8-sig"))
        else:
            told = json.loads(content, parse_float=Decimal)
    except OSError as exc:
        raise ValueError(f"cannot be read ({type(exc).__name__})") from None
    except (ValueError, RecursionError):
        raise ValueError("should be JSON, or TOML in a file named *.toml") from None
    lines = told.get("models") if isinstance(told, dict) else told
    if not isinstance(lines, list) or not lines:
        raise ValueError("should hold a list of models")
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_model(line))
        except ValueError as exc:
            raise ValueError(f"model {number}: {exc}") from None
    if len({model.id for model in found}) < len(found):
        raise ValueError("names a model twice")
    return tuple(found)


def _model(line: Any) -> Model:
    """Read one model: id, title, quality, seconds, price (roubles), ratios (default: all),
    typical_seconds (default: not known).

    One of kind "picture" has no quality and no seconds, but `takes_image` (default: false).
    """
    if not isinstance(line, dict):
        raise ValueError("should be a table of id, title, quality, seconds, price")
    values: dict[str, Any] = {
        "ratios": list(AspectRatio),
        "kind": "video",
        "typical_seconds": None,
    } | line
    if values["kind"] not in list(TaskKind):
        raise ValueError(f"kind should be among {', '.join(TaskKind)}")
    kind = TaskKind(values["kind"])
    is_picture = kind is TaskKind.PICTURE
    if is_picture:
        values = {"takes_image": False} | values
    of_kind = {"takes_image"} if is_picture else {"quality", "seconds"}
    known = {"id", "title", "price", "ratios", "kind", "typical_seconds", *of_kind}
    if wrong := known ^ values.keys():
        raise ValueError(f"missing or unknown: {', '.join(sorted(wrong))}")
    if is_picture and not isinstance(values["takes_image"], bool):
        raise ValueError("takes_image should be true or false")
    return Model(
        id=_text(values, "id"),
        title=_text(values, "title"),
        quality="" if is_picture else _text(values, "quality"),
        seconds=0 if is_picture else _whole(values, "seconds", most=600),
        price=_price(values["price"]),
        ratios=_ratios(values["ratios"]),
        kind=kind,
        takes_image=is_picture and values["takes_image"],
        typical_seconds=None
        if values["typical_seconds"] is None
        else _whole(values, "typical_seconds", most=86_400),
    )


def _text(values: Mapping[str, Any], name: str) -> str:
    text = values[name]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} should be a text")
    if _CONTROL.search(text) or (name != "id" and len(text) > TEXT_LIMIT):
        raise ValueError(f"{name} should be one line of at most {TEXT_LIMIT} characters")
    if name == "id" and (len(text.encode()) > ID_LIMIT or "|" in text):
        raise ValueError(f"id should have at most {ID_LIMIT} bytes, and no |")
    return text


def _whole(values: Mapping[str, Any], name: str, *, most: int) -> int:
    number = values[name]
    if type(number) is not int or not 1 <= number <= most:  # True is an int, too
        raise ValueError(f"{name} should be a whole number")
    return number


def _price(given: Any) -> Decimal:
    try:
        price = Decimal(str(given))
    except InvalidOperation:
        price = Decimal("NaN")
    if not (
        price.is_finite()
        and 0 <= price <= PRICE_LIMIT
        and price == price.quantize(Decimal("0.01"))
    ):
        raise ValueError("price should be roubles, with kopecks at the most")
    return price


def _ratios(given: Any) -> tuple[AspectRatio, ...]:
    try:
        ratios = tuple(AspectRatio(ratio) for ratio in given)
    except (ValueError, TypeError):
        ratios = ()
    if not ratios:
        raise ValueError(f"ratios should be among {', '.join(AspectRatio)}")
    return ratios
