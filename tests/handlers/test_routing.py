"""Every command of the menu and every button has a handler."""

from __future__ import annotations

import inspect

import pytest
from aiogram.filters import Command
from aiogram.filters.callback_data import CallbackQueryFilter

from bot import texts
from bot.core.access import Access
from bot.texts import callback_data
from bot.texts.callback_data import ButtonData
from bot.texts.i18n import LANGUAGES
from handlers import build_router
from tests.handlers.test_wiring import handlers_of
from tests.support.handler_harness import HandlerHarness, Person


def test_every_command_of_the_menu_has_a_handler() -> None:
    handled = {
        command
        for _, handler in handlers_of(build_router())
        for one in handler.filters or ()
        if isinstance(one.callback, Command)
        for command in one.callback.commands
    }
    for lang in LANGUAGES:
        for command, _ in texts.commands.commands(lang, sells=True, is_admin=True):
            assert command in handled, (
                f"/{command} is in bot/texts/commands.py, but no handler in handlers/ has "
                f'Command("{command}")'
            )


def test_every_command_is_taken_in_any_case() -> None:
    for _, handler in handlers_of(build_router()):
        for one in handler.filters or ():
            if isinstance(one.callback, Command):
                assert one.callback.ignore_case
                assert all(str(name) == str(name).casefold() for name in one.callback.commands)


@pytest.mark.parametrize("words", ["/Start", "/HELP", "/Cancel"])
async def test_a_command_in_capitals_is_the_same_command(
    harness: HandlerHarness, ann: Person, words: str
) -> None:
    await harness.feed(**ann.text(words))
    await harness.feed(**ann.text(words.lower()))
    capital, small = harness.telegram.sent
    assert capital.text == small.text
    assert "I do not know this command" not in capital.text
    event = ann.text("/Video A red fox")
    await harness.feed(**event)
    assert harness.task()["prompt"] == "A red fox"
    await harness.feed(edited_message=event["message"] | {"text": "/VIDEO A dog", "edit_date": 2})
    assert harness.task()["prompt"] == "A dog"


def test_every_button_has_a_handler() -> None:
    handled = {
        one.callback.callback_data
        for name, handler in handlers_of(build_router())
        if name == "callback_query"
        for one in handler.filters or ()
        if isinstance(one.callback, CallbackQueryFilter)
    }
    for kind in kinds_of_buttons():
        assert kind in handled, (
            f"{kind.__name__} is in bot/texts/callback_data.py, but no handler in handlers/ is "
            f"registered with {kind.__name__}.filter()"
        )


def kinds_of_buttons() -> list[type[ButtonData]]:
    return [
        kind
        for _, kind in inspect.getmembers(callback_data, inspect.isclass)
        if issubclass(kind, ButtonData) and kind is not ButtonData
    ]


def test_every_button_has_the_base_that_checks_numbers() -> None:
    bases = {kind for _, kind in inspect.getmembers(callback_data, inspect.isclass)}
    assert {kind for kind in bases if hasattr(kind, "__prefix__")} == {
        ButtonData, *kinds_of_buttons(),
    }  # fmt: skip


async def test_forged_buttons_are_pressed_without_effect(
    harness: HandlerHarness, ann: Person
) -> None:
    """Any client can send any data, and numbers that no column holds."""
    harness.dispatcher["access"] = Access(is_open=True, admins=frozenset({1}))
    for person in (ann, Person(harness, user_id=1)):
        for kind in kinds_of_buttons():
            fields = len(kind.model_fields)
            for number in ("9" * 19, "-" + "9" * 30, "-1", "٣", ""):
                for rest in ("1", number):
                    given = [kind.__prefix__, *[number][:fields], *[rest] * (fields - 1)]
                    data = kind.__separator__.join(given)[:64]
                    await harness.feed(**person.press(data))
    assert harness.states() == []
