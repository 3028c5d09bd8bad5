"""Everything that people read, in every language: one function for each thing that is said.

Handlers and the worker take their words from here. It must not know how they are sent.
Every text is entities (no markup to escape) and fits its place (Bot API: 4096, 1024, 200).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, assert_never

from aiogram.utils.formatting import (
    Bold,
    Code,
    ExpandableBlockQuote,
    Text,
    TextLink,
    as_list,
    sizeof,
)

from bot import texts_operator
from bot.caps import Bound, Cap
from bot.catalog import CATALOG, Model
from bot.i18n import LANGUAGES, Words, fill, words
from bot.notice import Notice, NoticeKind
from bot.schedule import Law
from bot.stars import Package
from bot.task import AspectRatio, Charge, Problem, Reason, Task, TaskState

CAPTION_LIMIT = 1024  # UTF-16 units, as Telegram counts
TEXT_LIMIT = 4096


def N_(message: str) -> str:
    """Marks a message for the catalogs; it is translated where it is said."""
    return message


# --- the order -----------------------------------------------------------------------------


def card(lang: str, task: Task, *, asks_consent: bool = False) -> Text:
    """The draft with its prompt as it will be sent; with a photo it is the photo's caption."""
    _ = words(lang)
    rest = _lines(
        _model_line(_, task),
        fill(_("💳 Price: {price}"), price=Bold(_price_of_all(_, task, task.variants))),
        _("🖼 Your photo is the first frame; the edges that do not fit are cut off.")
        if task.frame
        else None,
        _("🗂 Of the album, the first picture is taken.") if task.media_group_id else None,
        consent(lang) if asks_consent and task.frame else None,
        "",
        _("Choose a shape, and the video gets started:"),
    )
    prompt, limit = task.prompt or "", CAPTION_LIMIT if task.frame else TEXT_LIMIT
    if not (task.original and task.rewritten):
        return _quoted(prompt, rest, limit=limit)
    if prompt == task.original:
        head, other = _("This is sent as you wrote it, and not:"), task.rewritten
    else:
        head, other = _("This is sent. You wrote:"), task.original
    room = limit - sizeof(prompt) - 1 - len(rest) - sizeof(head) - 2
    both = _lines(head, ExpandableBlockQuote(cut(other, room)), rest) if room > 20 else rest
    return _quoted(prompt, both, limit=limit)


def frame_kept(lang: str) -> Text:
    """A photo without words."""
    _ = words(lang)
    return _said("🖼", _("Got the photo."), _("Now write what should happen in the video."))


def album_kept(lang: str) -> Text:
    """Photos without words."""
    _ = words(lang)
    return _said(
        "🗂",
        _("Got the album: the first picture is taken."),
        _("Now write what should happen in the video."),
    )


def settings(lang: str, model: Model, ratio: AspectRatio | None) -> Text:
    """What a new card has."""
    _ = words(lang)
    video = f"{model.title} · {model.quality} · {_.duration(model.seconds)}"
    shape = ratio.value if ratio else _("not chosen")
    return _lines(
        Bold(_("⚙️ Settings")),
        fill(_("Video: {video}, {price}"), video=video, price=Bold(_.price(model.price))),
        fill(_("Shape that is offered first: {ratio}"), ratio=shape),
        "",
        _("New cards begin with these; each card can still be changed. With a photo, the shape"
          " nearest to it is offered first."),
    )  # fmt: skip


def example(lang: str, title: str, prompt: str, place: int, count: int) -> Text:
    """One of the ready scenes; `place` from 1."""
    _ = words(lang)
    return _lines(
        Text("✨ ", Bold(title), f" · {place}/{count}"),
        ExpandableBlockQuote(cut(prompt, CAPTION_LIMIT // 2)),
        _("Take it, and make it yours: answer the card with other words."),
    )


def no_examples(lang: str) -> Text:
    _ = words(lang)
    return _said("✨", _("There are no ready scenes here."), _("Send a prompt to make a video."))


def video_usage(lang: str) -> Text:
    """The command without words."""
    _ = words(lang)
    return _said(
        "🎬",
        _("Write the prompt after the command."),
        _("For example: /video a cat rides a bicycle. As an answer to a photo, it is about that"
          " photo."),
    )  # fmt: skip


def anonymous() -> Text:
    """In every language at once: who writes as a group has none of their own."""
    said = [
        _said(
            "🎭",
            _("You write as the group, so I cannot tell whose order it is."),
            _("Write as yourself: next to the message field, tap the picture and choose your own"
              " name; or turn off “Remain anonymous” in your administrator's rights."),
        )
        for _ in map(words, LANGUAGES)
    ]  # fmt: skip
    return as_list(*said, sep="\n\n")


def caption(task: Task, videos: int = 1) -> Text:
    """Below the finished video, or below an album of so many."""
    _ = words(task.lang)
    facts = []
    if task.confirmed_at and task.rendered_at:
        took = (task.rendered_at - task.confirmed_at).total_seconds()
        facts.append(f"⏱ {_.duration(took)}")
    facts.append(f"💳 {_price_of_all(_, task, videos)}")
    rest = _lines(_model_line(_, task), " · ".join(facts))
    return _quoted(task.prompt or "", rest, limit=CAPTION_LIMIT)


def album(lang: str, number: int, count: int) -> Text:
    """Above the buttons of an album's videos: which one they are about, from 1."""
    _ = words(lang)
    if count == 1:
        return Text(_("👆 The buttons of this video:"))
    return Text(
        _("👆 Buttons of video {number} of {count}. For another one, press its number.").format(
            number=number, count=count
        )
    )


# --- what is going on ----------------------------------------------------------------------


def status_queued(lang: str, task: Task, place: int | None = None) -> Text:
    """`place` 1 is the next one; None when it is not known."""
    _ = words(lang)
    if place is None:
        where = _("Accepted, starting soon.")
    elif place <= 1:
        where = _("Accepted: you are next.")
    else:
        where = _("Accepted: number {place} in the queue.").format(place=place)
    return _said(
        "🕐",
        where,
        _("Until the video gets started, you can cancel for free.")
        if task.state is TaskState.QUEUED
        else None,
        _model_line(_, task),
    )


def status_generating(lang: str, task: Task, *, elapsed: float, law: Law) -> Text:
    """Seconds since the provider took it; how long others took is said once it was learnt."""
    _ = words(lang)
    slow = law.known and elapsed > law.late
    return _said(
        "⏳",
        _("Making your video"),
        fill(_("So far: {duration}"), duration=_.duration(elapsed)) if elapsed >= 1 else None,
        fill(_("Usually: {range}"), range=_range(_, law.early, law.late)) if law.known else None,
        _("It is taking longer than usual, but it is still on its way. No need to do anything.")
        if slow
        else None,
        _model_line(_, task),
    )


def status_sending(lang: str, task: Task) -> Text:
    """The video exists and is on its way into the chat."""
    _ = words(lang)
    return _said("📤", _("The video is ready. Sending it to you…"), _model_line(_, task))


def status_rest(lang: str, videos: int) -> Text:
    """So many of an order are still to come after the others."""
    _ = words(lang)
    return _said(
        "⏳",
        _.plural(
            "{n} more video of this order is on its way.",
            "{n} more videos of this order are on their way.",
            videos,
        ).format(n=videos),
    )


def status_waiting(lang: str, task: Task, *, busy: bool = False) -> Text:
    """Not accepted yet: the operator must act, or the provider is only `busy`."""
    _ = words(lang)
    if busy:
        head = _("The video service is very busy")
        body = _("Your order is kept and no money was taken. I keep trying until it is accepted.")
        return _said("🕐", head, body, _model_line(_, task))
    return held(lang)


# --- notices: what is told outside an update -----------------------------------------------


def notice(notice: Notice) -> Text:
    """The words of any notice.

    What each has in its `params` stands where it is written.
    """
    lang, params = notice.lang, notice.params
    match notice.kind:
        case NoticeKind.FAILED:
            reason, charge = Reason(str(params["reason"])), Charge(str(params["charge"]))
            return failure(lang, reason, charge, int(params.get("strikes") or 0))
        case NoticeKind.UNKNOWN:
            return unknown(lang, Decimal(str(params["price"])))
        case NoticeKind.OVERDUE:
            return overdue(lang)
        case NoticeKind.UNDELIVERABLE:
            return undeliverable(lang, Reason(str(params.get("reason", "chat_unreachable"))))
        case NoticeKind.HELD:
            return held(lang)
        case NoticeKind.ALBUM:
            return album(lang, 1, len(str(params["videos"]).split(".")))
        case NoticeKind.VIDEO_LINK:
            return video_link(lang, str(params["url"]))
        case NoticeKind.ACCESS_ASKED:
            username = params["username"]
            return access_asked(
                lang,
                int(params["user_id"] or 0),
                str(params["name"]),
                None if username is None else str(username),
            )
        case NoticeKind.ACCESS_GRANTED:
            return access_granted(lang)
        case NoticeKind.ACCESS_DENIED:
            return access_denied(lang)
        case NoticeKind.PRICES_DIFFER:
            return prices_differ(lang, str(params["lines"]))
        case NoticeKind.STARS_BACK:
            return stars_back(lang, int(params["stars"] or 0), failed=bool(params["failed"]))
        case NoticeKind.CREDIT_BACK:
            return credit_back(lang, Decimal(str(params["price"])))
        case NoticeKind.STARS_PAID:
            credit = Decimal(str(params["credit"]))
            return stars_paid(lang, int(params["stars"] or 0), credit)
        case NoticeKind.ALERT:
            return texts_operator.alert(lang, params)
        case NoticeKind.ALERT_OVER:
            return texts_operator.alert_over(lang, params)
        case NoticeKind.DRAINED:
            return texts_operator.drained(lang)
    assert_never(notice.kind)


def held(lang: str) -> Text:
    """Only the operator can mend it; the order waits."""
    _ = words(lang)
    return _said(
        "🛠",
        _("A hitch on our side"),
        _(
            "Your order is kept and no money was taken. As soon as we fix it, the video gets"
            " started by itself. No need to send anything again."
        ),
    )


_AGAIN = N_("If you still want the video, send the prompt again: that will be a new order.")
_LATER = N_("Please try again later: send the prompt once more.")
_REWORD = N_("Say it in other words or take another photo, and send it again.")
_CAREFUL = N_(
    "Please change the prompt or the photo. Do not send the same again: repeated refusals can get"
    " the whole bot blocked at the service."
)
_TOLD = N_("The people who run this bot can see it. Send the prompt again if you like.")

REASONS: dict[Reason, tuple[str, str]] = {  # what happened, what to do next
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
        N_("Send the prompt again, better in slightly different words: that is a new order."),
    ),
    Reason.PROVIDER_FORGOT: (
        N_("The video service accepted your order and then lost it."),
        _AGAIN,
    ),
    Reason.NO_RESULT: (
        N_("The video service says that the video is ready, but gives no file."),
        _AGAIN,
    ),
    Reason.NEVER_FINISHED: (
        N_("I asked for your video for a whole day, and it never came."),
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
        N_("Your file turned out not to be a picture that can be used."),
        N_("Send another photo, with the prompt as its caption."),
    ),
    Reason.FRAMES_OFF: (
        N_("Photos cannot be used just now."),
        N_("Send the prompt without a photo."),
    ),
    Reason.ANSWER_LOST: (
        N_("The connection broke while your order was being handed over."),
        _AGAIN,
    ),
    Reason.CHAT_UNREACHABLE: (
        N_("Telegram did not let me write to this chat."),
        N_("Let the bot write here again, then send the prompt once more."),
    ),
    Reason.RESULT_GONE: (
        N_("The video was made, but the service no longer gives the file."),
        _AGAIN,
    ),
    Reason.RESULT_REFUSED: (
        N_("The service gave a link to the video that is not safe to open."),
        _TOLD,
    ),
    Reason.RESULT_UNUSABLE: (
        N_("What the service gave is not a video."),
        _AGAIN,
    ),
    Reason.SET_ASIDE: (
        N_("Something in this order broke the bot several times, so it was set aside."),
        N_("The people who run this bot can see it. Try another prompt or photo."),
    ),
}

CHARGES: dict[Charge, str] = {
    Charge.NONE: N_("💳 No money was taken."),
    Charge.TAKEN: N_("💳 The money for this video is spent."),
    Charge.UNKNOWN: N_("💳 Whether money was taken is not known: the service does not tell us."),
}


def failure(lang: str, reason: Reason, charge: Charge, strikes: int = 0) -> Text:
    """No video: what happened, whether money was taken, what to do next.

    `strikes`: how often this person was refused for what they wanted to see.
    """
    _ = words(lang)
    happened, advice = REASONS[reason]
    return _said(
        "😔",
        _("There is no video."),
        _(happened),
        _(CHARGES[charge]),
        _(advice),
        fill(_("⚠️ Your refusals so far: {count}."), count=str(strikes)) if strikes > 1 else None,
    )


def unknown(lang: str, price: Decimal) -> Text:
    """The create's answer was lost; goes with a button to try again knowingly."""
    _ = words(lang)
    return _said(
        "❓",
        _("It is not known whether your order was accepted."),
        _("The connection broke while it was being handed over to the video service."),
        fill(
            _("💳 Whether {price} was taken is not known, so nothing is repeated by itself."),
            price=_.price(price),
        ),
        _(
            "You can order it once more with the button below. If the first order did go"
            " through, it is paid for as well."
        ),
    )


def overdue(lang: str) -> Text:
    """Past the deadline, still pending."""
    _ = words(lang)
    return _said(
        "⏰",
        _("Your video is taking very long."),
        _("💳 It is already paid for, so I go on asking for it for a day."),
        _("As soon as it is ready, it comes here. No need to order it again."),
    )


def undeliverable(lang: str, reason: Reason = Reason.CHAT_UNREACHABLE) -> Text:
    """There is a video that did not reach the chat; goes with a button to try that again."""
    _ = words(lang)
    if reason is Reason.CHAT_UNREACHABLE:
        return _said(
            "📦",
            _("Your video is ready, but I could not send it here."),
            _("💳 It is paid for and it is kept. Press the button to get it: that costs nothing."),
        )
    return _said(
        "📦",
        _("Your video was made, but I could not get it for you."),
        _(REASONS[reason][0]),
        _("💳 The money for this video is spent."),
        _("With the button, I ask the service for the file once more: that costs nothing."),
    )


def video_link(lang: str, url: str) -> Text:
    """Too big for Telegram."""
    _ = words(lang)
    return _said(
        "🔗",
        _("Your video is ready, but too big for Telegram."),
        fill(_("Here it is: {link}"), link=TextLink(_("download the video"), url=url)),
        _("Do save it today: the link works for about a day."),
    )


# --- bad input -----------------------------------------------------------------------------

PROBLEMS: dict[Problem, tuple[str, str]] = {  # what is wrong, what to do
    Problem.EMPTY_PROMPT: (
        N_("There are no words in this prompt."),
        N_("Write what should happen in the video, for example: a cat rides a bicycle."),
    ),
    Problem.PROMPT_TOO_LONG: (
        N_("The prompt is too long: {length} characters, and at most {limit} are possible."),
        N_("Shorten it and send it again."),
    ),
    Problem.UNSUPPORTED_MESSAGE: (
        N_("I cannot make a video from a message of this kind."),
        N_("Write in words what should happen in the video. See /help for more."),
    ),
    Problem.PHOTOS_OFF: (
        N_("Photos cannot be used in this bot at the moment."),
        N_("Describe the scene in words: that works."),
    ),
    Problem.FILE_TOO_BIG: (
        N_("The file is too big: Telegram lets me read at most 20 MB."),
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
        N_("The picture is {width}×{height} px; each side must be from 300 to 6000 px."),
        N_("Send a picture of another size."),
    ),
    Problem.IMAGE_SHAPE: (
        N_(
            "The picture is {width}×{height} px: too long and narrow. One side may be at most"
            " two and a half times the other."
        ),
        N_("Crop it and send it again."),
    ),
    Problem.FILE_UNAVAILABLE: (
        N_("Telegram does not give me this file."),
        N_("Send it again, please."),
    ),
}


def problem(lang: str, problem: Problem, details: dict[str, Any] | None = None) -> Text:
    """What cannot be used in what the person sent, and what to do. Nothing was spent."""
    _ = words(lang)
    wrong, advice = PROBLEMS[problem]
    return _said("🤔", fill(_(wrong), **(details or {})), _(advice))


# --- commands ------------------------------------------------------------------------------


def start(lang: str, model: Model, *, photos_on: bool, in_group: bool = False) -> Text:
    _ = words(lang)
    if in_group:
        how = _("Here in the group, write what should happen after /video, or mention me.")
    elif photos_on:
        how = _("Write what should happen, or send a photo, and I bring it to life.")
    else:
        how = _("Write what should happen, in as much detail as you like.")
    return _said(
        "🎬",
        _("Hi! I turn words into short videos."),
        how,
        fill(
            _("One video: {length}, {quality}, {price}. You see the price before you order."),
            length=_.duration(model.seconds),
            quality=model.quality,
            price=_.price(model.price),
        ),
        _("For example: “A red fox runs through fresh snow at dawn, slow camera, soft light”."),
        gap=True,
    )


def help(lang: str, model: Model, *, photos_on: bool) -> Text:
    _ = words(lang)
    return _lines(
        Bold(_("How it works")),
        _("1. Send a prompt: who, where, what happens, how the camera moves."),
        _(
            "2. Your own picture to begin with: a photo with the prompt as its caption, or the"
            " words after it."
        )
        if photos_on
        else _("2. Photos cannot be used at the moment, only words."),
        _("3. Press 1:1, 16:9 or 9:16: that is the order, and it is paid from then on."),
        _("4. The video comes as an answer, usually within a few minutes."),
        "",
        fill(
            _("Now: {model}, {quality}, {length}, {price} a video. It has no sound."),
            model=model.title,
            quality=model.quality,
            length=_.duration(model.seconds),
            price=_.price(model.price),
        ),
        _("English prompts are understood best."),
        "",
        _("/examples – ready scenes"),
        _("/settings – quality, length, shape, language"),
        _("/video – a prompt in a group"),
        _("/cancel – cancel the last order"),
        _("/history – your videos"),
        _("/privacy – what is kept and who sees it"),
    )


def privacy(lang: str, days: int = 0) -> Text:
    """`days` after which what is over is forgotten; 0: never."""
    _ = words(lang)
    return _lines(
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


def unknown_command(lang: str) -> Text:
    _ = words(lang)
    return _said("🤔", _("I do not know this command."), _("See /help for all that I can do."))


def choose_language() -> Text:
    """In every language at once: who presses /language may not read the present one."""
    return Text("🌐 Choose a language · Выберите язык")


def language_set(lang: str) -> Text:
    _ = words(lang)
    return _said("🌐", _("From now on, I speak English."))


def cancelled(lang: str, prompt: str | None = None, *, others: bool = False) -> Text:
    """A draft or a queued task: nothing was sent to the provider. `prompt`: whose end it is, where
    the message does not say so by its place; `others`: that are beyond cancelling.
    """
    _ = words(lang)
    return _said(
        "✖️",
        _("Cancelled."),
        ExpandableBlockQuote(cut(prompt, CAPTION_LIMIT)) if prompt else None,
        _("💳 No money was taken. Send a new prompt any time."),
        _("🎬 The video that is already being made still comes.") if others else None,
    )


def too_late_to_cancel(lang: str) -> Text:
    """The order is with the provider already."""
    _ = words(lang)
    return _said(
        "🎬",
        _("Too late to cancel: the video is already being made."),
        _(
            "💳 The money for it is spent. The video comes here as soon as it is ready, unless the"
            " service refuses it."
        ),
    )


def nothing_to_cancel(lang: str) -> Text:
    _ = words(lang)
    return _said("👌", _("There is nothing to cancel."), _("Send a prompt to make a video."))


# --- answers to button presses (plain, at most 200) ------------------------------------------


def press_accepted(lang: str) -> str:
    _ = words(lang)
    return _("Accepted! Your video comes here.")


def press_cancelled(lang: str) -> str:
    _ = words(lang)
    return _("Cancelled. No money was taken.")


def press_foreign(lang: str) -> str:
    _ = words(lang)
    return _("This is somebody else's order. Send me a prompt of your own.")


def press_expired(lang: str) -> str:
    _ = words(lang)
    return _("This button no longer works. Send the prompt again.")


def press_wordless(lang: str) -> str:
    _ = words(lang)
    return _("First write what should happen in the video.")


def press_done(lang: str, state: TaskState) -> str:
    """The press changes nothing, because the task is in `state` already. No money is taken."""
    _ = words(lang)
    if state is TaskState.CANCELLED:
        return _("This order is cancelled. Send the prompt again to make the video.")
    if state in {TaskState.DELIVERED, TaskState.RENDERED}:
        return _("This video is already made. Nothing more was charged.")
    if state in {TaskState.FAILED, TaskState.UNDELIVERABLE, TaskState.UNKNOWN}:
        return _("This order is over. Send the prompt again to make a new one.")
    return _("Already ordered: it is made and paid for once, however often you press.")


def press_too_late(lang: str) -> str:
    _ = words(lang)
    return _("Too late: the video is being made and the money is spent. It comes here.")


def press_retried(lang: str) -> str:
    _ = words(lang)
    return _("Ordered once more. Your video comes here.")


def press_sending(lang: str) -> str:
    _ = words(lang)
    return _("Sending it…")


# --- buttons ---------------------------------------------------------------------------------


def button_options(lang: str, model: Model | None, variants: int) -> str:
    """What the card makes, and that it can be changed."""
    _ = words(lang)
    if model is None:
        return _("⚙️ Change")
    facts = [model.quality, seconds_short(lang, model)]
    return "⚙️ " + " · ".join(facts + ([f"×{variants}"] if variants > 1 else []))


def seconds_short(lang: str, model: Model) -> str:
    """5 s"""
    _ = words(lang)
    return _("{seconds} s").format(seconds=model.seconds)


def button_done(lang: str) -> str:
    _ = words(lang)
    return _("Done")


def button_improve(lang: str) -> str:
    _ = words(lang)
    return _("✨ Improve")


def button_as_written(lang: str) -> str:
    _ = words(lang)
    return _("✍️ Send as I wrote it")


def button_rewritten(lang: str) -> str:
    _ = words(lang)
    return _("🌐 Send the other version")


def button_examples(lang: str) -> str:
    _ = words(lang)
    return _("✨ Ready scenes")


def button_take(lang: str) -> str:
    _ = words(lang)
    return _("🎬 Take this scene")


def press_improving(lang: str) -> str:
    _ = words(lang)
    return _("Writing a scene…")


def press_not_improved(lang: str) -> Text:
    _ = words(lang)
    return _said(
        "🤔",
        _("No better words came to mind."),
        _("The card is as it was: order it so, or try again later."),
    )


def button_cancel(lang: str) -> str:
    _ = words(lang)
    return _("Cancel")


def button_retry(lang: str, price: Decimal) -> str:
    _ = words(lang)
    return _("Order once more · {price}").format(price=_.price(price))


def button_redeliver(lang: str) -> str:
    _ = words(lang)
    return _("Send the video")


LANGUAGE_NAMES = {"en": "English", "ru": "Русский"}


# --- below a video, and about orders that are over ------------------------------------------


def button_again(lang: str, price: Decimal | None = None) -> str:
    """With its price it orders at once; without one it shows a card."""
    _ = words(lang)
    if price is None:
        return _("🔁 Again")
    return _("🔁 Again · {price}").format(price=_.price(price))


def button_reword(lang: str) -> str:
    _ = words(lang)
    return _("✏️ Change prompt")


def button_ratio(lang: str) -> str:
    _ = words(lang)
    return _("📐 Other ratio")


def button_continue(lang: str) -> str:
    _ = words(lang)
    return _("🎞 Continue it")


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


BUTTONS: dict[str, Callable[[str], str]] = {  # bot.buttons.Act
    "a": button_again,
    "w": button_reword,
    "r": button_ratio,
    "f": button_continue,
    "d": button_file,
    "n": button_frameless,
    "x": button_delete,
    "z": button_forget,
}


def new_words(lang: str, source: Task) -> Text:
    """The question after ✏️; the old prompt is there to be copied."""
    _ = words(lang)
    rest = _said(
        "✏️",
        _("Write the new prompt."),
        _("Your photo and all else stay as they were. A card comes before anything is paid.")
        if source.frame
        else _("All else stays as it was. A card comes before anything is paid."),
        _("In a group, send it as an answer to this message.") if _in_group(source) else None,
        _("The prompt so far:") if source.prompt else None,
    )
    if not source.prompt:
        return rest
    return _lines(rest, Code(cut(source.prompt, TEXT_LIMIT - sizeof(rest.render()[0]) - 1)))


def last_frame(lang: str, source: Task) -> Text:
    """Below the last picture of a video, from which the next one starts."""
    _ = words(lang)
    return _said(
        "🎞",
        _("This is where your video ends, and where the next one begins."),
        _("Write what should happen next. A card comes before anything is paid."),
        _("In a group, send it as an answer to this message.") if _in_group(source) else None,
    )


def _in_group(task: Task) -> bool:
    return task.chat.chat_id < 0


def press_card(lang: str) -> str:
    _ = words(lang)
    return _("Here is a new card. It costs nothing until you choose a shape.")


def press_reword(lang: str) -> str:
    _ = words(lang)
    return _("Write the new prompt.")


def press_continue(lang: str) -> str:
    _ = words(lang)
    return _("Taking the last picture…")


def press_file(lang: str) -> str:
    _ = words(lang)
    return _("Sending the file…")


def press_running(lang: str) -> str:
    """The same was pressed a moment ago."""
    _ = words(lang)
    return _("It is being made again already. Press once more when that video is there.")


def press_deleted(lang: str) -> str:
    _ = words(lang)
    return _("Deleted from the chat. You find the video in /history.")


def press_by_hand(lang: str) -> str:
    """Bot API: deleteMessage takes messages of the last 48 hours."""
    _ = words(lang)
    return _(
        "Telegram does not let me delete this message any more. Hold it down and delete it"
        " yourself, please."
    )


def press_forgotten(lang: str) -> str:
    _ = words(lang)
    return _("Deleted for good.")


def press_not_over(lang: str) -> str:
    _ = words(lang)
    return _("This order is still under way. Delete it when it is over.")


def press_photos_off(lang: str) -> str:
    _ = words(lang)
    return _("Videos cannot start from a picture in this bot at the moment.")


def video_too_big(lang: str) -> Text:
    """Over what getFile gives (Bot API: 20 MB)."""
    _ = words(lang)
    return _said(
        "📦",
        _("This video is over 20 MB, and Telegram does not let me read it back."),
        _("To save it as a file, hold the video down and choose “Save”. Nothing was charged."),
    )


def video_gone(lang: str) -> Text:
    """There is no file, or Telegram does not give it any more."""
    _ = words(lang)
    return _said(
        "🤷",
        _("I cannot get this video from Telegram any more."),
        _("You can make it again with 🔁. Nothing was charged."),
    )


# --- history --------------------------------------------------------------------------------

_STATES: dict[TaskState, tuple[str, str]] = {
    TaskState.DRAFT: ("📝", N_("a card")),
    TaskState.CANCELLED: ("✖️", N_("cancelled")),
    TaskState.QUEUED: ("🕐", N_("in the queue")),
    TaskState.SUBMITTING: ("🕐", N_("in the queue")),
    TaskState.GENERATING: ("⏳", N_("being made")),
    TaskState.RENDERED: ("📤", N_("being sent")),
    TaskState.DELIVERED: ("✅", N_("ready")),
    TaskState.FAILED: ("😔", N_("no video")),
    TaskState.UNKNOWN: ("❓", N_("not known")),
    TaskState.UNDELIVERABLE: ("📦", N_("kept for you")),
}
TITLE_LIMIT = 60


def title(task: Task, limit: int = TITLE_LIMIT) -> str:
    """A prompt in one short line."""
    return cut(" ".join((task.prompt or "…").split()), limit)


def history(lang: str, orders: Sequence[Task], page: int, pages: int) -> Text:
    """One page, `page` from 0; the buttons below carry the same numbers."""
    _ = words(lang)
    if not orders:
        return _said(
            "🎞", _("You have no videos yet."), _("Send a prompt, and here is the place for it.")
        )
    lines: list[Any] = []
    for number, task in enumerate(orders, 1):
        sign, state = _STATES[task.state]
        facts = " · ".join([_(state), _.day(task.confirmed_at or task.created_at)])
        lines += [Text(Bold(f"{number}."), " ", title(task)), Text("    ", sign, " ", facts)]
    head = _("Your videos")
    if pages > 1:
        counted = _("page {page} of {pages}").format(page=page + 1, pages=pages)
        head = f"{head} · {counted}"
    return _lines(
        Text("🎞 ", Bold(head)),
        "",
        *lines,
        "",
        _("Press a number to get the video, or to see what became of the order."),
    )


def order(lang: str, task: Task) -> Text:
    """An order of the history that has no video to be sent."""
    _ = words(lang)
    match task.state:
        case TaskState.FAILED:
            rest = failure(lang, task.reason or Reason.PROVIDER_FAILED, task.charge)
        case TaskState.UNKNOWN:
            rest = unknown(lang, task.price)
        case TaskState.UNDELIVERABLE:
            rest = undeliverable(lang, task.reason or Reason.CHAT_UNREACHABLE)
        case TaskState.CANCELLED:
            rest = cancelled(lang)
        case TaskState.DELIVERED:
            rest = video_gone(lang)
        case TaskState.RENDERED:
            rest = status_sending(lang, task)
        case TaskState.GENERATING:
            rest = _said("⏳", _("Making your video"), _model_line(_, task))
        case _:
            rest = status_queued(lang, task)
    return _quoted(task.prompt or "", rest, limit=TEXT_LIMIT)


def inline_button(lang: str) -> str:
    """Above the results of the inline mode; leads to the bot."""
    _ = words(lang)
    return _("Make a new video")


def inline_details(lang: str, task: Task) -> str:
    """Below a title among the results."""
    _ = words(lang)
    facts = _model_line(_, task).removeprefix("🎬 ")
    return f"{_.day(task.confirmed_at or task.created_at)} · {facts}"


# --- their data -----------------------------------------------------------------------------


def delete_me(lang: str) -> Text:
    """Asks for the second tap."""
    _ = words(lang)
    return _said(
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
    return _said(
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
    return _said("👌", _("Nothing was deleted."), _("All is as it was."))


def button_delete_me(lang: str) -> str:
    _ = words(lang)
    return _("Delete everything")


def button_keep_me(lang: str) -> str:
    _ = words(lang)
    return _("Keep it")


def consent(lang: str) -> str:
    """On the card of somebody's first photo: choosing a shape agrees."""
    _ = words(lang)
    return _(
        "🔒 By choosing a shape you agree that a copy of your photo goes to the video service"
        " GPTunnel. More: /privacy"
    )


# --- the bot's own page in Telegram ------------------------------------------------------------


def commands(lang: str) -> list[tuple[str, str]]:
    """Name and description (Bot API: setMyCommands), in the order of the menu."""
    _ = words(lang)
    return [
        ("start", _("How to begin")),
        ("help", _("How it works and what it costs")),
        ("video", _("Make a video: the prompt after the command")),
        ("examples", _("Ready scenes to begin with")),
        ("history", _("My videos")),
        ("settings", _("Quality, length, shape, language")),
        ("cancel", _("Cancel the last order")),
        ("language", _("Change the language")),
        ("privacy", _("What is kept and who sees it")),
        ("delete_me", _("Delete everything about me")),
    ]


def group_commands(lang: str) -> list[tuple[str, str]]:
    """The short menu of groups."""
    wanted = ("video", "help", "cancel")
    return [(name, said) for name, said in commands(lang) if name in wanted]


def description(lang: str) -> str:
    """Shown in an empty chat (Bot API: setMyDescription, 512)."""
    _ = words(lang)
    return _(
        "Write a few words or send a photo, choose a shape, and get a short video."
        " You see the price before you order."
    )


def short_description(lang: str) -> str:
    """Shown on the bot's profile (Bot API: setMyShortDescription, 120)."""
    _ = words(lang)
    return _("Short videos from your words and photos.")


# --- who may use it, and how much --------------------------------------------------------------


def closed(lang: str, user_id: int, *, somebody_hears: bool) -> Text:
    """To a stranger in private; goes with a button to ask, if there is somebody to ask."""
    _ = words(lang)
    how: list[Any] = [_("Press the button to ask them. If you have an invite link, open it.")]
    if not somebody_hears:
        # The first day: this is how the operator learns their own number.
        how = [
            _("Nobody is named yet who could let you in."),
            fill(
                _("If this bot is yours: your number is {id}. Put it into ADMINS and start anew."),
                id=Code(user_id),
            ),
        ]
    return _said(
        "🔒",
        _("This bot is not open to everybody."),
        _("Each video costs the people who run it money, so they let people in themselves."),
        *how,
    )


def closed_group(lang: str) -> Text:
    """To a stranger in a group, or in a group of strangers."""
    _ = words(lang)
    return _said(
        "🔒",
        _("This bot is not open to everybody."),
        _("Write to me in private to ask for access."),
        _("Whoever runs the bot can let the whole group in: /allow, sent here."),
    )


def access_asked(lang: str, user_id: int, name: str, username: str | None) -> Text:
    """To an admin; goes with the buttons that answer it."""
    _ = words(lang)
    who = f"{cut(name, 64)}" + (f" (@{username})" if username else "")
    return _said("🔑", _("Somebody asks to use the bot"), who, f"ID {user_id}")


def access_decided(lang: str, user_id: int, name: str, *, allowed: bool) -> Text:
    """What the request turns into when it was answered."""
    _ = words(lang)
    head = _("Let in") if allowed else _("Not let in")
    return _said("✅" if allowed else "🚫", head, cut(name, 64), f"ID {user_id}")


def access_granted(lang: str) -> Text:
    _ = words(lang)
    return _said(
        "🎉",
        _("You may use this bot now."),
        _("Write what should happen in the video. See /help for more."),
    )


def access_denied(lang: str) -> Text:
    _ = words(lang)
    return _said("🔒", _("The people who run this bot did not let you in."))


def invite_refused(lang: str, why: str) -> Text:
    """`why`: expired, used_up, no_invite or banned."""
    _ = words(lang)
    reasons = {
        "expired": _("This invite has expired. Ask whoever sent it for a new one."),
        "used_up": _("This invite has been used up. Ask whoever sent it for a new one."),
        "no_invite": _("There is no such invite. Copy the whole link, please."),
        "banned": _("The people who run this bot did not let you in."),
    }
    return _said("🔒", reasons[why])


def invite_made(lang: str, link: str, uses: int, seconds: float) -> Text:
    """To the admin who asked for it."""
    _ = words(lang)
    lets_in = _.plural("Lets {n} person in.", "Lets {n} people in.", uses).format(n=uses)
    return _said(
        "🎟",
        _("An invite"),
        link,
        lets_in,
        _("Works for {duration}.").format(duration=_.duration(seconds)),
    )


def allowed(lang: str, subject_id: int) -> Text:
    """To the admin who let a person (positive) or a group in."""
    _ = words(lang)
    text = (
        _("ID {id} may use the bot.") if subject_id > 0 else _("The group {id} may use the bot.")
    )
    return _said("✅", text.format(id=subject_id))


def banned(lang: str, subject_id: int) -> Text:
    """To the admin who shut a person (positive) or a group out."""
    _ = words(lang)
    text = (
        _("ID {id} may not use the bot any more.")
        if subject_id > 0
        else _("The group {id} may not use the bot any more.")
    )
    return _said("🚫", text.format(id=subject_id))


def admin_stays(lang: str) -> Text:
    _ = words(lang)
    return _said("🤔", _("An admin cannot be shut out. Take the number out of ADMINS instead."))


def allow_usage(lang: str) -> Text:
    _ = words(lang)
    return _said(
        "🔑",
        _("Who may use the bot"),
        _("/allow 123456 lets a person in, /ban 123456 shuts one out."),
        _("As an answer to somebody's message they are about that person."),
        _("Sent in a group without a number they are about the whole group."),
    )


def invite_usage(lang: str) -> Text:
    _ = words(lang)
    return _said(
        "🎟",
        _("Invites"),
        _("/invite 5 3 makes a link that lets 5 people in and works for 3 days."),
        _("From 1 to 1000 people, from 1 to 365 days; without numbers 1 person and 7 days."),
    )


def press_asked(lang: str) -> str:
    _ = words(lang)
    return _("Asked. You get a message here as soon as somebody answers.")


def press_asked_already(lang: str) -> str:
    _ = words(lang)
    return _("You have asked already. You get a message here as soon as somebody answers.")


def press_denied(lang: str) -> str:
    _ = words(lang)
    return _("The people who run this bot did not let you in.")


def press_closed(lang: str) -> str:
    _ = words(lang)
    return _("This bot is not open to everybody. Write /start to me in private.")


def button_ask(lang: str) -> str:
    _ = words(lang)
    return _("Ask for access")


def button_allow(lang: str) -> str:
    _ = words(lang)
    return _("Let in")


def button_deny(lang: str) -> str:
    _ = words(lang)
    return _("Do not let in")


def prices_differ(lang: str, lines: str) -> Text:
    """To an admin: model, price here → price there, one a line."""
    _ = words(lang)
    return _said(
        "🏷",
        _("The video service's prices are not ours"),
        ExpandableBlockQuote(cut(lines, 2000)),
        _("Orders keep the price that people see. Change the catalog to change what they see."),
    )


def buy(lang: str, credit: Decimal) -> Text:
    """Goes with the packages as buttons."""
    _ = words(lang)
    return _said(
        "⭐",
        _("Your balance: {credit}").format(credit=_.price(credit)),
        _("Videos are paid from it, each at the price on its card."),
        _("What fails is given back. More: /terms, /paysupport"),
    )


def invoice_title(lang: str, package: Package) -> str:
    """Bot API: sendInvoice, 32."""
    _ = words(lang)
    return _("{credit} for videos").format(credit=_.price(package.credit))


def invoice_description(lang: str, package: Package) -> str:
    """Bot API: sendInvoice, 255."""
    _ = words(lang)
    return _(
        "Your balance gains {credit}. What a failed video cost comes back by itself,"
        " unused Stars with /paysupport."
    ).format(credit=_.price(package.credit))


def stars_paid(lang: str, stars: int, credit: Decimal) -> Text:
    _ = words(lang)
    came = _.plural(
        "{n} Star has arrived. Thank you!", "{n} Stars have arrived. Thank you!", stars
    )
    return _said(
        "⭐",
        came.format(n=stars),
        _("Your balance: {credit}").format(credit=_.price(credit)),
        _("Now send a prompt, or press the shape on a card that is waiting."),
    )


def credit_back(lang: str, price: Decimal) -> Text:
    """After the words about a video that failed, to whoever had paid for it."""
    _ = words(lang)
    back = _("The price of this video, {price}, is on your balance again.")
    return _said("💳", back.format(price=_.price(price)))


def paysupport(lang: str, credit: Decimal, contact: str) -> Text:
    """Goes with the payments that can be given back as buttons."""
    _ = words(lang)
    return _said(
        "⭐",
        _("Your balance: {credit}").format(credit=_.price(credit)),
        _("What a failed video cost is on your balance again, or was refunded, by itself."),
        _("A payment whose whole credit is unused can be given back with a button below."),
        _("Anything else: {contact}").format(contact=contact) if contact else None,
    )


def terms(lang: str, contact: str) -> Text:
    _ = words(lang)
    return _lines(
        Bold(_("Terms")),
        _("• Stars buy credit in this bot; each video takes from it the price on its card."),
        _("• You can cancel for free until the video gets started; then its price is spent."),
        _("• If there is no video in the end, its price comes back: as credit or as Stars."),
        _("• Credit that was not used can be given back as Stars: /paysupport."),
        _("• Videos are made by a machine: what they show may differ from your words."),
        _("• What is kept about you: /privacy."),
        _("Questions: {contact}").format(contact=contact) if contact else None,
    )


def press_not_on_sale(lang: str) -> str:
    _ = words(lang)
    return _("This is not on sale any more. Send /buy for what is.")


def press_refunding(lang: str) -> str:
    _ = words(lang)
    return _("Your Stars are on their way back. You get a message when Telegram has them.")


def press_not_refunded(lang: str) -> str:
    _ = words(lang)
    return _("This cannot be given back: a part of it was spent on videos. See /paysupport.")


def button_package(lang: str, package: Package) -> str:
    _ = words(lang)
    return f"⭐ {package.stars} → {_.price(package.credit)}"


def button_refund(lang: str, stars: int, at: datetime) -> str:
    _ = words(lang)
    return _("Give back {stars} ⭐ of {date}").format(stars=stars, date=f"{at:%d.%m.%Y}")


def stars_back(lang: str, stars: int, *, failed: bool = True) -> Text:
    """To whoever paid; `failed`: for a video that could not be made."""
    _ = words(lang)
    back = _.plural(
        "{n} Star is on its way back to you.", "{n} Stars are on their way back to you.", stars
    )
    return _said(
        "⭐",
        back.format(n=stars),
        _("They were for the video that could not be made.") if failed else None,
    )


def credit_too_low(lang: str, price: Decimal, credit: Decimal) -> str:
    """Why nothing was ordered."""
    _ = words(lang)
    return _(
        "This video costs {price}, and you have {credit}. Buy more with /buy, then press again."
    ).format(price=_.price(price), credit=_.price(credit))


def limit_reached(lang: str, cap: Cap, bound: Bound, seconds: float | None) -> str:
    """Why nothing was ordered, and when to try again; `seconds` until it renews."""
    _ = words(lang)
    limit = []
    if bound.videos:
        limit.append(_.plural("{n} video", "{n} videos", bound.videos).format(n=bound.videos))
    if bound.roubles:
        limit.append(_.price(Decimal(bound.roubles)))
    what = {
        Cap.USER_AT_ONCE: _(
            "You have as many videos under way as you may have at once ({limit})."
            " Press again when one of them is ready."
        ),
        Cap.USER_PER_DAY: _(
            "That is all for today ({limit} a day). Press again in {duration},"
            " when a new day begins."
        ),
        Cap.GLOBAL_AT_ONCE: _(
            "Everybody together has too many videos under way. Press again in a few minutes."
        ),
        Cap.GLOBAL_PER_DAY: _(
            "The bot has made all it may make today. Press again in {duration},"
            " when a new day begins."
        ),
    }[cap]
    # Until the end of the minute at least: a press a moment too early would be refused again.
    minutes = 60 * -int(-(seconds or 0) // 60)
    told = what.format(limit=" · ".join(limit), duration=_.duration(minutes))
    return told + " " + _("No money was taken.")


# --- how things are put together -----------------------------------------------------------------


def _lines(*parts: Any) -> Text:
    return as_list(*(part for part in parts if part is not None))


def _said(sign: str, head: Any, *rest: Any, gap: bool = False) -> Text:
    said = [part for part in rest if part is not None]
    return as_list(Text(sign, " ", Bold(head)), *said, sep="\n\n" if gap else "\n")


def _price_of_all(_: Words, task: Task, videos: int) -> str:
    """Of all variants: 3 × 17 ₽ = 51 ₽."""
    if videos == 1:
        return _.price(task.price)
    return f"{videos} × {_.price(task.price)} = {_.price(task.price * videos)}"


def _model_line(_: Words, task: Task) -> str:
    model = CATALOG.get(task.model)
    facts = [model.title, model.quality, _.duration(model.seconds)] if model else [task.model]
    if task.aspect_ratio:
        facts.append(task.aspect_ratio.value)
    if task.variants > 1 and task.rendered_at is None:
        facts.append(f"×{task.variants}")
    return "🎬 " + " · ".join(facts)


def _range(_: Words, low: float, high: float) -> str:
    if high < 120:
        first, last = int(low // 5) * 5, -int(-high // 5) * 5
        return _.plural("{first}–{last} second", "{first}–{last} seconds", last).format(
            first=first, last=last
        )
    first, last = max(1, int(low // 60)), -int(-high // 60)
    return _.plural("{first}–{last} minute", "{first}–{last} minutes", last).format(
        first=first, last=last
    )


def _quoted(prompt: str, rest: Text, *, limit: int) -> Text:
    room = limit - len(rest) - 1
    return _lines(ExpandableBlockQuote(cut(prompt, room)), rest) if prompt else rest


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` UTF-16 units, ending in … when something was left out."""
    if sizeof(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore")
    return kept.rstrip("\N{ZERO WIDTH JOINER} ") + "…"
