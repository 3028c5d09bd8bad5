"""Texts of a finished video and of its buttons.

It must not know how a video is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from aiogram.utils.formatting import (
    Text,
    TextLink,
)

from bot.core.task import Task
from bot.texts.formatting import CAPTION_LIMIT, lines, message, model_line, price_of_all, quoted
from bot.texts.i18n import fill, words


def caption(task: Task, videos: int = 1, *, as_file: bool = False) -> Text:
    """Below the finished video, or below an album of several; `as_file`: it is a document."""
    _ = words(task.lang)
    facts = []
    if task.confirmed_at and task.rendered_at:
        took = (task.rendered_at - task.confirmed_at).total_seconds()
        facts.append(f"⏱ {_.duration(took)}")
    if _.money:
        facts.append(f"💳 {price_of_all(_, task, videos)}")
    why = None
    if task.redirected:
        why = _("📬 Telegram does not let me send it to the chat where you ordered it.")
    kind = None
    if as_file or task.video_is_document:
        kind = _("📄 Telegram does not play this kind of video, so it comes as a file.")
    rest = lines(model_line(_, task), " · ".join(facts) or None, kind, why)
    return quoted(task.own_words or "", rest, limit=CAPTION_LIMIT)


def album(lang: str, number: int, count: int) -> Text:
    """Above the buttons of an album: the number of the chosen video, counted from 1."""
    _ = words(lang)
    if count == 1:
        return Text(_("👆 The buttons of this video:"))
    return Text(
        _("👆 Buttons of video {number} of {count}. For another one, press its number.").format(
            number=number, count=count
        )
    )


def video_link(lang: str, url: str) -> Text:
    """The video is too big for Telegram; with a link."""
    _ = words(lang)
    return message(
        "🔗",
        _("Your video is ready, but too big for Telegram."),
        fill(_("Here it is: {link}"), link=TextLink(_("download the video"), url=url)),
        _("Save it today: the link works for about a day."),
    )


def press_retried(lang: str) -> str:
    _ = words(lang)
    return _("Ordered again. Your video will arrive here.")


def press_sending(lang: str) -> str:
    _ = words(lang)
    return _("Sending it…")


def button_retry(lang: str, price: Decimal) -> str:
    _ = words(lang)
    if not _.money:
        return _("Order again")
    return _("Order again · {price}").format(price=_.price(price))


def button_redeliver(lang: str) -> str:
    _ = words(lang)
    return _("Send the video")


def button_again(lang: str, price: Decimal | None = None) -> str:
    """The label of the button to order again; with a price it orders at once, without one it opens
    a card.
    """
    _ = words(lang)
    if price is None:
        return _("🔁 Again")
    if not _.money:
        return _("🔁 Order again")
    return _("🔁 Again · {price}").format(price=_.price(price))


def button_edit_prompt(lang: str) -> str:
    _ = words(lang)
    return _("✏️ Change prompt")


def button_edit(lang: str) -> str:
    """The short label below a video."""
    _ = words(lang)
    return _("✏️ Edit")


def button_more(lang: str) -> str:
    _ = words(lang)
    return _("⋯ More")


def button_less(lang: str) -> str:
    _ = words(lang)
    return _("⋯ Less")


def button_ratio(lang: str) -> str:
    _ = words(lang)
    return _("📐 Other ratio")


def button_continue(lang: str) -> str:
    _ = words(lang)
    return _("🎞 Continue")


def button_file(lang: str) -> str:
    _ = words(lang)
    return _("📄 As a file")


def button_frameless(lang: str) -> str:
    _ = words(lang)
    return _("✍️ Without the photo")


def button_delete(lang: str) -> str:
    _ = words(lang)
    return _("🗑 Delete")


def button_forget(lang: str) -> str:
    _ = words(lang)
    return _("🗑 Delete for good")


def button_copy(lang: str) -> str:
    _ = words(lang)
    return _("📋 Copy prompt")


BUTTONS: dict[str, Callable[[str], str]] = {  # bot.texts.callback_data.Act
    "a": button_again,
    "w": button_edit_prompt,
    "r": button_ratio,
    "f": button_continue,
    "d": button_file,
    "n": button_frameless,
    "x": button_delete,
    "z": button_forget,
    "m": button_more,
    "l": button_less,
    "o": button_more,
    "p": button_less,
}


def press_card(lang: str) -> str:
    _ = words(lang)
    return _("Here is a new card. Nothing is ordered until you choose an aspect ratio.")


def press_opened(lang: str) -> str:
    """Answer the second tap of a double tap on a button that opens a card or asks for a text."""
    _ = words(lang)
    return _("It is already open: see the message below.")


def press_edit_prompt(lang: str) -> str:
    _ = words(lang)
    return _("Write the new prompt.")


def press_continue(lang: str) -> str:
    _ = words(lang)
    return _("Taking the last frame…")


def press_file(lang: str) -> str:
    _ = words(lang)
    return _("Sending the file…")


def press_running(lang: str) -> str:
    """Answers a press on a button whose order is still under way."""
    _ = words(lang)
    return _("It is already being made again. Press again when that video is ready.")


def press_deleted(lang: str) -> str:
    _ = words(lang)
    return _("Deleted from the chat. The video is still in /history.")


def press_by_hand(lang: str) -> str:
    """The message is too old to delete: deleteMessage accepts messages of the last 48 hours (Bot
    API).
    """
    _ = words(lang)
    return _(
        "Telegram no longer lets me delete this message. Please hold it down "
        "and delete it yourself."
    )


def press_forgotten(lang: str) -> str:
    _ = words(lang)
    return _("Deleted for good.")


def press_not_over(lang: str) -> str:
    _ = words(lang)
    return _("This order is still in progress. Delete it when it is finished.")


def press_photos_off(lang: str) -> str:
    _ = words(lang)
    return _("Videos cannot start from a picture in this bot at the moment.")


def video_too_big(lang: str) -> Text:
    """The file is larger than getFile allows (Bot API: 20 MB)."""
    _ = words(lang)
    return message(
        "📦",
        _("This video is over 20 MB, and Telegram does not let me download it."),
        _("To save it as a file, hold the video down and choose “Save”. Nothing was charged.")
        if _.money
        else _("To save it as a file, hold the video down and choose “Save”."),
    )


def video_gone(lang: str) -> Text:
    """The file is missing, or Telegram no longer has it."""
    _ = words(lang)
    return message(
        "🤷",
        _("Telegram no longer has this video."),
        _("Nothing was charged. You can make it again with 🔁: that is a new order.")
        if _.money
        else _("You can make it again with 🔁: that is a new order."),
    )
