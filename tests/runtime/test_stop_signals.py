"""Which signals ask a process to stop in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from bot.runtime.stop_signals import stop_signals


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    usual = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, usual)


def test_a_closed_terminal_asks_to_stop() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert set(stop_signals()) == {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def test_under_nohup_it_goes_on() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert set(stop_signals()) == {signal.SIGTERM, signal.SIGINT}
