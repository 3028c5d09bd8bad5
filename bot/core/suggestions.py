"""A suggestion of what could happen in the video of a photo.

Pure: it must not know which model suggests, or how a suggestion is stored or shown.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNT = 3
"""Suggestions for one photo."""
LABEL_LIMIT = 48
"""Characters on a button that fills a row of a phone; longer labels are cut."""


@dataclass(frozen=True)
class Suggestion:
    """`label`: a few words in the person's language; `prompt`: English, as it is sent."""

    label: str
    prompt: str
