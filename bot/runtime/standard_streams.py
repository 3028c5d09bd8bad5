"""Standard input, output and error when they are closed, full, or in a narrow encoding.

It must not know what is written there.
"""

from __future__ import annotations

import io
import os
import sys


def make_usable() -> None:
    """Give the process three standard streams that take every line.

    A closed one would be None in Python; and its number would go to the next file that is opened,
    such as a video or the database, into which libraries then write their messages.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number, which is this one
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does


def print_line(line: str) -> None:
    """Write a line to standard output; where that is gone (`| head`, a full disk), nothing.

    What a command does must not depend on whether somebody reads about it.
    """
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as exc:
        # Otherwise Python would write the rest when it ends, and fail again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(exc, BrokenPipeError):
            sys.stderr.write(f"standard output: {exc.strerror}\n")
