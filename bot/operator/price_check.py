"""At start, compare the provider's price list with the prices shown to people.

A difference is reported and changes nothing: an order keeps the price that the person saw. The
list is undocumented, so a missing answer is not reported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from bot.core.catalog import Model
from bot.core.clock import Clock
from bot.core.errors import ProviderError, StorageUnavailable
from bot.core.notices import NoticeKind
from storage import Storage

logger = logging.getLogger(__name__)

ACT = "prices_differ"


class PriceListClient(Protocol):
    """The part of bot.provider.client that is used here."""

    async def prices(self) -> dict[str, Decimal]: ...


def differences(models: Iterable[Model], listed: Mapping[str, Decimal]) -> list[str]:
    """Return one line for each model whose price differs or that is missing there."""
    lines = []
    for model in models:
        price = listed.get(model.id)
        if price is None:
            lines.append(f"{model.id}: {model.price} → –")
        elif price != model.price:
            lines.append(f"{model.id}: {model.price} → {price}")
    return sorted(lines)


async def compare(
    provider: PriceListClient,
    storage: Storage,
    models: Iterable[Model],
    told: Iterable[int],
    clock: Clock,
) -> None:
    """Log every difference, and notify admins when it is a new one."""
    try:
        lines = differences(models, await provider.prices())
        for line in lines:
            logger.warning("the provider's price differs: %s", line)
        await storage.audit.tell_once(
            ACT,
            NoticeKind.PRICES_DIFFER,
            told,
            now=clock(),
            lines="\n".join(lines),
            silent=not lines,
        )
    except (ProviderError, StorageUnavailable) as exc:
        logger.info("prices were not compared: %s", exc)
