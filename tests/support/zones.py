"""Let texts use another zone than UTC during a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from zoneinfo import ZoneInfo

from bot.texts.zone import use_zone


@contextmanager
def texts_in(zone: str) -> Iterator[None]:
    """Use this zone in the block, and UTC after it."""
    use_zone(ZoneInfo(zone))
    try:
        yield
    finally:
        use_zone(UTC)
