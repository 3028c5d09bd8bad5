"""Texts about who may use the bot: requests, invites, decisions.

It must not know how access is decided.
"""

from __future__ import annotations

from typing import Any

from aiogram.utils.formatting import (
    Code,
    Text,
)

from bot.texts.formatting import cut, message
from bot.texts.i18n import fill, words


def closed(lang: str, user_id: int, *, somebody_hears: bool) -> Text:
    """To a stranger in private; with a button to ask for access if the bot has an admin."""
    _ = words(lang)
    how: list[Any] = [_("Press the button to ask them. If you have an invite link, open it.")]
    if not somebody_hears:
        # On the first day the operator comes here.
        how = [
            _("It has no admin yet who could give you access."),
            _(
                "If this bot is yours: open the link that it printed when it started. After 15 "
                "minutes a restart prints a new one."
            ),
            fill(
                _("Or put your user ID, {id}, into ADMINS and restart."),
                id=Code(user_id),
            ),
        ]
    return message(
        "🔒",
        _("This bot is not open to everybody."),
        _("Each video costs money, so the people who run the bot decide who may use it."),
        *how,
    )


def closed_group(lang: str) -> Text:
    """To a stranger in a group, or in a group of strangers."""
    _ = words(lang)
    return message(
        "🔒",
        _("This bot is not open to everybody."),
        _("Write to me in private to ask for access."),
        _("An admin of the bot can give the whole group access by sending /allow here."),
    )


def access_asked(lang: str, user_id: int, name: str, username: str | None) -> Text:
    """To an admin; with the buttons to decide."""
    _ = words(lang)
    who = f"{cut(name, 64)}" + (f" (@{username})" if username else "")
    return message("🔑", _("A person asks for access to the bot"), who, f"ID {user_id}")


def access_decided(lang: str, user_id: int, name: str, *, allowed: bool) -> Text:
    """The request after a decision."""
    _ = words(lang)
    head = _("Access given") if allowed else _("Access denied")
    return message("✅" if allowed else "🚫", head, cut(name, 64), f"ID {user_id}")


def access_granted(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🎉",
        _("You can use this bot now."),
        _("Write what should happen in the video. See /help for more."),
    )


def access_denied(lang: str) -> Text:
    _ = words(lang)
    return message("🔒", _("The people who run this bot declined your request."))


def invite_refused(lang: str, why: str) -> Text:
    """`why`: expired, used_up, no_invite or banned."""
    _ = words(lang)
    reasons = {
        "expired": _("This invite has expired. Ask the sender for a new one."),
        "used_up": _("This invite has been used up. Ask the sender for a new one."),
        "no_invite": _("There is no such invite. Please copy the whole link."),
        "banned": _("The people who run this bot declined your request."),
    }
    return message("🔒", reasons[why])


def invite_made(lang: str, link: str, uses: int, seconds: float) -> Text:
    """To the admin who requested the invite."""
    _ = words(lang)
    lets_in = _.plural("Lets {n} person in.", "Lets {n} people in.", uses).format(n=uses)
    return message(
        "🎟",
        _("An invite"),
        link,
        lets_in,
        _("Works for {duration}.").format(duration=_.duration(seconds)),
    )


def allowed(lang: str, subject_id: int, earlier: int | None = None) -> Text:
    """Tell an admin that a person (positive id) or a group has access now. `earlier`: the old ID
    by which the admin named a group."""
    _ = words(lang)
    text = (
        _("ID {id} may use the bot.") if subject_id > 0 else _("The group {id} may use the bot.")
    )
    return message("✅", text.format(id=subject_id), became(lang, earlier))


def banned(lang: str, subject_id: int, earlier: int | None = None) -> Text:
    """Tell an admin that a person (positive id) or a group is banned now. `earlier`: the old ID by
    which the admin named a group."""
    _ = words(lang)
    text = (
        _("ID {id} may not use the bot any more.")
        if subject_id > 0
        else _("The group {id} may not use the bot any more.")
    )
    return message("🚫", text.format(id=subject_id), became(lang, earlier))


def became(lang: str, earlier: int | None) -> str | None:
    """Tell an admin who used the old ID of a group that it has a new one; None without an old
    ID."""
    if earlier is None:
        return None
    _ = words(lang)
    return _("Its ID was {id} before it became a supergroup.").format(id=earlier)


def press_banned_meanwhile(lang: str) -> str:
    """Answers an admin whose button is older than another admin's ban."""
    _ = words(lang)
    return _("Another admin has banned them meanwhile.")


def admin_stays(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🤔",
        _("An admin cannot be banned."),
        _("Remove the ID from ADMINS. An admin who claimed the bot is banned by one in ADMINS."),
    )


def allow_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🔑",
        _("Who may use the bot"),
        _("/allow 123456 gives a person access, /ban 123456 bans a person."),
        _("Instead of the ID, @name works for people who have written to me."),
        _("As a reply to a message they apply to its author."),
        _("Sent in a group without an ID they apply to the whole group."),
    )


def not_met(lang: str, username: str) -> Text:
    """To an admin who named somebody by a @name."""
    _ = words(lang)
    return message(
        "🤷",
        _("I do not know {name}: they have not written to me yet.").format(name=cut(username, 40)),
        _("Ask them to write to me once, send them an /invite, or use their ID."),
    )


def invite_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🎟",
        _("Invites"),
        _("/invite 5 3 makes a link that gives access to 5 people and works for 3 days."),
        _("From 1 to 1000 people, from 1 to 365 days; without numbers 1 person and 7 days."),
    )


def press_asked(lang: str) -> str:
    _ = words(lang)
    return _("Request sent. You will get a message here when an admin answers.")


def press_asked_already(lang: str) -> str:
    _ = words(lang)
    return _("You have already asked. You will get a message here when an admin answers.")


def press_denied(lang: str) -> str:
    _ = words(lang)
    return _("The people who run this bot declined your request.")


def press_closed(lang: str) -> str:
    _ = words(lang)
    return _("This bot is not open to everybody. Write /start to me in private.")


def button_ask(lang: str) -> str:
    _ = words(lang)
    return _("Ask for access")


def button_allow(lang: str) -> str:
    _ = words(lang)
    return _("Allow")


def button_deny(lang: str) -> str:
    _ = words(lang)
    return _("Deny")
