"""Texts of alerts: the problem, what to do, and its end. See bot/texts.

It must not know how they are sent or what the buttons do.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from aiogram.utils.formatting import Text

from bot.core.alerts import AlertKind, Params
from bot.core.task import Reason
from bot.texts import balance, failures
from bot.texts.formatting import N_, message
from bot.texts.i18n import Words, words

ALERTS: Mapping[AlertKind, tuple[str, str, str]] = {  # problem, what to do, end
    AlertKind.LOW_BALANCE: (
        N_("The balance at GPTunnel is low: {roubles} ₽"),
        N_("Add money. This alert is sent below {threshold} ₽."),
        N_("The balance at GPTunnel is sufficient again."),
    ),
    AlertKind.NO_BALANCE: (
        N_("The balance at GPTunnel is empty"),
        N_("Orders are kept and wait. Add money to the balance; the bot retries by itself."),
        N_("GPTunnel accepts orders again: the balance is sufficient."),
    ),
    AlertKind.KEY_REFUSED: (
        N_("GPTunnel refuses the key"),
        N_("Orders are kept and wait. Set a working GPTUNNEL_API_KEY and restart."),
        N_("GPTunnel accepts the key again."),
    ),
    AlertKind.WRONG_ADDRESS: (
        N_("There is no GPTunnel at this address"),
        N_("Orders are kept and wait. Check GPTUNNEL_BASE_URL."),
        N_("GPTunnel answers at its address again."),
    ),
    AlertKind.MODEL_GONE: (
        N_("GPTunnel has no model {model} any more"),
        N_("Orders for it fail and cost nothing. Remove it from the catalog, change MODEL."),
        N_("GPTunnel has the model {model} again."),
    ),
    AlertKind.OVERLOADED: (
        N_("GPTunnel is overloaded"),
        N_("The queue waits and continues by itself. No order is lost, none is paid for twice."),
        N_("GPTunnel accepts orders again, the queue continues."),
    ),
    AlertKind.PROVIDER_AWAY: (
        N_("GPTunnel does not answer"),
        N_(
            "The answer to a paid request was lost, so no other order is sent. The bot sends "
            "free requests until GPTunnel answers; then the queue continues by itself."
        ),
        N_("GPTunnel answers and accepts orders again."),
    ),
    AlertKind.CHARGED_FAILURES: (
        N_("Videos fail and are charged: {count} of the latest, {roubles} ₽"),
        N_("Look at the reasons with /order, and take no orders until GPTunnel works again."),
        N_("Videos are delivered again."),
    ),
    AlertKind.UNDELIVERABLE: (
        N_("Order {task} cannot be delivered"),
        N_("It is paid for and kept here."),
        N_("Order {task} is settled: it is being sent, or it was deleted."),
    ),
    AlertKind.UNKNOWN: (
        N_("Nobody knows whether order {task} was accepted"),
        N_("Check GPTunnel's own list, then settle the order. It is not repeated automatically."),
        N_("Order {task} is settled."),
    ),
    AlertKind.ID_WANTED: (
        N_("Order {task} was accepted and charged, but its ID is not known"),
        N_("Find it in GPTunnel's own list and send /settle {task} with its ID."),
        N_("Order {task} is settled."),
    ),
    AlertKind.REFUND_REFUSED: (
        N_("Telegram refuses to give back {stars} Stars to person {user}"),
        N_("Their credit is taken back already. Try again, or settle it with them: {error}"),
        N_("The refund to person {user} is settled."),
    ),
    AlertKind.SET_ASIDE: (
        N_("Update {update} could not be handled and was set aside"),
        N_("The chat continues without it. Reason: {error}"),
        N_("Update {update} was handled or deleted."),
    ),
    AlertKind.NO_UPDATES: (
        N_("No updates from Telegram for {minutes} minutes"),
        N_("Check the network, the proxy and the webhook's address. The log has details."),
        N_("Updates arrive from Telegram again."),
    ),
    AlertKind.OTHER_POLLER: (
        N_("Another program reads this bot's updates"),
        N_(
            "Stop the other program, or create a new token at @BotFather if you do not know it. "
            "If a webhook was set, restart this bot: that deletes it."
        ),
        N_("No other program reads this bot's updates any more."),
    ),
    AlertKind.PHOTOS_UNFETCHED: (
        N_("Nobody fetched the photo of order {task}, and the order failed"),
        N_(
            "Orders with a photo are paused, the rest continues. Check that PUBLIC_URL or the "
            "tunnel leads to this bot from the internet, then take photos again."
        ),
        N_("Orders with a photo are taken again."),
    ),
    AlertKind.DISK_LOW: (
        N_("The disk is nearly full: {megabytes} MB free"),
        N_("Free some space: on a full disk nothing can be accepted or delivered."),
        N_("There is enough space on the disk again."),
    ),
}
_NOT_HERE = N_("It is paid for, but the bot could not get its file.")
_WITHOUT_FILE = {Reason.RESULT_GONE, Reason.RESULT_REFUSED, Reason.RESULT_UNUSABLE}


def values_of(_: Words, params: Params) -> dict[str, str]:
    """Return the parameters as texts, with sums in the format of this language."""
    values = {name: str(value) for name, value in params.items()}
    if "roubles" in values:
        sign = "\N{NO-BREAK SPACE}₽"  # the texts have it
        values["roubles"] = _.kopecks(Decimal(values["roubles"])).removesuffix(sign)
    return values


def alert(lang: str, params: Params) -> Text:
    """The start of an alert; with its buttons."""
    _ = words(lang)
    kind = AlertKind(str(params["alert"]))
    what, advice, _end = ALERTS[kind]
    values = values_of(_, params)
    why = None
    # Versions before wrote no reason, and later ones may know more.
    if kind is AlertKind.UNDELIVERABLE and params.get("reason") in set(Reason):
        reason = Reason(str(params["reason"]))
        advice = _NOT_HERE if reason in _WITHOUT_FILE else advice
        why = _(failures.REASONS[reason][0])
    money = balance.of_params(lang, params) if "finding" in params else None
    return message("🚨", _(what).format(**values), _(advice).format(**values), why, money)


def alert_over(lang: str, params: Params) -> Text:
    """An alert ended."""
    _ = words(lang)
    end = ALERTS[AlertKind(str(params["alert"]))][2]
    values = values_of(_, params)
    seconds = float(params.get("seconds") or 0)
    lasted = _("It lasted {duration}.").format(duration=_.duration(seconds))
    return message("✅", _(end).format(**values), lasted)


def drained(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🏁",
        _("Drained: no order is open any more"),
        _("New orders are still paused. You can stop the bot now, or take orders again."),
    )
