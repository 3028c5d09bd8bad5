"""Clean a prompt: remove everything that the provider would read as a command.

Pure: it must not know Telegram, HTTP or SQL.
"""

from __future__ import annotations

import re
import unicodedata

from bot.core.errors import InputError
from bot.core.task import Problem

PROMPT_LIMIT = 800
"""Characters (code points) after cleaning.

The provider recommends 500; its own example has 584 (provider.md: "Prompts"), and words past the
limit are ignored, not refused. 800 is the largest number that fits into the caption of a card
(1024 units, Bot API: sendPhoto) beside the model and the price, so that people see exactly what is
sent. An emoji counts as two units there: a prompt that consists of emoji only is shown shortened.
"""

# provider.md: "Prompts". The value may be attached (`--ar=16:9`), missing, or the next word.
_SWITCH = re.compile(r"(?:^|(?<=\s))--[^\s\-][^\s=]*(?:=\S*|\s+(?!--)\S+)?")

# Phones turn "--" into a dash, and so do the pages of the model's maker ("—ratio 16:9"). The model
# does not read that as a switch, and may show it as text in the video. A dash can also begin
# ordinary words, so only the known switches with a valid value are removed.
_DASHED = re.compile(
    r"(?:^|(?<=\s))[\u2012-\u2015](?:ar|rt|ratio|rs|resolution|dur|duration|fps|framepersecond|seed"
    r"|wm|watermark|cf|camerafixed)(?:=\S*|\s+(?:-?\d\S*|true|false|adaptive)(?=\s|$))",
    re.IGNORECASE,
)

# Kept characters: joiners, used in emoji and Persian words; tags, used in the flags of England,
# Scotland and Wales.
_SHAPING = re.compile("[\u200c\u200d\U000e0020-\U000e007f]")
_BLANK = "\u115f\u1160\u2800\u3164\uffa0\ufffc"
"""Letters and pictures of Unicode that show nothing, with which people send empty messages."""


def clean_prompt(raw: str, *, limit: int = PROMPT_LIMIT) -> str:
    """Return `raw` without switches and control characters, with single spaces, in NFC.

    Raises InputError: EMPTY_PROMPT when no letter, digit or picture is left; PROMPT_TOO_LONG with
    `length` and `limit`.
    """
    text = unicodedata.normalize("NFC", "".join(_visible(char) for char in raw))
    text = " ".join(_DASHED.sub(" ", _SWITCH.sub(" ", text)).split())
    if not any(_says(char) for char in text):
        raise InputError(Problem.EMPTY_PROMPT)
    if len(text) > limit:
        raise InputError(Problem.PROMPT_TOO_LONG, length=len(text), limit=limit)
    return text


def _says(char: str) -> bool:
    """Return whether this is a letter, a digit or an emoji, also an emoji that is newer than
    Python's tables (the pink heart of 2022 has no category in Python 3.11)."""
    if "\U0001f000" <= char < "\U00020000":
        return True
    return unicodedata.category(char)[0] in "LNS" and char not in _BLANK


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    hidden = unicodedata.category(char) in {"Cc", "Cf", "Cs"}
    return "" if hidden and not _SHAPING.match(char) else char
