"""What those who run the bot read: alerts, numbers, look-ups, broadcasts. See bot/texts.py.

It must not know how it is sent, nor what is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiogram.utils.formatting import Bold, Text, as_list

from bot.alert import AlertKind, Params
from bot.i18n import words


def N_(message: str) -> str:
    """Marks a message for the catalogs; it is translated where it is said."""
    return message


# --- alerts --------------------------------------------------------------------------------

ALERTS: Mapping[AlertKind, tuple[str, str, str]] = {  # what is wrong, what to do, its end
    AlertKind.LOW_BALANCE: (
        N_("The balance at GPTunnel is low: {roubles} ₽"),
        N_("Put money on it. Below {threshold} ₽ you are told."),
        N_("The balance at GPTunnel is enough again."),
    ),
    AlertKind.NO_BALANCE: (
        N_("The balance at GPTunnel is empty"),
        N_("Orders are kept and wait. Put money on the balance; the next try comes by itself."),
        N_("GPTunnel takes orders again: there is money."),
    ),
    AlertKind.KEY_REFUSED: (
        N_("GPTunnel refuses the key"),
        N_("Orders are kept and wait. Put a working key into GPTUNNEL_API_KEY and start anew."),
        N_("GPTunnel takes the key again."),
    ),
    AlertKind.WRONG_ADDRESS: (
        N_("There is no GPTunnel at this address"),
        N_("Orders are kept and wait. Look at GPTUNNEL_BASE_URL."),
        N_("GPTunnel answers at its address again."),
    ),
    AlertKind.MODEL_GONE: (
        N_("GPTunnel has no model {model} any more"),
        N_("Orders for it fail and cost nothing. Take it out of the catalog, change MODEL."),
        N_("GPTunnel has the model {model} again."),
    ),
    AlertKind.OVERLOADED: (
        N_("GPTunnel is overloaded"),
        N_("The queue waits and goes on by itself. No order is lost, none is paid for twice."),
        N_("GPTunnel takes orders again, the queue goes on."),
    ),
    AlertKind.UNDELIVERABLE: (
        N_("The video of order {task} cannot be delivered"),
        N_("It is paid for and kept. Reason: {reason}"),
        N_("Order {task} is settled: its video is on the way or the order is gone."),
    ),
    AlertKind.UNKNOWN: (
        N_("Nobody knows whether order {task} was accepted"),
        N_("Look into GPTunnel's own list, then settle it. Nothing is repeated by itself."),
        N_("Order {task} is settled."),
    ),
    AlertKind.SET_ASIDE: (
        N_("Update {update} could not be handled and was set aside"),
        N_("The chat goes on without it. Reason: {error}"),
        N_("Update {update} was handled or forgotten."),
    ),
    AlertKind.NO_UPDATES: (
        N_("No updates from Telegram for {minutes} minutes"),
        N_("Look at the network, the proxy and the webhook's address. The log says more."),
        N_("Updates come from Telegram again."),
    ),
    AlertKind.OTHER_POLLER: (
        N_("Another program reads this bot's updates"),
        N_("Stop the other one, or make a new token at @BotFather if you do not know it."),
        N_("Nobody else reads this bot's updates any more."),
    ),
    AlertKind.DISK_LOW: (
        N_("The disk is nearly full: {megabytes} MB free"),
        N_("Make room: without it nothing can be taken or delivered."),
        N_("There is room on the disk again."),
    ),
}


def alert(lang: str, params: Params) -> Text:
    """It begins; goes with the buttons that act."""
    _ = words(lang)
    what, advice, _end = ALERTS[AlertKind(str(params["alert"]))]
    values = {name: str(value) for name, value in params.items()}
    return _said("🚨", _(what).format(**values), _(advice).format(**values))


def alert_over(lang: str, params: Params) -> Text:
    """It ended."""
    _ = words(lang)
    end = ALERTS[AlertKind(str(params["alert"]))][2]
    values = {name: str(value) for name, value in params.items()}
    seconds = float(params.get("seconds") or 0)
    lasted = _("It lasted {duration}.").format(duration=_.duration(seconds))
    return _said("✅", _(end).format(**values), lasted)


def drained(lang: str) -> Text:
    _ = words(lang)
    return _said(
        "🏁",
        _("Drained: nothing is under way any more"),
        _("New orders are still held. The bot can be stopped now, or released."),
    )


BUTTONS: Mapping[str, str] = {
    "today": N_("📊 Today"),
    "hold_intake": N_("⏸ Take no orders"),
    "release_intake": N_("▶️ Take orders again"),
    "hold_submits": N_("⏸ Let the queue wait"),
    "release_submits": N_("▶️ Let the queue go"),
    "drain": N_("🏁 Drain"),
    "try_now": N_("🔄 Try now"),
    "look": N_("🔎 The order"),
    "person": N_("👤 The person"),
    "redeliver": N_("📤 Send it again"),
    "charged": N_("💳 It was charged, no video"),
    "not_charged": N_("✖️ It was not accepted"),
    "update": N_("🔎 The update"),
    "handle": N_("🔄 Handle it again"),
    "refund": N_("↩️ Give the Stars back"),
    "send": N_("📣 Send it to everybody"),
    "stop": N_("✖️ Stop"),
}


def button(lang: str, name: str) -> str:
    """Of an admin's operation (bot.keyboards.Operation)."""
    return words(lang)(BUTTONS[name])


def intake_held(lang: str) -> str:
    """To a person who orders meanwhile."""
    _ = words(lang)
    return _(
        "No new videos for the moment: we are working on the bot. Press again in a while."
        " No money was taken."
    )


# --- how things are put together ------------------------------------------------------------


def _said(sign: str, head: Any, *rest: Any) -> Text:
    return as_list(Text(sign, " ", Bold(head)), *(part for part in rest if part is not None))
