"""Texts of templates: ready scenes that take a person's own photo.

It must not know how a photo is awaited.
"""

from __future__ import annotations

from aiogram.utils.formatting import Bold, Text

from bot.texts.formatting import message
from bot.texts.i18n import fill, words


def ask_photo(lang: str, title: str, *, in_group: bool) -> Text:
    """Asks for the photo of a template."""
    _ = words(lang)
    return message(
        "📷",
        fill(_("Send the photo for “{title}”."), title=Bold(title)),
        _(
            "You will see a card before anything is ordered. With words of your own below the "
            "photo, they are used instead."
        ),
        _("In a group, send it as a reply to this message.") if in_group else None,
    )


def dropped(lang: str) -> Text:
    """The person no longer wants to send a photo."""
    _ = words(lang)
    return message("👌", _("I no longer wait for a photo."), _("Nothing was ordered."))


def button_take(lang: str) -> str:
    _ = words(lang)
    return _("📷 Use my photo")


def button_drop(lang: str) -> str:
    _ = words(lang)
    return _("No photo")


def button_others(lang: str, *, with_photo: bool) -> str:
    """Leads to the other kind of scenes."""
    _ = words(lang)
    return _("📷 Scenes with your photo") if with_photo else _("✍️ Scenes from words")
