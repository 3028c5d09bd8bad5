"""The time zone of the days and times in texts: that of DAY_TIMEZONE, the same for all readers.

It must not know what is dated.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

_zone: tzinfo = UTC


def use_zone(zone: tzinfo) -> None:
    """Write all times in this zone from now on; said once, when the program is composed."""
    global _zone
    _zone = zone


def name() -> str:
    """Return the name of the zone, as DAY_TIMEZONE gives it."""
    return str(_zone)


def local(when: datetime) -> datetime:
    """Return the time as texts name it."""
    return when.astimezone(_zone)
