"""Texts about personal data: what is kept, who sees it, how it is deleted.

It must not know how data is stored.
"""

from __future__ import annotations

from aiogram.utils.formatting import (
    Bold,
    Text,
)

from bot.texts.formatting import lines, message
from bot.texts.i18n import fill, words


def privacy(lang: str, days: int = 0) -> Text:
    """`days` after which finished orders are deleted; 0: never."""
    _ = words(lang)
    return lines(
        Bold(_("What is kept and who sees it")),
        _(
            "• Kept here: your Telegram number, name and language, your prompts, your orders with"
            " time and price, and Telegram's references to your photos and videos."
        ),
        _(
            "• Photos are not kept. A copy, cut to shape and without place or camera data, exists"
            " only while your video is being made."
        ),
        _(
            "• The video service GPTunnel gets the prompt and that copy of the photo. It does not"
            " get your name, your number or anything else you write."
        ),
        _(
            "• Nobody else gets anything. A video that cannot be sent is kept here until it"
            " reaches your chat; a sent one is only in the chat."
        ),
        fill(_("• An order that is over is forgotten after {days}."), days=_.days(days))
        if days
        else None,
        _("• /delete_me deletes everything about you, at once and for good."),
    )


def delete_me(lang: str) -> Text:
    """Asks for the second tap."""
    _ = words(lang)
    return message(
        "🗑",
        _("Delete everything that is kept of you?"),
        _(
            "Your prompts, orders, photos, kept videos and settings go for good, also from"
            " /history. Videos that are in the chat stay there."
        ),
        _(
            "A video that is being made is paid for and will not come. Waiting orders are"
            " cancelled, and no money is taken for them."
        ),
    )


def deleted_me(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🗑",
        _("Deleted: your words, pictures, orders and settings."),
        _(
            "What stays is the bookkeeping, which is sums under your Telegram number, and whether"
            " you may use this bot."
        ),
        _("If you write to me again, I start from the beginning."),
    )


def kept_me(lang: str) -> Text:
    _ = words(lang)
    return message("👌", _("Nothing was deleted."), _("All is as it was."))


def button_delete_me(lang: str) -> str:
    _ = words(lang)
    return _("Delete everything")


def button_keep_me(lang: str) -> str:
    _ = words(lang)
    return _("Keep it")
