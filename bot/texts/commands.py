"""Texts of general commands, settings and the bot's profile in Telegram.

It must not know what a command does.
"""

from __future__ import annotations

from aiogram.utils.formatting import (
    Bold,
    Text,
)

from bot.core.catalog import Model
from bot.core.prices import Left
from bot.core.task import AspectRatio
from bot.texts.formatting import left_today, lines, message
from bot.texts.i18n import Words, fill, words


def settings(lang: str, model: Model, ratio: AspectRatio | None) -> Text:
    """A person's settings for new cards."""
    _ = words(lang)
    video = f"{model.title} · {model.quality} · {_.duration(model.seconds)}"
    shape = ratio.value if ratio else _("not chosen")
    return lines(
        Bold(_("⚙️ Settings")),
        fill(_("Video: {video}, {price}"), video=video, price=Bold(_.price(model.price)))
        if _.money
        else fill(_("Video: {video}"), video=Bold(video)),
        fill(_("Aspect ratio that is offered first: {ratio}"), ratio=shape),
        "",
        _("New cards start with these settings; each card can still be changed. "
"With a photo, the nearest aspect ratio is offered first."),
    )  # fmt: skip


def start(
    lang: str,
    model: Model,
    *,
    photos_on: bool,
    in_group: bool = False,
    translates: bool = False,
    left: Left | None = None,
) -> Text:
    """`translates`: prompts may be written in any language. `left`: see texts.cards.card."""
    _ = words(lang)
    if in_group:
        how = _("Here in the group, write the prompt after /video, or mention me.")
    elif photos_on:
        how = _("Describe what should happen, or send a photo, and I'll animate it.")
    else:
        how = _("Describe what should happen, in as much detail as you like.")
    return message(
        "🎬",
        _("Hi! I turn prompts into short videos."),
        how,
        fill(
            _("One video: {length}, {quality}, {price}. You see the price before you order."),
            length=_.duration(model.seconds),
            quality=model.quality,
            price=_.price(model.price),
        )
        if _.money
        else fill(
            _("One video: {length}, {quality}. Nothing is ordered until you choose a ratio."),
            length=_.duration(model.seconds),
            quality=model.quality,
        ),
        None if _.money else left_today(_, left),
        _("For example: “A red fox runs through the snow at dawn, the camera follows it slowly”.")
        if translates
        else _(
            "For example: “A red fox runs through fresh snow at dawn, slow camera, soft light”."
        ),
        gap=True,
    )


def help(
    lang: str,
    model: Model,
    *,
    photos_on: bool,
    translates: bool = False,
    hears: bool = False,
    image_model: Model | None = None,
) -> Text:
    _ = words(lang)
    return lines(
        Bold(_("How it works")),
        _("1. Send a prompt: who, where, what happens, how the camera moves."),
        _(
            "2. To start from your own picture, send a photo with the prompt as "
            "its caption or in the next message."
        )
        if photos_on
        else _("2. Photos cannot be used at the moment, only prompts."),
        _("3. Press 1:1, 16:9 or 9:16: that is the order, and it is paid from then on.")
        if _.money
        else _("3. Press 1:1, 16:9 or 9:16: that is the order."),
        _("4. The video arrives as a reply, usually within a few minutes."),
        _pictures(_, image_model) if image_model else None,
        "",
        fill(
            _("Now: {model}, {quality}, {length}, {price} a video. It has no sound."),
            model=model.title,
            quality=model.quality,
            length=_.duration(model.seconds),
            price=_.price(model.price),
        )
        if _.money
        else fill(
            _("Now: {model}, {quality}, {length} a video. It has no sound."),
            model=model.title,
            quality=model.quality,
            length=_.duration(model.seconds),
        ),
        _("Write in your own language: I translate the prompt, and you see both on the card.")
        if translates
        else _("English prompts are understood best."),
        _("🎤 A voice message of at most a minute works, too: you see what I heard on the card.")
        if hears
        else None,
        "",
        _("/examples – scenes to start from"),
        _("/settings – quality, length, aspect ratio, language"),
        _("/film – a film of several scenes from your idea") if photos_on else None,
        _("/video – a video from a prompt, in a group"),
        _("/cancel – cancel the last order"),
        _("/history – your videos"),
        _("/promo – use a promo code"),
        _("/privacy – what is stored and who sees it"),
    )


def _pictures(_: Words, model: Model) -> Text:
    if not _.money:
        return Text(
            _(
                "🖼 on a card makes a picture first; a number below the pictures starts the video "
                "from it. Each counts as a video."
            )
        )
    return fill(
        _(
            "🖼 on a card makes a picture first, {price} each; a number below the pictures starts "
            "the video from it."
        ),
        price=_.price(model.price),
    )


def unknown_command(lang: str) -> Text:
    _ = words(lang)
    return message("🤔", _("I do not know this command."), _("See /help for all that I can do."))


def choose_language() -> Text:
    """In all languages at once: somebody who uses /language may not understand the current one."""
    return Text("🌐 Choose a language · Выберите язык")


def language_set(lang: str) -> Text:
    _ = words(lang)
    return message("🌐", _("The language is now English."))


LANGUAGE_NAMES = {"en": "English", "ru": "Русский"}


def commands(
    lang: str, *, sells: bool = False, refers: bool = False, is_admin: bool = False
) -> list[tuple[str, str]]:
    """Return name and description (Bot API: setMyCommands), in the order of the menu; `sells`: for
    Stars, `refers`: a referral brings a bonus."""
    _ = words(lang)
    menu = [
        ("start", _("How to start")),
        ("help", _("How it works and what it costs") if _.money else _("How it works")),
        ("video", _("Make a video: the prompt after the command")),
        ("film", _("Make a film of several scenes from an idea")),
        ("examples", _("Examples to start from")),
        ("history", _("My videos")),
        ("settings", _("Quality, length, aspect ratio, language")),
        ("cancel", _("Cancel the last order")),
        ("language", _("Change the language")),
        ("privacy", _("What is stored and who sees it")),
        ("delete_me", _("Delete everything about me")),
    ]
    if refers:
        menu[6:6] = [("friends", _("Invite a friend"))]
    if sells:
        menu[7:7] = [("buy", _("Balance and Stars"))]
        menu[-1:-1] = [("paysupport", _("Refunds and questions")), ("terms", _("Terms"))]
    return admin_commands(lang) + menu if is_admin else menu


def admin_commands(lang: str) -> list[tuple[str, str]]:
    """Return what only admins have."""
    _ = words(lang)
    return [
        ("admin", _("Today, alerts, pause and resume")),
        ("people", _("Who may use the bot")),
        ("invites", _("Open invites")),
        ("invite", _("Make an invite link")),
        ("allow", _("Give access")),
        ("ban", _("Take access away")),
        ("user", _("A person or a group")),
        ("order", _("An order")),
        ("settle", _("Settle an order in doubt")),
        ("credit", _("Give credit")),
        ("gift", _("Give videos or credit")),
        ("promo", _("Promo codes")),
        ("stats", _("Charts")),
        ("ledger", _("The ledger as a file")),
        ("broadcast", _("Message to everybody")),
    ]


def group_commands(lang: str) -> list[tuple[str, str]]:
    """Return the short menu of groups."""
    wanted = ("video", "film", "help", "cancel")
    return [(name, said) for name, said in commands(lang) if name in wanted]


def description(lang: str) -> str:
    """Shown in an empty chat (Bot API: setMyDescription, 512)."""
    _ = words(lang)
    if not _.money:
        return _("Write a prompt or send a photo, choose an aspect ratio, and get a short video.")
    return _(
        "Write a prompt or send a photo, choose an aspect ratio, and get a "
        "short video. You see the price before you order."
    )


def short_description(lang: str) -> str:
    """Shown on the bot's profile (Bot API: setMyShortDescription, 120)."""
    _ = words(lang)
    return _("Short videos from your prompts and photos.")
