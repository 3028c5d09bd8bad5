"""Texts of suggestions: what could happen in the video of a photo that came without words.

The suggestions themselves are written by a model and appear only on buttons.
"""

from __future__ import annotations

from aiogram.utils.formatting import Text

from bot.texts.formatting import message
from bot.texts.i18n import words


def frame_kept(lang: str, *, is_album: bool, asks_consent: bool) -> Text:
    """Asks for the prompt of a photo and offers suggestions; with `asks_consent`, the press on
    the button gives consent."""
    _ = words(lang)
    return message(
        "🗂" if is_album else "🖼",
        _("Got the album: only the picture I am replying to is used.")
        if is_album
        else _("Got the photo."),
        _("Now write what should happen in the video, or press 💡 for ideas."),
        _(
            "🔒 By pressing 💡 you agree that a small copy of your photo is sent to the video "
            "service GPTunnel. More: /privacy"
        )
        if asks_consent
        else None,
    )


def found(lang: str, *, is_album: bool) -> Text:
    """Above the suggestions."""
    _ = words(lang)
    return message(
        "🗂" if is_album else "🖼",
        _("Got the album: only the picture I am replying to is used.")
        if is_album
        else _("Got the photo."),
        _("Choose what should happen in the video, or write your own."),
        _("You will see a card before anything is ordered."),
    )


def none_found(lang: str) -> Text:
    """The model gave no usable answer."""
    _ = words(lang)
    return message(
        "🤔",
        _("No ideas came for this photo."),
        _("Write what should happen in the video, or try again with 💡. Nothing was ordered."),
    )


def press_looking(lang: str) -> str:
    _ = words(lang)
    return _("Looking at the photo…")


def press_off(lang: str) -> str:
    """The operator switched suggestions off, or they were deleted."""
    _ = words(lang)
    return _("There are no ideas for this photo any more. Write what should happen in the video.")


def press_own(lang: str) -> str:
    _ = words(lang)
    return _(
        "Write as a message what should happen in the video. In a group, send it as a reply to "
        "this message."
    )


def button_ideas(lang: str) -> str:
    _ = words(lang)
    return _("💡 Ideas for this photo")


def button_own(lang: str) -> str:
    _ = words(lang)
    return _("✍️ Write your own")
