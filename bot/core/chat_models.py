"""The chat models that translate prompts and tell stories: which one is taken, what it costs.

Pure: it must not know HTTP, Telegram or the texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

AUTO = "auto"
"""TRANSLATE_MODEL, STORY_MODEL: the first of KNOWN that the provider offers."""
KNOWN = ("gpt-4.1-mini", "gpt-4o-mini", "deepseek-chat", "gpt-4.1-nano", "gpt-4o")
"""Models that translate well for little, the best first (docs/provider.md: "Other calls")."""
TOKENS_READ, TOKENS_WRITTEN = 300, 100
"""Of one translation, by counting: the instruction and a prompt of 60 Russian words; 60 English
words."""
STORY_READ, STORY_WRITTEN = 350, 700
"""Of one story, by counting: the instruction and an idea; six scenes in Russian with their
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
    def story_price(self) -> Decimal | None:
        """Roubles for the scenes of one film, about; None: the provider does not say."""
        if self.read is None or self.written is None:
            return None
        return (self.read * STORY_READ + self.written * STORY_WRITTEN) / 1000


def choose(wanted: str, listed: Iterable[ChatModel]) -> ChatModel | None:
    """Return the wanted model, or with AUTO the first known one; None: it is not offered."""
    offered = {model.id: model for model in listed}
    names = KNOWN if wanted == AUTO else (wanted,)
    return next((offered[name] for name in names if name in offered), None)
