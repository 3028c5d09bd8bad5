"""Texts for the first admin: claiming the bot, and the short checklist after it.

It must not know how the bot is claimed, nor where the facts come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from aiogram.utils.formatting import Bold, Code, Text

from bot.core.caps import Cap, Limit
from bot.core.catalog import Model
from bot.texts.formatting import N_, lines, message
from bot.texts.i18n import Words, fill, words


@dataclass(frozen=True, kw_only=True)
class FirstSteps:
    """What the checklist shows."""

    balance: Decimal | None  # roubles at the provider; None: it does not answer now
    model: Model
    photos_on: bool
    tunnel: str  # its state; empty: there is none
    caps: Mapping[Cap, Limit]
    is_open: bool
    people: int  # let in by the settings, by admins or by invites


def claim_refused(lang: str, why: str) -> Text:
    """`why`: wrong, over or taken."""
    _ = words(lang)
    if why == "taken":
        return message("🔒", _("This bot already has an admin."), _("The link works only once."))
    advice = _("Restart the bot: it prints a new link. Each works for 15 minutes and only once.")
    if why == "wrong":
        return message(
            "🔒",
            _("This is not the link of the bot's last start."),
            _("Open the newest link in the bot's log. Five wrong ones end it."),
        )
    return message("🔒", _("This link no longer works."), advice)


def checklist(lang: str, facts: FirstSteps, *, welcome: bool) -> Text:
    """What to look at first; `welcome`: the person has just become the admin."""
    _ = words(lang)
    capped = any(facts.caps.values())
    steps = [
        (_enough(facts), _("Balance: {state}"), _balance(_, facts)),
        (facts.photos_on, _("Photos: {state}"), _("on") if facts.photos_on else _("off")),
        (capped, _("Caps: {state}"), _("set") if capped else _("none")),
        (facts.is_open or facts.people > 0, _("Who may use it: {state}"), _people(_, facts)),
    ]
    return lines(
        message("🎉", _("You are the admin of this bot now."))
        if welcome
        else message("🚀", _("First steps")),
        *(
            fill("{sign} {step}", sign="✅" if done else "▫️", step=fill(step, state=Bold(state)))
            for done, step, state in steps
        ),
        "",
        _("Each button below explains one line. Send me a prompt to make the first video."),
    )


def balance(lang: str, facts: FirstSteps) -> Text:
    """The balance, and how to add money."""
    _ = words(lang)
    model = facts.model
    if facts.balance is None:
        return message(
            "💳",
            _("GPTunnel does not answer now"),
            _("Press again in a minute. If it stays so, check the key with: python -m bot check"),
        )
    videos = max(int(facts.balance // model.price), 0)
    return message(
        "💳",
        _("Balance at GPTunnel: {roubles}").format(roubles=_.price(facts.balance)),
        _.plural(
            "Enough for {n} video at {price}.", "Enough for {n} videos at {price} each.", videos
        ).format(n=videos, price=_.price(model.price)),
        _("You pay for all videos from this balance. Add money in your account at gptunnel.ru."),
        fill(
            _("Below the amount in {setting} I send you an alert."),
            setting=Code("BALANCE_ALERT"),
        ),
    )


def photos(lang: str, facts: FirstSteps) -> Text:
    """Whether photos work, and how to switch them on."""
    _ = words(lang)
    if facts.photos_on:
        return message(
            "🖼",
            _("Photos are on"),
            facts.tunnel or None,
            _("Send me a photo with a prompt as its caption to try it."),
        )
    return message(
        "🖼",
        _("Photos are off"),
        _("GPTunnel fetches a photo from a public address, and this bot has none."),
        fill(
            _("Without a server: install {program}, put {line} into .env and restart."),
            program=Code("cloudflared"),
            line=Code("PUBLIC_TUNNEL=cloudflared"),
        ),
        fill(_("With a domain of your own: {setting}."), setting=Code("PUBLIC_URL")),
    )


_CAPS: Mapping[Cap, str] = {
    Cap.USER_AT_ONCE: N_("One person at once: {limit}"),
    Cap.USER_PER_DAY: N_("One person a day: {limit}"),
    Cap.GLOBAL_AT_ONCE: N_("All people at once: {limit}"),
    Cap.GLOBAL_PER_DAY: N_("All people a day: {limit}"),
}


def caps(lang: str, facts: FirstSteps) -> Text:
    """The caps that are set, and how to set them."""
    _ = words(lang)
    bounds = [(cap, bound) for cap, bound in facts.caps.items() if bound]
    return message(
        "🧮",
        _("Caps on orders") if bounds else _("There are no caps"),
        *(_(_CAPS[cap]).format(limit=_limit(_, bound)) for cap, bound in bounds),
        None
        if bounds
        else _("Everybody who may use the bot can order as long as the balance lasts."),
        fill(
            _("For example {line} in .env, then restart."),
            line=Code("CAP_USER_PER_DAY=5"),
        ),
    )


def people(lang: str, facts: FirstSteps) -> Text:
    """Who may use the bot, and how to let people in."""
    _ = words(lang)
    return message(
        "🔑",
        _("Who may use it: {state}").format(state=_people(_, facts)),
        None
        if facts.is_open
        else _("Everybody else can ask with a button, and you get the request here."),
        _("/invite 5 3 makes a link that gives access to 5 people and works for 3 days."),
        _("/allow 123456 gives a person access, /ban 123456 bans a person."),
        None
        if facts.is_open
        else fill(_("For everybody: {line} in .env. Set caps first."), line=Code("ACCESS=open")),
    )


BUTTONS: Mapping[str, str] = {  # bot.texts.callback_data.Step
    "list": N_("🚀 First steps"),
    "balance": N_("💳 Balance"),
    "photos": N_("🖼 Photos"),
    "caps": N_("🧮 Caps"),
    "people": N_("🔑 Who may use it"),
    "invite": N_("🎟 Invite one person"),
}


def button(lang: str, name: str) -> str:
    """The label of one step (bot.texts.callback_data.Step)."""
    return words(lang)(BUTTONS[name])


def _enough(facts: FirstSteps) -> bool:
    return facts.balance is not None and facts.balance >= facts.model.price


def _balance(_: Words, facts: FirstSteps) -> str:
    return _("not known now") if facts.balance is None else _.price(facts.balance)


def _people(_: Words, facts: FirstSteps) -> str:
    if facts.is_open:
        return _("everybody")
    if not facts.people:
        return _("only admins")
    return _.plural("admins and {n} more", "admins and {n} more", facts.people).format(
        n=facts.people
    )


def _limit(_: Words, bound: Limit) -> str:
    limit = []
    if bound.videos:
        limit.append(_.plural("{n} video", "{n} videos", bound.videos).format(n=bound.videos))
    if bound.roubles:
        limit.append(_.price(Decimal(bound.roubles)))
    return " · ".join(limit)
