"""Whether the reader of a text pays, as a context like the language of other programs.

Handlers and jobs enter it for one person; outside of it texts name money. It must not know who
pays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_shows_money: ContextVar[bool] = ContextVar("shows_money", default=True)


@contextmanager
def reader(*, pays: bool) -> Iterator[None]:
    """Write all texts inside the block for somebody who pays; if not `pays`, without prices."""
    token = _shows_money.set(pays)
    try:
        yield
    finally:
        _shows_money.reset(token)


def shows_money() -> bool:
    """Whether the current text may name prices and money."""
    return _shows_money.get()
