"""Texts of a card: an order before it is confirmed, its options and the examples.

It must not know how a card is sent.
"""

from __future__ import annotations

from aiogram.utils.formatting import (
    Bold,
    Code,
    ExpandableBlockQuote,
    Text,
    as_list,
    sizeof,
)

from bot.core.catalog import Model
from bot.core.prices import Left
from bot.core.task import Task, TaskKind
from bot.texts import pictures
from bot.texts.formatting import (
    CAPTION_LIMIT,
    TEXT_LIMIT,
    cut,
    left_today,
    lines,
    message,
    model_line,
    price_of_all,
    quoted,
)
from bot.texts.i18n import LANGUAGES, fill, words

SHORT_PROMPT = 60
"""Characters of a prompt that can be read in the quote above a reply, which has one line."""


def card(
    lang: str,
    task: Task,
    *,
    asks_consent: bool = False,
    is_blurry: bool = False,
    heard: bool = False,
    untranslated: bool = False,
    left: Left | None = None,
    answered: str | None = None,
) -> Text:
    """The draft with its prompt as it is sent; with a photo it is the photo's caption.

    `left`: what a guest may still order; None: as much as they like. `heard`: the words come from
    speech, and may be misheard. `untranslated`: the translation failed. `answered`: the words of
    the message that the card answers; a short prompt that is read there is not repeated.
    """
    _ = words(lang)
    rest = lines(
        _("🎤 This is what I heard. To correct it, reply to this card with the right words.")
        if heard
        else None,
        model_line(_, task),
        fill(_("💳 Price: {price}"), price=Bold(price_of_all(_, task, task.variants)))
        if _.money
        else left_today(_, left),
        _("🎁 Your gift videos are used first. You have: {n}.").format(n=left.gifts)
        if _.money and left and left.gifts > 0
        else None,
        *_what_becomes(lang, task, counts=left is not None),
        _(
            "🌐 It could not be translated this time and is sent as written. English is "
            "understood better; to try again, send it once more."
        )
        if untranslated
        else None,
        _("🔍 The picture is small, so the video may look blurry.") if is_blurry else None,
        _("🗂 Of the album, only this picture is used.") if task.media_group_id else None,
        consent(lang) if asks_consent and task.frame else None,
        "",
        _("Choose an aspect ratio to start:"),
    )
    prompt, limit = task.prompt or "", CAPTION_LIMIT if task.frame else TEXT_LIMIT
    if not (task.original and task.rewritten):
        is_read_above = answered == prompt and len(prompt) <= SHORT_PROMPT
        return quoted("" if is_read_above else prompt, rest, limit=limit)
    if prompt == task.original:
        head, other = _("Your own prompt is sent, not this version:"), task.rewritten
    else:
        head, other = _("This version is sent. You wrote:"), task.original
    room = limit - sizeof(prompt) - 1 - len(rest) - sizeof(head) - 2
    both = lines(head, ExpandableBlockQuote(cut(other, room)), rest) if room > 20 else rest
    return quoted(prompt, both, limit=limit)


def _what_becomes(lang: str, task: Task, *, counts: bool) -> list[str]:
    """What becomes of the photo, or of the picture that is ordered; `counts`: for a guest."""
    _ = words(lang)
    if task.kind is TaskKind.PICTURE:
        counted = [pictures.counts(lang)] if counts else []
        return [*counted, pictures.of_card(lang, task)]
    if task.frame is None:
        return []
    if task.frame.kind == "picture":
        return [pictures.first_frame(lang)]
    if (task.film_place or 1) > 1:
        return [_("🖼 It starts with the last frame of the previous part.")]
    return [_("🖼 Your photo is the first frame; edges that do not fit are cut off.")]


def frame_kept(lang: str) -> Text:
    """Asks for the prompt of a photo."""
    _ = words(lang)
    return message("🖼", _("Got the photo."), _("Now write what should happen in the video."))


def album_kept(lang: str) -> Text:
    """Asks for the prompt of several photos."""
    _ = words(lang)
    return message(
        "🗂",
        _("Got the album: only the picture I am replying to is used."),
        _("Now write what should happen in the video."),
    )


def example(
    lang: str, title: str, prompt: str, place: int, count: int, *, needs_photo: bool = False
) -> Text:
    """One of the ready scenes; `place` counts from 1."""
    _ = words(lang)
    return lines(
        Text("✨ ", Bold(title), f" · {place}/{count}"),
        ExpandableBlockQuote(cut(prompt, CAPTION_LIMIT // 2)),
        _("📷 Your photo here: press the button, then send the photo.")
        if needs_photo
        else _("Use it, and change it: reply to the card with another prompt."),
    )


def no_examples(lang: str) -> Text:
    _ = words(lang)
    return message("✨", _("There are no examples here."), _("Send a prompt to make a video."))


def video_usage(lang: str) -> Text:
    """Answers the command without a prompt."""
    _ = words(lang)
    return message(
        "🎬",
        _("Write the prompt after the command."),
        _("For example: /video a cat rides a bicycle. As a reply to a photo, it "
"uses that photo."),
    )  # fmt: skip


def anonymous() -> Text:
    """In all languages at once: somebody who writes as a group has no known language."""
    said = [
        message(
            "🎭",
            _("You write as the group, so I cannot see whose order it is."),
            _("Write as yourself: next to the message field, tap the picture and choose your own"
              " name; or turn off “Remain anonymous” in your administrator's rights."),
        )
        for _ in map(words, LANGUAGES)
    ]  # fmt: skip
    return as_list(*said, sep="\n\n")


def press_wordless(lang: str) -> str:
    _ = words(lang)
    return _("First describe what should happen in the video.")


def button_options(lang: str, model: Model | None, variants: int) -> str:
    """The model and options of the card, and that they can be changed."""
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
    return _("🌐 Send the rewritten version")


def button_examples(lang: str) -> str:
    _ = words(lang)
    return _("✨ Examples")


def button_take(lang: str) -> str:
    _ = words(lang)
    return _("🎬 Use this scene")


def press_improving(lang: str) -> str:
    _ = words(lang)
    return _("Writing a scene…")


def press_not_improved(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🤔",
        _("I could not improve the prompt."),
        _("The card is unchanged: order it as it is, or try again later."),
    )


def new_words(lang: str, source: Task) -> Text:
    """Asks for a new prompt after ✏️; the old prompt can be copied."""
    _ = words(lang)
    rest = message(
        "✏️",
        _("Write the new prompt."),
        _("Your photo and all other options stay. You will see a card before anything is ordered.")
        if source.frame
        else _("All other options stay. You will see a card before anything is ordered."),
        _("In a group, send it as a reply to this message.") if _in_group(source) else None,
        _("The current prompt:") if source.own_words else None,
    )
    if not source.own_words:
        return rest
    return lines(rest, Code(cut(source.own_words, TEXT_LIMIT - sizeof(rest.render()[0]) - 1)))


def last_frame(lang: str, source: Task) -> Text:
    """Below the last frame of a video, which is the first frame of the next one."""
    _ = words(lang)
    return message(
        "🎞",
        _("Your video ends here, and the next one starts here."),
        _("Write what should happen next. You will see a card before anything is ordered."),
        _("In a group, send it as a reply to this message.") if _in_group(source) else None,
    )


def _in_group(task: Task) -> bool:
    return task.chat.chat_id < 0


def consent(lang: str) -> str:
    """On the card of a person's first photo: choosing a ratio gives consent."""
    _ = words(lang)
    return _(
        "🔒 By choosing an aspect ratio you agree that a copy of your photo is "
        "sent to the video service GPTunnel. More: /privacy"
    )
