"""Turn a Telegram update into one action and an answer; one router per module.

After a crash a handler may run again for the same update. The action takes effect once, but an
answer may be sent twice. Handlers must not know the worker or the provider.
"""

from __future__ import annotations

from aiogram import Router
from aiogram.filters import Command

from handlers import (
    access,
    admin,
    card,
    commands,
    data,
    drawing,
    edited,
    examples,
    fallback,
    film,
    film_order,
    first_steps,
    gifts,
    groups,
    history,
    inline,
    membership,
    options,
    people,
    picture,
    prompt,
    reports,
    result,
    retry,
    settings,
    stars,
    stopped,
    storyboard,
    storyboard_buttons,
    suggestions,
    voice,
)
from handlers.gate import Gate, LimitAnswers
from handlers.middlewares import InputErrorAnswers, Person


def build_router() -> Router:
    """Return all routers in order; the first that accepts an update handles it."""
    root = Router(name="handlers")
    for observer in (root.message, root.edited_message, root.callback_query, root.inline_query):
        # Inner middlewares: in groups, people who did not address the bot are not recorded.
        observer.middleware(Gate())
        observer.middleware(Person())
        observer.middleware(InputErrorAnswers())
        observer.middleware(LimitAnswers())
    root.pre_checkout_query.middleware(Gate())
    root.pre_checkout_query.middleware(Person())
    root.include_router(first_steps.router())
    root.include_router(access.router())
    root.include_router(admin.router())
    root.include_router(people.router())
    root.include_router(reports.router())
    root.include_router(stars.router())
    root.include_router(gifts.router())
    for module in (
        commands, settings, examples, groups, edited, storyboard, storyboard_buttons, prompt,
        voice, picture, suggestions, card, options, retry, drawing, result, film, film_order,
        history, data, inline, stopped, membership, fallback,
    ):  # fmt: skip
        root.include_router(module.router())
    _take_commands_in_any_case(root)
    return root


def _take_commands_in_any_case(root: Router) -> None:
    """Accept commands in upper and lower case: keyboards of phones write /Start, and Telegram
    makes it a link. aiogram accepts only the exact command by default."""
    for router in root.chain_tail:
        for observer in (router.message, router.edited_message):
            for handler in observer.handlers:
                for one in handler.filters or ():
                    if isinstance(one.callback, Command):
                        one.callback.ignore_case = True
