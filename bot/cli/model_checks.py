"""Checks of the balance and of every model: videos, pictures, translation, ideas, voice, stories.

They ask the provider and the transcription service for lists; nothing is ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.cli.findings import Level, Words, address
from bot.core.chat_models import AUTO, KNOWN, KNOWN_SEEING, ChatModel, choose
from bot.core.errors import ProviderError
from bot.operator.price_check import differences
from bot.operator.translation import picture_cost, prompt_cost, story_cost
from bot.provider.client import Gptunnel
from bot.settings import Settings
from bot.wiring import connect_transcriber


async def balance(provider: Gptunnel, settings: Settings) -> Words:
    """Say how many videos the balance pays for."""
    funds = await provider.balance()
    price = settings.default_model.price
    words = f"{funds:.2f} ₽ for {max(int(funds // price), 0)} videos of {price} ₽"
    return (Level.OK if funds >= price else Level.FAIL), words


async def model(provider: Gptunnel, settings: Settings) -> Words:
    """Compare our models and prices with the list of the provider."""
    own = settings.default_model
    try:
        listed = await provider.prices()
    except ProviderError:
        return Level.NOTE, f"{own.id}: the provider's list does not answer; {own.price} ₽ here"
    if own.id not in listed:
        return Level.FAIL, f"{own.id}: the provider no longer has it (MODEL)"
    image = settings.image_model
    if image and image not in listed:
        return Level.FAIL, f"{image}: the provider no longer has it (IMAGE_MODEL)"
    if lines := differences(settings.priced_models, listed):
        return Level.FAIL, f"other prices there (here → there): {'; '.join(lines)}"
    drawing = settings.drawing_model
    pictures = f"; pictures by {drawing.id}, {drawing.price} ₽" if drawing else ""
    return Level.OK, f"{own.id}, {own.price} ₽{pictures}; every price as the provider's"


async def translation(provider: Gptunnel, settings: Settings) -> Words:
    """Say which model translates prompts."""
    return await _chat_model(
        provider, "TRANSLATE_MODEL", settings.translate_model, KNOWN, prompt_cost
    )


async def vision(provider: Gptunnel, settings: Settings) -> Words:
    """Say which model looks at photos."""
    return await _chat_model(
        provider, "VISION_MODEL", settings.vision_model, KNOWN_SEEING, picture_cost
    )


async def stories(provider: Gptunnel, settings: Settings) -> Words:
    """Say which model proposes scenes."""
    return await _chat_model(provider, "STORY_MODEL", settings.story_model, KNOWN, story_cost)


async def _chat_model(
    provider: Gptunnel,
    setting: str,
    wanted: str,
    known: Sequence[str],
    cost: Callable[[ChatModel], str],
) -> Words:
    """Say which chat model a setting leads to, and what one use costs."""
    if not wanted:
        return Level.OK, f"off ({setting} is empty)"
    try:
        found = choose(wanted, await provider.chat_models(), known)
    except ProviderError as exc:
        return Level.NOTE, f"{wanted}: the list of chat models does not answer ({exc})"
    if found is not None:
        return Level.OK, f"by {found.id}, {cost(found)}"
    if wanted == AUTO:
        return Level.NOTE, f"off: GPTunnel lists none of {', '.join(known)}"
    return Level.NOTE, f"{wanted}: GPTunnel does not list it ({setting})"


async def voice(settings: Settings) -> Words:
    """Send a second of silence to the transcription service; a model that runs on this machine is
    not loaded."""
    transcriber = connect_transcriber(settings)
    if transcriber is None:
        return Level.OK, "off (TRANSCRIBE_MODEL is empty)"
    if settings.hears_here:
        return Level.OK, f"{settings.transcribe_model} on this machine; a start loads it once"
    try:
        wrong = await transcriber.check()
    finally:
        await transcriber.close()
    where = address("TRANSCRIBE_URL", settings.transcribe_url)
    if wrong:
        return Level.NOTE, f"{settings.transcribe_model}: {wrong} ({where})"
    return Level.OK, f"{settings.transcribe_model} answers ({where})"
