"""Why a film cannot be joined.

Pure: it must not know Telegram, HTTP or SQL.
"""

from __future__ import annotations

from enum import StrEnum


class FilmProblem(StrEnum):
    """Why there is no film. Each has a text in every language; the values are stored."""

    CODEC = "codec"  # parts that differ cannot be joined without encoding
    SIZE = "size"
    RATE = "rate"
    SOUND = "sound"
    PART_GONE = "gone"  # Telegram no longer has the part
    PART_TOO_BIG = "part_too_big"  # Telegram does not give it to bots
    PART_UNUSABLE = "unusable"  # the file is no video
    UNREADABLE = "unreadable"  # and nobody knows which part is to blame
    FILM_TOO_BIG = "film_too_big"  # over what can be uploaded
    NOT_ENOUGH = "not_enough"  # fewer than two parts are left
    NOT_SENT = "not_sent"  # neither the place nor the person's own chat takes it
    LATER = "later"  # not for a whole day
