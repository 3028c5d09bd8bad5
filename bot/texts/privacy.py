"""Texts about personal data: which data is stored, who sees it, how it is deleted.

It must not know how data is stored.
"""

from __future__ import annotations

from aiogram.utils.formatting import (
    Bold,
    Text,
)

from bot.core.gifts import FRIEND_DAYS
from bot.texts.formatting import lines, message
from bot.texts.i18n import fill, words


def privacy(
    lang: str,
    days: int = 0,
    tunnel: str = "",
    *,
    ideas: bool = False,
    voice: str | None = None,
    refers: bool = False,
) -> Text:
    """`days` after which finished orders are deleted (0: never); `tunnel`: the owner of the tunnel
    for photos; `ideas`: a chat model suggests what could happen in a photo;
    `voice`: the host that turns speech into text ("": this machine, None: nobody);
    `refers`: people invite each other.
    """
    _ = words(lang)
    return lines(
        Bold(_("What is stored and who sees it")),
        _(
            "• Stored here: your Telegram user ID, name, @name and language, your "
            "prompts, your orders with time and price, and Telegram's references "
            "to your photos and videos."
        ),
        _(
            "• Photos are not stored. A copy, cut to the aspect ratio and without "
            "location or camera data, exists only while your video is being made."
        ),
        _(
            "• The video service GPTunnel receives the prompt and that copy of the "
            "photo. It does not receive your name, your user ID or anything else "
            "you write."
        ),
        _(
            "• If you ask for ideas, GPTunnel also receives a small copy of the photo before "
            "you order. Once you have agreed, that happens with each photo that you send "
            "without words."
        )
        if ideas
        else None,
        fill(
            _(
                "• A voice message, or the sound of a video note, goes to {host}, which turns "
                "it into text. It is not stored here."
            ),
            host=voice,
        )
        if voice
        else None,
        _(
            "• A voice message, or the sound of a video note, is turned into text on this "
            "machine and not stored."
        )
        if voice == ""
        else None,
        fill(
            _(
                "• The copy of the photo goes to GPTunnel through a tunnel. Its owner, {owner}, "
                "passes the picture on and could see it."
            ),
            owner=tunnel,
        )
        if tunnel
        else None,
        _(
            "• Nobody else receives anything. A video that cannot be sent is kept "
            "here until it reaches your chat; a sent video is only in the chat."
        ),
        fill(_("• A finished order is deleted after {days}."), days=_.days(days))
        if days
        else None,
        _("• Who invited you is kept until your first video, {days} at most.").format(
            days=_.days(FRIEND_DAYS)
        )
        if refers
        else None,
        _("• /delete_me deletes everything about you, immediately and permanently."),
    )


def delete_me(lang: str) -> Text:
    """Asks to confirm the deletion."""
    _ = words(lang)
    return message(
        "🗑",
        _("Delete everything that is stored about you?"),
        _(
            "Your prompts, orders, photos, kept videos and settings are deleted "
            "permanently, also from /history. Videos in the chat stay there."
        ),
        _(
            "A video that is being made is paid for and will not arrive. Waiting "
            "orders are cancelled, and no money is taken for them."
        )
        if _.money
        else _("A video that is being made will not arrive, and waiting orders are cancelled."),
    )


def deleted_me(lang: str, *, asks: bool = False) -> Text:
    """`asks`: a request for access has no answer yet."""
    _ = words(lang)
    return message(
        "🗑",
        _("Deleted: your prompts, pictures, orders and settings."),
        _(
            "What stays: the accounting, which is amounts under your Telegram user "
            "ID, and whether you may use this bot."
        ),
        _(
            "Your request for access also stays, without your name, until it is answered. You "
            "do not have to ask again."
        )
        if asks
        else None,
        _("If you write to me again, you start as a new user."),
    )


def kept_me(lang: str) -> Text:
    _ = words(lang)
    return message("👌", _("Nothing was deleted."), _("Everything is as it was."))


def button_delete_me(lang: str) -> str:
    _ = words(lang)
    return _("Delete everything")


def button_keep_me(lang: str) -> str:
    _ = words(lang)
    return _("Keep it")
