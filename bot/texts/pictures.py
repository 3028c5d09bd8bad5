"""Texts of pictures that an image model makes: their buttons, and what is asked for.

The other texts of a picture are those of a video, with words of their own in the catalogs
(bot/texts/subject.py). It must not know how a picture is made or sent.
"""

from __future__ import annotations

from aiogram.utils.formatting import Text

from bot.core.task import Task
from bot.texts.formatting import message
from bot.texts.i18n import words


def button_draw(lang: str) -> str:
    _ = words(lang)
    return _("🖼 Picture first")


def button_change(lang: str) -> str:
    _ = words(lang)
    return _("🖌 Change the photo")


def button_use(lang: str) -> str:
    _ = words(lang)
    return _("🎬 Make a video from it")


def press_draw(lang: str) -> str:
    _ = words(lang)
    return _("Here is the card of a picture. Nothing is ordered until you choose an aspect ratio.")


def press_change(lang: str) -> str:
    _ = words(lang)
    return _("Write what should change.")


def press_use(lang: str) -> str:
    _ = words(lang)
    return _("Here is the card of a video that starts with this picture.")


def press_off(lang: str) -> str:
    _ = words(lang)
    return _("This bot cannot make pictures at the moment. Nothing was ordered.")


def press_only_words(lang: str) -> str:
    _ = words(lang)
    return _("This bot makes pictures from words only. Nothing was ordered.")


def change_wanted(lang: str, *, in_group: bool) -> Text:
    """Asks for the words with which a photo is changed."""
    _ = words(lang)
    return message(
        "🖌",
        _("Write what should change in the picture."),
        _("For example: it is night, and snow is falling."),
        _("You will see a card with the price before anything is ordered.")
        if _.money
        else _("You will see a card before anything is ordered."),
        _("In a group, send it as a reply to this message.") if in_group else None,
    )


def of_card(lang: str, task: Task) -> str:
    """On the card of a picture: what becomes of it."""
    _ = words(lang)
    if task.frame is None:
        return _("🖼 The picture that you choose becomes the first frame of your video.")
    return _("🖌 The picture is changed as you wrote; edges that do not fit are cut off.")


def counts(lang: str) -> str:
    """To a guest, whose videos are counted."""
    _ = words(lang)
    return _("🎟 Each picture counts as one of your videos.")


def first_frame(lang: str) -> str:
    """On the card of a video that starts with a picture of an image model."""
    _ = words(lang)
    return _("🖼 The picture is the first frame.")
