"""Facts about each family of models, as data; the form of an id names the family.

A family of videos is in the table when its models take `prompt`, `ar` and one image, a family of
pictures when they take `prompt` and `ar` (provider.md: "Families"). Prices come from the
provider's own list. It must not know files or HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from bot.core.catalog import ID_LIMIT, TYPICAL_SECONDS, Model
from bot.core.task import AspectRatio, TaskKind

SOUND = "🔊"
"""Added to the title of a model whose videos have sound."""

_ALL = tuple(AspectRatio)
_PICTURE = TaskKind.PICTURE
_PARTS = r"-(?P<quality>\d{3,4}[Pp])-(?P<seconds>\d{1,2})s"


@dataclass(frozen=True, kw_only=True)
class Family:
    """`ids`: a pattern that captures quality and seconds, unless these are fixed here."""

    title: str
    ids: str
    quality: str = ""
    seconds: int = 0
    sound: bool = False
    ratios: tuple[AspectRatio, ...] = _ALL
    typical_seconds: int = TYPICAL_SECONDS
    unfit: str = ""  # why its models cannot be offered
    kind: TaskKind = TaskKind.VIDEO
    takes_image: bool = True


FAMILIES = (
    Family(title="Seedance Lite", ids="seedance-1-lite" + _PARTS),
    Family(title="Seedance Pro", ids="seedance-1-pro" + _PARTS),
    Family(title="Seedance Pro Fast", ids="seedance-1-pro-fast" + _PARTS),
    Family(title="Seedance 1.5 Pro", ids="seedance-1-5-pro" + _PARTS),
    Family(title="Seedance 1.5 Pro", ids="seedance-1-5-pro-audio" + _PARTS, sound=True),
    Family(title="Seedance 2", ids="seedance-2" + _PARTS, sound=True),
    Family(title="Seedance 2 Fast", ids="seedance-2-fast" + _PARTS, sound=True),
    Family(title="Seedance 2 Mini", ids="seedance-2-mini" + _PARTS, sound=True),
    Family(title="Kling 2.5", ids="kling-v2-5" + _PARTS),
    Family(title="Kling 2.6", ids="kling-v2-6" + _PARTS),
    Family(
        title="Veo 3.1 Fast", ids="glabs-veo-3-1-fast", quality="720p", seconds=8, sound=True,
        ratios=(AspectRatio.WIDE, AspectRatio.TALL),
    ),
    Family(
        title="Veo 3.1 Lite", ids="glabs-veo-3-1-lite", quality="720p", seconds=8, sound=True,
        ratios=(AspectRatio.WIDE, AspectRatio.TALL),
    ),
    Family(title="Hailuo 02", ids="minimax-hailuo-02" + _PARTS, ratios=(AspectRatio.WIDE,)),
    Family(
        title="Hailuo 2.3 Fast", ids=r"minimax-hailuo-2\.3-fast" + _PARTS,
        unfit="makes no video without an image",
    ),
    Family(title="Hailuo 2.3", ids=r"minimax-hailuo-2\.3" + _PARTS, ratios=(AspectRatio.WIDE,)),
    Family(title="Wan 2.5", ids=r"wan-2\.5" + _PARTS, sound=True),
    Family(title="Seedream 3", ids="seedream-3", kind=_PICTURE),
    Family(
        title="Seedream 4", ids="seedream-4", kind=_PICTURE, unfit="has a call of its own",
    ),
    Family(title="Nano Banana", ids="nano-banana", kind=_PICTURE),
    Family(title="GPT Image 1", ids="gpt-image-1-high", kind=_PICTURE),
    Family(title="Flux 2 Flex", ids="flux-2-flex", kind=_PICTURE),
    Family(title="Imagen 3", ids="google-imagen-3", kind=_PICTURE, takes_image=False),
    Family(
        title="YandexART", ids="yandex-art", kind=_PICTURE, takes_image=False,
        unfit="takes no aspect ratio",
    ),
)  # fmt: skip
"""In the order in which a catalog lists them."""


class Unfit(Exception):
    """The model cannot be offered; the text says why."""


def known(model_id: str, price: Decimal) -> Model:
    """Return the model of a listed id, with its price in whole kopecks. Raises Unfit."""
    for family in FAMILIES:
        if (found := re.fullmatch(family.ids, model_id)) is None:
            continue
        if family.unfit:
            raise Unfit(family.unfit)
        if not price.is_finite() or price <= 0:
            raise Unfit("has no price")
        if len(model_id.encode()) > ID_LIMIT:
            raise Unfit(f"its id is longer than {ID_LIMIT} bytes")
        parts = found.groupdict()
        return Model(
            id=model_id,
            title=f"{family.title} {SOUND}" if family.sound else family.title,
            quality=str(parts.get("quality") or family.quality).lower(),
            seconds=int(parts.get("seconds") or family.seconds),
            price=whole_kopecks(price),
            ratios=family.ratios,
            kind=family.kind,
            takes_image=family.takes_image,
            typical_seconds=family.typical_seconds,
        )
    raise Unfit("nothing is known of its parameters")


IMAGE_MODELS = tuple(
    family.ids for family in FAMILIES if family.kind is _PICTURE and not family.unfit
)
"""The ids of the image models that can be offered: each family of pictures has one."""


def makes_pictures(model_id: str) -> bool:
    """Whether the id is that of an image model, also of one that cannot be offered."""
    return any(family.kind is _PICTURE and family.ids == model_id for family in FAMILIES)


def why_unfit(model_id: str) -> str:
    """Return why an image model cannot be offered; "" when it can."""
    return next((family.unfit for family in FAMILIES if family.ids == model_id), "")


def whole_kopecks(price: Decimal) -> Decimal:
    """Return the price rounded up to whole kopecks, as a catalog stores it."""
    return price.quantize(Decimal("0.01"), ROUND_UP)


def place(model_id: str) -> tuple[int, int, int, str]:
    """Return the place of a model in a catalog: family, quality, length, id."""
    for number, family in enumerate(FAMILIES):
        if found := re.fullmatch(family.ids, model_id):
            parts = found.groupdict()
            quality = int(str(parts.get("quality") or "0").rstrip("Pp"))
            return number, quality, int(parts.get("seconds") or 0), model_id
    return len(FAMILIES), 0, 0, model_id
