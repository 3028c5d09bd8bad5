"""Texts in another zone than UTC, and back in UTC afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from zoneinfo import ZoneInfo

from bot.texts.zone import use_zone


@contextmanager
def texts_in(zone: str) -> Iterator[None]:
    """Write all times in this zone."""
    use_zone(ZoneInfo(zone))
    try:
        yield
    finally:
        use_zone(UTC)
