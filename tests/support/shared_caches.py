"""What every test would compute anew is computed once for each test process.

Each test opens its own engine and builds its own routers. SQLAlchemy would compile every statement
for every engine, and aiogram would inspect every handler for every router: a fifth of a test's
CPU time. It must not know the tests.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiogram.dispatcher.event.handler as aiogram_handler
import sqlalchemy as sa
from sqlalchemy.engine import URL

from storage import engine


def share_statements() -> None:
    """Give all SQLite engines one dialect and one cache of compiled statements."""
    make = engine.sqlite_engine
    compiled: dict[Any, Any] = {}
    shared: sa.Dialect | None = None

    def make_with_cache(url: URL, busy_timeout: float, *connect: Any) -> sa.Engine:
        nonlocal shared
        made = make(url, busy_timeout, *connect)
        # A part of the cache's keys. The first engine's own first connection completes it.
        shared = made.dialect = shared or made.dialect
        return made.execution_options(compiled_cache=compiled)

    engine.sqlite_engine = make_with_cache  # type: ignore[assignment]


def share_signatures() -> None:
    """Let aiogram read the parameters of each handler and filter once."""
    read = functools.cache(inspect.signature)

    def signature(callback: Callable[..., Any]) -> inspect.Signature:
        try:
            return read(callback)
        except TypeError:  # not hashable
            return inspect.signature(callback)

    names = {name: getattr(inspect, name) for name in dir(inspect)}
    vars(aiogram_handler)["inspect"] = SimpleNamespace(**{**names, "signature": signature})
