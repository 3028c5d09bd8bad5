"""Compare the provider's price list with the prices shown to people, and take the list over.

A difference is reported and changes nothing until an admin presses the button; an order keeps the
price that the person saw. The list is undocumented, so a missing answer is no problem.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from bot.core.catalog import Model
from bot.core.catalog_file import Taken, changes, update
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
    """Return one line for each model whose price differs or that the provider's list does not
    have.
    """
    return changes(models, listed).lines


async def compare(
    provider: PriceListClient,
    storage: Storage,
    models: Iterable[Model],
    told: Iterable[int],
    clock: Clock,
    *,
    path: Path | None = None,
) -> None:
    """Log every difference, and notify admins of new differences; `path` is CATALOG_FILE."""
    try:
        found = changes(models, await provider.prices(), path)
        for line in found.lines:
            logger.warning("the provider's list differs: %s", line)
        button = {"takes": True} if path is not None and found.to_take else {}
        await storage.audit.tell_once(
            ACT,
            NoticeKind.PRICES_DIFFER,
            told,
            now=clock(),
            lines="\n".join(found.lines),
            silent=not found.lines,
            **button,
        )
    except (ProviderError, StorageUnavailable, ValueError, OSError) as exc:
        logger.info("prices were not compared: %s", exc)


async def take_over(
    provider: PriceListClient, path: Path, changed: Callable[[], None], *, keep: frozenset[str]
) -> Taken:
    """Write new, removed and more expensive models into CATALOG_FILE; `changed` makes processes
    read it.
    """
    try:
        listed = await provider.prices()
        done = await asyncio.to_thread(update, path, listed, keep=keep)
    except ProviderError as exc:
        logger.warning("the catalog was not changed: %s", exc)
        return Taken.NO_ANSWER
    except (ValueError, OSError) as exc:
        logger.error("the catalog was not changed: %s: %s", path, exc)
        return Taken.NOT_WRITTEN
    changed()
    return Taken.DONE if done else Taken.NOTHING
