"""Every handler can be called with what it is given, and none goes through a thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiogram import Dispatcher, Router
from aiogram.dispatcher.event.handler import HandlerObject
from aiogram.filters import Command
from aiogram.filters.callback_data import CallbackQueryFilter
from aiogram.types import TelegramObject

from handlers import build_router
from handlers.filters import addressed
from handlers.middlewares import Person as PersonMiddleware
from handlers.storyboard import answers_board
from tests.support.handler_harness import HandlerHarness, Person


def handlers_of(router: Router) -> Iterator[tuple[str, HandlerObject]]:
    for one in router.chain_tail:
        for name, observer in one.observers.items():
            for handler in observer.handlers:
                yield name, handler


def given_by(handler: HandlerObject) -> set[str]:
    """What the filters of a handler add to its context."""
    names: set[str] = set()
    for one in handler.filters or ():
        if isinstance(one.callback, Command):
            names.add("command")
        elif isinstance(one.callback, CallbackQueryFilter):
            names.add("callback_data")
        elif one.callback is addressed:
            names.add("words")
        elif one.callback is answers_board:
            names.add("board")
    return names


async def test_every_parameter_of_every_handler_is_provided(
    harness: HandlerHarness, ann: Person
) -> None:
    seen: dict[str, set[str]] = {}

    async def look(event: TelegramObject, **context: Any) -> None:
        seen[type(event).__name__] = set(context)

    probe = Router()
    probe.message.middleware(PersonMiddleware())
    probe.callback_query.middleware(PersonMiddleware())
    probe.inline_query.middleware(PersonMiddleware())
    probe.message.register(look)
    probe.callback_query.register(look)
    probe.inline_query.register(look)
    probe.pre_checkout_query.middleware(PersonMiddleware())
    probe.pre_checkout_query.register(look)
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.workflow_data.update(harness.dispatcher.workflow_data)
    dispatcher.include_router(probe)
    harness.dispatcher = dispatcher
    await harness.feed(**ann.text("A cat"))
    await harness.feed(**ann.press("r|1|1:1", 5))
    await harness.feed(inline_query={"id": "q", "from": ann.user, "query": "", "offset": ""})
    checkout = {"currency": "XTR", "total_amount": 1, "invoice_payload": "p"}
    await harness.feed(pre_checkout_query={"id": "p", "from": ann.user, **checkout})

    events = {
        "message": seen["Message"],
        "pre_checkout_query": seen["PreCheckoutQuery"],
        "edited_message": seen["Message"],
        "callback_query": seen["CallbackQuery"],
        "inline_query": seen["InlineQuery"],
        "stopped_message_generation": seen["InlineQuery"],
        "my_chat_member": seen["InlineQuery"],
    }
    found = list(handlers_of(build_router()))
    assert len(found) > 10
    for event, handler in found:
        first = next(iter(handler.callback.__code__.co_varnames))
        wanted = handler.params - {first}
        missing = wanted - events[event] - given_by(handler)
        assert not missing, f"{handler.callback.__name__}: nobody gives {missing}"


def test_no_handler_and_no_filter_runs_in_a_thread() -> None:
    for _, handler in handlers_of(build_router()):
        assert handler.awaitable, handler.callback
        for one in handler.filters or ():
            assert one.awaitable, (handler.callback, one.callback)


def test_every_requested_kind_of_update_has_a_handler() -> None:
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.include_router(build_router())
    assert set(dispatcher.resolve_used_update_types()) == {
        "message", "edited_message", "callback_query", "inline_query", "pre_checkout_query",
        "stopped_message_generation", "my_chat_member",
    }  # fmt: skip


def test_the_routers_can_be_built_more_than_once() -> None:
    first, second = build_router(), build_router()
    assert [router.name for router in first.sub_routers] == [
        "first_steps", "access", "admin", "people", "reports", "stars", "gifts", "commands",
        "settings", "examples", "groups", "edited", "storyboard", "storyboard buttons", "prompt",
        "voice", "picture", "suggestions", "card", "options", "retry", "drawing", "result", "film",
        "film_order", "history", "data", "inline", "stopped", "membership", "fallback",
    ]  # fmt: skip
    assert not set(first.sub_routers) & set(second.sub_routers)
