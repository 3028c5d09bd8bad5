"""Choose the chat models that translate prompts, look at photos and tell stories, from what is
offered.

In the background: a list that is late or missing delays nothing, and until it is there prompts go
out as they are written, photos get no suggestions and people write the scenes of films. It must
not know how a model is asked.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Protocol

from bot.core.chat_models import AUTO, KNOWN, ChatModel, choose
from bot.core.clock import Sleep
from bot.core.errors import ProviderError
from bot.core.schedule import back_off

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 6 * 3600.0
"""The list is read again: models come and go."""
RETRY_FIRST, RETRY_CAP = 5.0, 600.0


class Takes(Protocol):
    """The part of bot.provider.translator that is used here."""

    def take(self, model: str) -> None:
        """Use this model from now on."""


class TranslationModel:
    """Keeps the translator's model up to date; `use`: called with what is used, None: nothing.

    Also the model of others who ask chat models: `what` names the purpose in the log, `known` are
    the models for AUTO, `cost` says what one use costs.
    """

    def __init__(
        self,
        listed: Callable[[], Awaitable[Sequence[ChatModel]]],
        translator: Takes,
        wanted: str,
        use: Callable[[ChatModel | None], None],
        *,
        what: str = "translation",
        known: Sequence[str] = KNOWN,
        cost: Callable[[ChatModel], str] | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._what = what
        self._known = known
        self._cost = cost or prompt_cost
        self._listed = listed
        self._translator = translator
        self._wanted = wanted
        self._use = use
        self._sleep = sleep
        self._told: ChatModel | str | None = None

    async def run(self) -> None:
        """Choose now and four times a day; runs until cancelled."""
        while True:
            for failures in range(1, sys.maxsize):
                try:
                    self._choose(await self._listed())
                    break
                except ProviderError as exc:
                    logger.info("the list of chat models is not known yet: %s", exc)
                    await self._sleep(back_off(failures, first=RETRY_FIRST, cap=RETRY_CAP))
            await self._sleep(AGAIN_SECONDS)

    def _choose(self, listed: Sequence[ChatModel]) -> None:
        found = choose(self._wanted, listed, self._known)
        if found is not None:
            self._translator.take(found.id)
            self._use(found)
        elif self._wanted == AUTO:
            self._use(None)
        self._tell(found)

    def _tell(self, found: ChatModel | None) -> None:
        """Log what changed, once."""
        if found is not None:
            if found == self._told:
                return
            self._told = found
            logger.info("%s: by %s, %s", self._what, found.id, self._cost(found))
        elif self._told != "none":
            self._told = "none"
            missing = ", ".join(self._known) if self._wanted == AUTO else self._wanted
            logger.warning(
                "%s: %s; GPTunnel does not list %s",
                self._what,
                "off" if self._wanted == AUTO else "may fail",
                missing,
            )


def prompt_cost(model: ChatModel) -> str:
    """What a translation costs, for the log and the terminal."""
    return _about(model.price, "prompt")


def picture_cost(model: ChatModel) -> str:
    """What the suggestions for a photo cost, for the log and the terminal."""
    return _about(model.picture_price, "photo")


def story_cost(model: ChatModel) -> str:
    """What the scenes of a film cost, for the log and the terminal."""
    return _about(model.story_price, "film")


def _about(price: Decimal | None, what: str) -> str:
    return "its price is not known" if price is None else f"about {price:.2f} ₽ a {what}"
