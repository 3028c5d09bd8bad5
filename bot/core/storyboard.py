"""A storyboard: the scenes of a film before they are ordered, and the rules for changing them.

Pure: it must not know SQL, Telegram or the model that proposes scenes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.prompt import clean_prompt
from bot.core.task import Chat, Frame

FEWEST, MOST = 2, 6
"""Scenes of one film."""
SCENE_LIMIT = 300
"""Characters of a scene as the person reads it, when a model wrote it."""
_LISTED = re.compile(r"^(?:-(?!-\w)|[–—•*>\s]|#+\s+)+")
_NUMBER = re.compile(
    r"(?:(?:scene|shot|part|сцена|кадр|часть)\s*(?:№\s*)?\d{1,2}\**\s*[.:)–—-]"
    r"|\d{1,2}\**(?:[.)](?!\d)|:(?=[\s*]))|(?:\d\ufe0f?\u20e3)+|\U0001f51f)[\s*]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Scene:
    """One scene: what the person reads, and the prompt that is sent."""

    text: str
    prompt: str


@dataclass(frozen=True, kw_only=True)
class Storyboard:
    """One row of `storyboards`. Frozen: every change is a guarded statement in storage."""

    id: int
    user_id: int
    chat: Chat
    message_id: int  # the person's message that videos reply to; 0 means none
    lang: str
    model: str
    price: Decimal  # roubles for one part
    scenes: tuple[Scene, ...] = ()  # none: the person was asked to write them
    frame: Frame | None = None  # the first frame of the first part
    film_id: int | None = None  # the film that it continues
    first_place: int = 1  # the place of the first scene in the film
    revision: int = 0  # increases with each change
    card_message_id: int | None = None
    asked_message_id: int | None = None  # the message that asked for the words of a scene
    asked_scene: int | None = None  # its index
    is_open: bool = True  # it can be changed and ordered

    @property
    def price_of_all(self) -> Decimal:
        """Roubles for the whole film."""
        return self.price * len(self.scenes)


def read_lines(text: str) -> list[str]:
    """Return the scenes that a person wrote, one a line, cleaned like prompts.

    Raises InputError for a line that is no prompt. Numbers and dashes before a scene are removed.
    """
    lines = (unnumbered(line) for line in text.splitlines())
    return [clean_prompt(line) for line in lines if line]


def unnumbered(line: str) -> str:
    """Return a scene without the marks before it in a list: a dash, a number, "Scene 2:",
    and Markdown's signs. The video model would show them, or cut there.
    """
    line = _LISTED.sub("", line.strip()).strip().strip("*").strip()
    numbered = _NUMBER.match(line)
    rest = line[numbered.end() :].strip() if numbered else ""
    return rest or line


def is_idea(text: str) -> bool:
    """Whether a text is one idea, not scenes written one a line."""
    return sum(bool(line.strip()) for line in text.splitlines()) < 2


def moved(scenes: Sequence[Scene], index: int, step: int) -> tuple[Scene, ...]:
    """Return the scenes with one of them moved by `step`; unchanged at the ends."""
    changed, target = list(scenes), index + step
    if 0 <= index < len(changed) and 0 <= target < len(changed):
        changed.insert(target, changed.pop(index))
    return tuple(changed)


def without(scenes: Sequence[Scene], index: int, *, fewest: int = FEWEST) -> tuple[Scene, ...]:
    """Return the scenes without one of them; unchanged when too few would be left."""
    if len(scenes) <= fewest:
        return tuple(scenes)
    return tuple(scene for place, scene in enumerate(scenes) if place != index)


def said_by_model(text: object, prompt: object) -> Scene:
    """Return a scene of a model's answer, which is untrusted; raises InputError and TypeError."""
    if not isinstance(text, str) or not isinstance(prompt, str):
        raise TypeError("a scene should consist of texts")
    return Scene(
        clean_prompt(unnumbered(text), limit=SCENE_LIMIT), clean_prompt(unnumbered(prompt))
    )
