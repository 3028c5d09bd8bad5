"""The signals that ask a process to stop in order.

It must not know what has to be stopped.
"""

from __future__ import annotations

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return SIGTERM, SIGINT, and SIGHUP, which comes when a terminal or an SSH session closes.

    It is left alone where it is ignored: `nohup` starts a program so that it goes on.
    """
    asked = (signal.SIGTERM, signal.SIGINT)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return asked
    return (*asked, signal.SIGHUP)
