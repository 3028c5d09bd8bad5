"""The time zone of days and times in texts: DAY_TIMEZONE, the same for all readers.

It must not know what the times mean.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

_zone: tzinfo = UTC


def use_zone(zone: tzinfo) -> None:
    """Use this zone for all texts from now on; called once, when the program is composed."""
    global _zone
    _zone = zone


def name() -> str:
    """Return the name of the zone, as in DAY_TIMEZONE."""
    return str(_zone)


def local(when: datetime) -> datetime:
    """Convert a time to the zone."""
    return when.astimezone(_zone)
