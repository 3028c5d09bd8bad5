"""What every test would compute anew is computed once for each test process.

Each test opens its own engine and its own dispatcher. SQLAlchemy would compile every statement for
every engine, and aiogram would build thirty routers for every dispatcher: a third of a test's CPU
time. It must not know the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType
from typing import Any, ParamSpec

import sqlalchemy as sa
from aiogram import Router
from aiogram.dispatcher.event.handler import CallableObject

import bot.wiring.handlers
from handlers import build_router
from storage import engine

P = ParamSpec("P")
Key = tuple[CodeType, bool]

MOST_KEPT = 20
_kept: list[Router] = []


def share_statements() -> None:
    """Give all engines of a kind of database one dialect and one cache of compiled statements."""
    engine.sqlite_engine = _with_cache(engine.sqlite_engine)
    engine.postgres_engine = _with_cache(engine.postgres_engine)


def _with_cache(make: Callable[P, sa.Engine]) -> Callable[P, sa.Engine]:
    compiled: dict[Any, Any] = {}
    shared: sa.Dialect | None = None

    def make_with_cache(*args: P.args, **kwargs: P.kwargs) -> sa.Engine:
        nonlocal shared
        made = make(*args, **kwargs)
        # A part of the cache's keys. The first connection of its own engine completes it; without
        # one it does not know the server's version.
        if shared is None or shared.server_version_info is None:
            shared = made.dialect
        made.dialect = shared
        return made.execution_options(compiled_cache=compiled)

    return make_with_cache


def share_signatures() -> None:
    """Let aiogram read the parameters of each handler and filter only once.

    Routers are built again and again with new functions that share their code.
    """
    read = CallableObject.__post_init__
    known: dict[Key, tuple[bool, set[str], bool]] = {}

    def post_init(self: CallableObject) -> None:
        key = _key(self.callback)
        if key in known:
            self.awaitable, self.params, self.varkw = known[key]
        else:
            read(self)
            if key is not None:
                known[key] = self.awaitable, self.params, self.varkw

    CallableObject.__post_init__ = post_init  # type: ignore[method-assign]


@contextmanager
def kept_routers() -> Iterator[Callable[[], Router]]:
    """Yield a function that returns the handlers' routers, for one dispatcher until the end of the
    block; `bot.wiring` uses it too. Later blocks get them again: they hold nothing of a process.
    """
    module: Any = bot.wiring.handlers
    before, taken = module.build_router, list[Router]()

    def take() -> Router:
        router = _kept.pop() if _kept else build_router()
        taken.append(router)
        return router

    module.build_router = take
    try:
        yield take
    finally:
        module.build_router = before
        for router in taken:
            router._parent_router = None  # of the dispatcher that it was included in
        _kept.extend(taken)
        del _kept[MOST_KEPT:]


def _key(callback: Any) -> Key | None:
    """Return the key of a function's parameters: its code, and whether the first one is bound."""
    is_bound = isinstance(callback, MethodType)
    function = callback.__func__ if is_bound else callback
    # Attributes, as functools.wraps sets them, may say something else.
    is_plain = isinstance(function, FunctionType) and not vars(function)
    return (function.__code__, is_bound) if is_plain else None
