"""Telegram update -> one wish -> answer; one router a module.

Handlers may be run again for the same update after a crash: a wish that was granted is granted
once, and what was said may be said twice. They must not know the worker or the provider.
"""

from __future__ import annotations

from aiogram import Router

from handlers import (
    access,
    admin,
    card,
    commands,
    data,
    edited,
    examples,
    fallback,
    groups,
    history,
    inline,
    options,
    picture,
    prompt,
    result,
    retry,
    settings,
    stars,
    stopped,
)
from handlers.gate import Gate, WordsForLimits
from handlers.middlewares import Person, WordsForProblems


def build_router() -> Router:
    """All routers in the order in which they are asked; the first that takes an update has it."""
    root = Router(name="handlers")
    for observer in (root.message, root.edited_message, root.callback_query, root.inline_query):
        # Inner ones: people who were not talking to the bot are not written down.
        observer.middleware(Gate())
        observer.middleware(Person())
        observer.middleware(WordsForProblems())
        observer.middleware(WordsForLimits())
    root.pre_checkout_query.middleware(Gate())
    root.pre_checkout_query.middleware(Person())
    root.include_router(access.router())
    root.include_router(admin.router())
    root.include_router(stars.router())
    for module in (
        commands, settings, examples, groups, edited, prompt, picture, card,
        options, retry, result, history, data, inline, stopped, fallback,
    ):  # fmt: skip
        root.include_router(module.router())
    return root
