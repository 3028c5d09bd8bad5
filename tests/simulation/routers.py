"""The handlers' routers, kept from one life to the next: they hold nothing of a process.

Building them costs more than everything else in the start of a simulated process. It must not know
what they handle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiogram import Router

import bot.wiring.handlers
from handlers import build_router

MOST = 20
_kept: list[Router] = []


@contextmanager
def kept_routers() -> Iterator[None]:
    """Give every process of a life one of the kept routers, and take them back afterwards."""
    module: Any = bot.wiring.handlers
    taken: list[Router] = []

    def take() -> Router:
        router = _kept.pop() if _kept else build_router()
        taken.append(router)
        return router

    module.build_router = take
    try:
        yield
    finally:
        module.build_router = build_router
        for router in taken:
            router._parent_router = None  # of the dispatcher that it was included in
        _kept.extend(taken)
        del _kept[MOST:]
