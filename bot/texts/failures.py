"""Texts that explain failures and bad input: what happened, who pays, what to do next.

It must not know where a failure comes from.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from aiogram.utils.formatting import (
    Text,
)

from bot.core.task import Charge, Problem, Reason
from bot.texts.formatting import N_, message
from bot.texts.i18n import fill, words

_AGAIN = N_("If you still want the video, send the prompt again: that will be a new order.")
_LATER = N_("Please try again later: send the prompt once more.")
_REWORD = N_("Change the prompt or the photo, and send it again.")
_CAREFUL = N_(
    "Please change the prompt or the photo. Do not send the same again: repeated refusals can get"
    " the whole bot blocked at the service."
)
_TOLD = N_("The people who run this bot can see the error. You can send the prompt again.")
_OTHERWISE = N_(
    "Send the prompt again, preferably in slightly different words: that is a new order."
)
_SENT_AGAIN = frozenset({_AGAIN, _LATER, _REWORD, _TOLD, _OTHERWISE})
REASONS: dict[Reason, tuple[str, str]] = {  # the event, and what to do next
    Reason.SENSITIVE_CONTENT: (
        N_("The video service found forbidden content in the prompt or the photo and refused."),
        _CAREFUL,
    ),
    Reason.UNSAFE_PROMPT: (
        N_("The prompt did not pass the video service's safety check."),
        _CAREFUL,
    ),
    Reason.INVALID_INPUT: (
        N_("The video service did not accept this prompt or photo."),
        _REWORD,
    ),
    Reason.MODEL_GONE: (
        N_("The video service no longer offers this model."),
        N_("The people who run this bot have to choose another one. Please come back later."),
    ),
    Reason.PROVIDER_REFUSED: (
        N_("The video service refused the order and did not say why."),
        _LATER,
    ),
    Reason.PROVIDER_FAILED: (
        N_("The video service started your video but could not finish it."),
        _OTHERWISE,
    ),
    Reason.PROVIDER_FORGOT: (
        N_("The video service accepted your order and then lost it."),
        _AGAIN,
    ),
    Reason.NO_RESULT: (
        N_("The video service says that the video is ready, but provides no file."),
        _AGAIN,
    ),
    Reason.NEVER_FINISHED: (
        N_("I waited for your video for a whole day, and it did not arrive."),
        _AGAIN,
    ),
    Reason.PROVIDER_UNAVAILABLE: (
        N_("The video service accepted no orders for a whole day."),
        _LATER,
    ),
    Reason.FRAME_UNAVAILABLE: (
        N_("Telegram no longer has your photo."),
        N_("Send the photo again, with the prompt as its caption."),
    ),
    Reason.FRAME_UNUSABLE: (
        N_("Your file is not a usable picture."),
        N_("Send another photo, with the prompt as its caption."),
    ),
    Reason.FRAMES_OFF: (
        N_("Photos cannot be used right now."),
        N_("Send the prompt without a photo."),
    ),
    Reason.FRAME_UNFETCHED: (
        N_("The video service could not get your photo from this bot, so it made no video."),
        N_(
            "The people who run this bot were told. Send the prompt without a photo, or try the "
            "photo again later."
        ),
    ),
    Reason.ANSWER_LOST: (
        N_("The connection broke while your order was being sent."),
        _AGAIN,
    ),
    Reason.CHAT_UNREACHABLE: (
        N_("Telegram did not let me write to this chat."),
        N_("Allow the bot to write here, then send the prompt again."),
    ),
    Reason.CHAT_LEFT: (
        N_("The bot was blocked, or removed from the group, before your order was sent."),
        _AGAIN,
    ),
    Reason.RESULT_GONE: (
        N_("The video was made, but the service no longer provides the file."),
        _AGAIN,
    ),
    Reason.RESULT_REFUSED: (
        N_("The service gave a link to the video that is not safe to open."),
        _TOLD,
    ),
    Reason.RESULT_UNUSABLE: (
        N_("The file from the service is not a video."),
        _AGAIN,
    ),
    Reason.SET_ASIDE: (
        N_("Something in this order broke the bot several times, so it was set aside."),
        N_("The people who run this bot can see the error. Try another prompt or photo."),
    ),
}
CHARGES: dict[Charge, str] = {
    Charge.NONE: N_("💳 No money was taken."),
    Charge.TAKEN: N_("💳 The money for this video is spent."),
    Charge.UNKNOWN: N_("💳 Whether money was taken is not known: the service does not tell us."),
    Charge.RETURNED: N_("💳 You pay nothing: what you paid for this video goes back to you."),
}


GUEST_CHARGES: dict[Charge, str] = {  # to somebody who does not pay
    Charge.NONE: N_("🎟 It does not count against your videos."),
    Charge.TAKEN: N_("🎟 It counts as one of your videos."),
    Charge.UNKNOWN: N_("🎟 It may count as one of your videos: the service does not tell us."),
    Charge.RETURNED: N_("🎟 It does not count against your videos."),
}


def failure(
    lang: str, reason: Reason, charge: Charge, strikes: int = 0, *, part: bool = False
) -> Text:
    """No video: what happened, whether money was taken, what to do next.

    `strikes`: how often moderation refused this person. `part`: whether it is a part of a film.
    Then the film's own button continues it; a prompt that is sent again would only make a
    separate video.
    """
    _ = words(lang)
    happened, advice = REASONS[reason]
    return message(
        "😔",
        _("There is no video."),
        _(happened),
        _((CHARGES if _.money else GUEST_CHARGES)[charge]),
        None if part and advice in _SENT_AGAIN else _(advice),
        fill(_("⚠️ Your orders refused so far: {count}."), count=str(strikes))
        if strikes > 1
        else None,
    )


def unknown(lang: str, price: Decimal) -> Text:
    """The answer to the create was lost; with a button to order again knowingly."""
    _ = words(lang)
    return message(
        "❓",
        _("It is not known whether your order was accepted."),
        _("The connection broke while it was being sent to the video service."),
        fill(
            _(
                "💳 It is not known whether {price} was taken, so the order is not "
                "repeated automatically."
            ),
            price=_.price(price),
        )
        if _.money
        else _(
            "🎟 It is not repeated automatically, because the first one may have been accepted."
        ),
        _(
            "You can order it again with the button below. If the first order was "
            "accepted, it is paid for as well."
        )
        if _.money
        else _(
            "You can order it again with the button below. If the first order was "
            "accepted, both count as your videos."
        ),
    )


def back_in_queue(lang: str) -> Text:
    """The balance shows that an order in doubt was not accepted: it is sent again."""
    _ = words(lang)
    return message(
        "🔁",
        _("Your order is back in the queue."),
        _("It is certain now that the video service did not accept it."),
        _("💳 Nothing was taken for it. The video starts by itself: you need not order it again.")
        if _.money
        else _("🎟 It counts as one video only. It starts by itself: you need not order it again."),
    )


def charged(lang: str, price: Decimal) -> Text:
    """The balance shows that an order in doubt was accepted; an admin has to find its ID."""
    _ = words(lang)
    return message(
        "🔎",
        _("Your order was accepted."),
        fill(_("💳 {price} was taken for it, so the video is being made."), price=_.price(price))
        if _.money
        else _("🎟 It counts as one of your videos, which is being made."),
        _(
            "The operator was asked to find it; then it arrives here. Do not order it again: "
            "you would get it twice."
        ),
    )


def undeliverable(
    lang: str,
    reason: Reason = Reason.CHAT_UNREACHABLE,
    *,
    elsewhere: bool = False,
    in_group: bool = False,
) -> Text:
    """A video did not reach the chat; with a button to try again.

    `elsewhere`: the text is sent to another chat than that of the order.
    """
    _ = words(lang)
    if reason is Reason.CHAT_UNREACHABLE:
        return message(
            "📦",
            _("Your video is ready, but Telegram does not let me send it to that chat.")
            if elsewhere
            else _("Your video is ready, but I could not send it here."),
            _("💳 It is paid for and it is kept. Press the button to get it: that costs nothing.")
            if _.money
            else _("It is kept for you. Press the button to get it: that is not a new order."),
            _("If it cannot come here, I send it to our private chat: open that first.")
            if in_group
            else None,
        )
    return message(
        "📦",
        _("Your video was made, but I could not get it for you."),
        _(REASONS[reason][0]),
        _("💳 The money for this video is spent.") if _.money else None,
        _("Press the button and I ask the service for the file again: that costs nothing.")
        if _.money
        else _("Press the button and I ask the service for the file again: that is no new order."),
    )


PROBLEMS: dict[Problem, tuple[str, str]] = {  # the problem, and what to do
    Problem.EMPTY_PROMPT: (
        N_("This prompt contains no words."),
        N_("Write what should happen in the video, for example: a cat rides a bicycle."),
    ),
    Problem.PROMPT_TOO_LONG: (
        N_("The prompt is too long: {length} characters; the limit is {limit}."),
        N_("Shorten it and send it again."),
    ),
    Problem.UNSUPPORTED_MESSAGE: (
        N_("I cannot make a video from a message of this kind."),
        N_("Describe in words what should happen in the video. See /help for more."),
    ),
    Problem.PHOTOS_OFF: (
        N_("Photos cannot be used in this bot at the moment."),
        N_("You can describe the scene in words."),
    ),
    Problem.FILE_TOO_BIG: (
        N_("The file is too big: Telegram lets bots read at most 20 MB."),
        N_("Send it as an ordinary photo, not as a file, or make it smaller."),
    ),
    Problem.NOT_AN_IMAGE: (
        N_("This file is not a picture that I can read."),
        N_("Send a photo, or a JPEG, PNG, WebP or HEIC file."),
    ),
    Problem.IMAGE_BOMB: (
        N_("This picture has too many pixels."),
        N_("Make it smaller, or send it as an ordinary photo."),
    ),
    Problem.IMAGE_SIDES: (
        N_("The picture is only {width}×{height} px; each side must have at least {minimum} px."),
        N_("Send a larger picture."),
    ),
    Problem.FILE_UNAVAILABLE: (
        N_("Telegram does not let me download this file."),
        N_("Please send it again."),
    ),
    Problem.VOICE_TOO_LONG: (
        N_("The message is too long: {seconds} s; the limit is {limit} s."),
        N_("Say it in fewer words, or write it. Nothing was ordered."),
    ),
    Problem.VOICE_TOO_BIG: (
        N_("The message is too big: Telegram lets bots read at most 20 MB."),
        N_("Send a shorter one, or write what should happen in the video."),
    ),
    Problem.VOICE_WITHOUT_WORDS: (
        N_("I heard no words in this message."),
        N_("Say it again closer to the microphone, or write it. Nothing was ordered."),
    ),
    Problem.VOICE_UNHEARD: (
        N_("I cannot turn speech into text at the moment."),
        N_("Write what should happen in the video, or try again later. Nothing was ordered."),
    ),
}


def problem(lang: str, problem: Problem, details: dict[str, Any] | None = None) -> Text:
    """The problem with the person's input, and what to do. Nothing was spent."""
    _ = words(lang)
    wrong, advice = PROBLEMS[problem]
    return message("🤔", fill(_(wrong), **(details or {})), _(advice))
