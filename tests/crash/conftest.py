"""A launcher for each test; the fork server behind it imports everything once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.launcher import Launcher, launching
from tests.support.postgres import postgres

__all__ = ["postgres"]


@pytest.fixture
async def launcher() -> AsyncIterator[Launcher]:
    async with launching() as made:
        yield made
