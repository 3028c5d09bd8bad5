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
    """Make the texts within for somebody who pays, or for a guest of somebody who does."""
    token = _shows_money.set(pays)
    try:
        yield
    finally:
        _shows_money.reset(token)


def shows_money() -> bool:
    """Whether the text that is being made names prices and money."""
    return _shows_money.get()
