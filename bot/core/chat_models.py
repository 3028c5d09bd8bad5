"""The chat models that translate prompts, look at photos or tell stories: which is taken, and what
it costs.

Pure: it must not know HTTP, Telegram or the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

AUTO = "auto"
"""TRANSLATE_MODEL, STORY_MODEL: the first of KNOWN that the provider offers; VISION_MODEL: of
KNOWN_SEEING.
"""
KNOWN = ("gpt-4.1-mini", "gpt-4o-mini", "deepseek-chat", "gpt-4.1-nano", "gpt-4o")
"""Models that translate well for little, the best first (docs/provider.md: "Other calls")."""
TOKENS_READ, TOKENS_WRITTEN = 300, 100
"""Tokens of one translation, counted: the instruction and a prompt of 60 Russian words; 60 English
words."""
KNOWN_SEEING = ("gpt-4.1-mini", "gpt-4o-mini", "gpt-4o", "gpt-4.1")
"""Models that take images, the best for little first (docs/provider.md: "Other calls")."""
PICTURE_TOKENS, PICTURE_TOKENS_OF = 500, {"gpt-4o-mini": 2833}
"""Tokens of one small picture in low detail (docs/provider.md: "Other calls")."""
LOOK_READ, LOOK_WRITTEN = 200, 250
"""Tokens of one look at a photo without the picture: the instruction; three suggestions, partly in
Russian."""
STORY_READ, STORY_WRITTEN = 350, 700
"""Tokens of one story, counted: the instruction and an idea; six scenes in Russian with their
prompts in English."""


@dataclass(frozen=True)
class ChatModel:
    """A chat model as the provider lists it; prices in roubles for 1000 tokens, None: not said."""

    id: str
    read: Decimal | None = None
    written: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """Roubles for one translation, about; None: the provider does not say."""
        if self.read is None or self.written is None:
            return None
        return (self.read * TOKENS_READ + self.written * TOKENS_WRITTEN) / 1000

    @property
    def picture_price(self) -> Decimal | None:
        """Roubles for one look at a photo, about; None: the provider does not say."""
        if self.read is None or self.written is None:
            return None
        read = LOOK_READ + PICTURE_TOKENS_OF.get(self.id, PICTURE_TOKENS)
        return (self.read * read + self.written * LOOK_WRITTEN) / 1000

    @property
    def story_price(self) -> Decimal | None:
        """Roubles for the scenes of one film, about; None: the provider does not say."""
        if self.read is None or self.written is None:
            return None
        return (self.read * STORY_READ + self.written * STORY_WRITTEN) / 1000


def choose(
    wanted: str, listed: Iterable[ChatModel], known: Sequence[str] = KNOWN
) -> ChatModel | None:
    """Return the wanted model, or with AUTO the first `known` one; None: it is not offered."""
    offered = {model.id: model for model in listed}
    names = known if wanted == AUTO else (wanted,)
    return next((offered[name] for name in names if name in offered), None)
