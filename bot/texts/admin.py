"""Texts for admins: numbers, look-ups, broadcasts. See bot/texts.

It must not know how they are sent or what the buttons do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from aiogram.utils.formatting import Bold, Code, Text

from bot.core.alerts import AlertKind, Params, Switch
from bot.core.balance import Trail
from bot.core.catalog_file import Taken
from bot.core.chat_models import ChatModel
from bot.core.task import Task, TaskEvent, TaskState
from bot.texts import balance, failures, zone
from bot.texts.alerts import ALERTS, values_of
from bot.texts.formatting import N_, message
from bot.texts.i18n import Words, fill, words

BUTTONS: Mapping[str, str] = {
    "today": N_("📊 Today"),
    "hold_intake": N_("⏸ Take no orders"),
    "release_intake": N_("▶️ Take orders again"),
    "hold_submits": N_("⏸ Let the queue wait"),
    "release_submits": N_("▶️ Resume the queue"),
    "hold_photos": N_("⏸ Take no photos"),
    "release_photos": N_("▶️ Take photos again"),
    "drain": N_("🏁 Drain"),
    "asked": N_("🔑 Access requests"),
    "try_now": N_("🔄 Try now"),
    "look": N_("🔎 The order"),
    "person": N_("👤 The person"),
    "redeliver": N_("📤 Send it again"),
    "charged": N_("💳 It was charged, no video"),
    "not_charged": N_("✖️ It was not accepted"),
    "update": N_("🔎 The update"),
    "handle": N_("🔄 Handle it again"),
    "allow": N_("✅ Let in"),
    "ban": N_("🚫 Ban"),
    "unban": N_("✅ Unban"),
    "refund_again": N_("🔄 Give the Stars back again"),
    "refund_settled": N_("✅ Settled in another way"),
    "send": N_("📣 Send to everybody"),
    "stop": N_("✖️ Stop"),
    "take_over": N_("🏷 Update models and prices"),
}

_STATES = {
    TaskState.DRAFT: N_("draft"),
    TaskState.CANCELLED: N_("cancelled"),
    TaskState.QUEUED: N_("queued"),
    TaskState.SUBMITTING: N_("submitting"),
    TaskState.GENERATING: N_("generating"),
    TaskState.RENDERED: N_("rendered"),
    TaskState.DELIVERED: N_("delivered"),
    TaskState.FAILED: N_("failed"),
    TaskState.UNKNOWN: N_("unknown"),
    TaskState.UNDELIVERABLE: N_("undeliverable"),
}


def button(lang: str, name: str) -> str:
    """The label of an admin's operation (bot.texts.callback_data.Operation)."""
    return words(lang)(BUTTONS[name])


# --- /admin ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Today:
    """The numbers of one day."""

    ordered: int
    delivered: int
    failed: int
    unknown: int
    undeliverable: int
    cancelled: int = 0
    queued: int
    making: int
    spent: Decimal
    stars: int
    asked: int  # open access requests
    alerts: Sequence[tuple[AlertKind, Params]]
    held: Iterable[Switch]
    tunnel: str = ""  # its state; empty: there is none
    translates: bool = False
    translates_by: ChatModel | None = None
    views: bool = False
    views_by: ChatModel | None = None
    stories_by: ChatModel | None = None


ALERTS_SHOWN = 6
_HELD: Mapping[Switch, str] = {
    Switch.INTAKE: N_("⏸ New orders are paused."),
    Switch.DRAIN: N_("🏁 Draining: no new orders, open orders are finished."),
    Switch.SUBMITS: N_("⏸ The queue waits."),
    Switch.PHOTOS: N_("⏸ Orders with a photo are paused."),
}


def today(lang: str, numbers: Today) -> Text:
    """The current day, and what is wrong."""
    _ = words(lang)
    lines = [
        fill(_("Ordered: {n}"), n=Bold(numbers.ordered)),
        fill(_("Delivered: {n}"), n=Bold(numbers.delivered)),
        fill(_("Failed: {n}"), n=Bold(numbers.failed)),
        fill(_("Not known: {n}"), n=Bold(numbers.unknown)),
        fill(_("Not delivered: {n}"), n=Bold(numbers.undeliverable)),
        fill(_("Cancelled: {n}"), n=Bold(numbers.cancelled)) if numbers.cancelled else None,
        "",
        fill(_("In the queue: {n}"), n=Bold(numbers.queued)),
        fill(_("Being made: {n}"), n=Bold(numbers.making)),
        "",
        fill(_("💳 Spent: {price}"), price=Bold(_.price(numbers.spent))),
        fill(_("⭐ Received: {n}"), n=Bold(numbers.stars)) if numbers.stars else None,
        fill(_("🔑 Access requests: {n}"), n=Bold(numbers.asked)) if numbers.asked else None,
        fill(_("🚇 Tunnel: {state}"), state=numbers.tunnel) if numbers.tunnel else None,
        _translation(_, numbers),
        _ideas(_, numbers),
        _stories(_, numbers),
        *(_(_HELD[switch]) for switch in sorted(numbers.held)),
        *(_wrong(_, kind, params) for kind, params in numbers.alerts[:ALERTS_SHOWN]),
        f"🚨 + {len(numbers.alerts) - ALERTS_SHOWN}"
        if len(numbers.alerts) > ALERTS_SHOWN
        else None,
        None if numbers.alerts else _("Nothing is wrong."),
        "",
        _(
            "/order 12 and /user 123 show details, /stats shows charts, /broadcast "
            "writes to everybody."
        ),
    ]
    return message("📊", _("Today"), *lines)


def _translation(_: Words, numbers: Today) -> Text | str:
    """By which model prompts are translated, and what that costs."""
    model = numbers.translates_by
    if model is None or not numbers.translates:
        return _("🌐 Translation: on") if numbers.translates else _("🌐 Translation: off")
    if model.price is None:
        return fill(_("🌐 Translation: {model}"), model=model.id)
    price = _.price(model.price.quantize(Decimal("0.01")))
    return fill(_("🌐 Translation: {model}, about {price} a prompt"), model=model.id, price=price)


def _ideas(_: Words, numbers: Today) -> Text | str | None:
    """Which model suggests what could happen in a photo, and what that costs; None: no model."""
    model = numbers.views_by
    if not numbers.views:
        return None
    if model is None:
        return _("💡 Ideas for photos: on")
    if model.picture_price is None:
        return fill(_("💡 Ideas for photos: {model}"), model=model.id)
    price = _.price(model.picture_price.quantize(Decimal("0.01")))
    return fill(
        _("💡 Ideas for photos: {model}, about {price} a photo"), model=model.id, price=price
    )


def _stories(_: Words, numbers: Today) -> Text | None:
    """By which model scenes of films are proposed, and what that costs."""
    model = numbers.stories_by
    if model is None:
        return None
    if model.story_price is None:
        return fill(_("🎞 Stories: {model}"), model=model.id)
    price = _.price(model.story_price.quantize(Decimal("0.01")))
    return fill(_("🎞 Stories: {model}, about {price} a film"), model=model.id, price=price)


def _wrong(_: Words, kind: AlertKind, params: Params) -> str:
    return f"🚨 {_(ALERTS[kind][0]).format(**values_of(_, params))}"


def state_word(_: Words, state: TaskState) -> str:
    """The name of a state (docs/states.md), for an admin; in English as in the log."""
    return _(_STATES[state])


def order(
    lang: str,
    task: Task,
    events: Sequence[TaskEvent],
    *,
    in_doubt: bool = False,
    trail: Trail | None = None,
) -> Text:
    """A task and its history, for an admin; without the prompt, which belongs to the person.

    `in_doubt`: it can be settled. `trail`: the balance around it, if its answer was lost.
    """
    _ = words(lang)
    facts = [
        fill(_("Person: {id}"), id=Code(task.user_id)),
        f"{task.model} · {task.aspect_ratio or '—'} · {_.price(task.price)}",
        fill(_("GPTunnel's ID: {id}"), id=Code(task.provider_id)) if task.provider_id else None,
        fill(_("Told to the person: {words}"), words=_(failures.REASONS[task.reason][0]))
        if task.reason
        else None,
        Code(f"{task.reason}: {task.detail or '—'}") if task.reason else None,
        "",
        *(
            f"{zone.local(event.at):%d.%m %H:%M:%S} · {state_word(_, event.state)}"
            for event in events[-20:]
        ),
        fill(_("Times: {zone}"), zone=zone.name()) if events else None,
        *(("", balance.line(lang, trail)) if trail else ()),
        "" if in_doubt else None,
        fill(
            _("Found at GPTunnel? Send {command} and its ID there, and the bot polls it."),
            command=Code(f"/settle {task.id}"),
        )
        if in_doubt
        else None,
    ]
    head = _("Order {id}: {state}").format(id=task.id, state=state_word(_, task.state))
    return message("🔎", head, *facts)


def order_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🔎",
        _("An order"),
        _("/order 12 shows an order, its history and what can be done about it."),
        _("The numbers are in alerts, in /user and in the log."),
    )


def nothing_found(lang: str) -> Text:
    _ = words(lang)
    return message("🤷", _("Nothing was found under this number."))


def update(lang: str, update_id: int, error: str, payload: str) -> Text:
    """An update that was set aside."""
    _ = words(lang)
    return message(
        "🔎", _("Update {update}").format(update=update_id), error, "", Code(payload[:3000])
    )


def not_found_there(lang: str, *, answered: bool) -> Text:
    """Nothing was settled, because GPTunnel does not know the ID or does not answer."""
    _ = words(lang)
    return message(
        "🤔",
        _("GPTunnel does not know this ID. Nothing was changed.")
        if answered
        else _("GPTunnel does not answer now. Nothing was changed; try again later."),
    )


def settle_usage(lang: str, trail: Trail | None = None) -> Text:
    """`trail`: of the order that was named without an ID."""
    _ = words(lang)
    return message(
        "❓",
        _("Settling an order"),
        balance.line(lang, trail) if trail else None,
        _("/settle 12 followed by GPTunnel's ID: the bot polls the video."),
        _("If the order is not there, use the buttons below /order 12."),
    )


def given(lang: str, task: Task, trail: Trail | None = None) -> Text:
    """`trail`: the balance around it, against which the ID can be checked."""
    _ = words(lang)
    money = balance.line(lang, trail) if trail else None
    return message("✅", _("Order {task} is polled now.").format(task=task.id), money)


def not_given(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🤔",
        _(
            "Nothing was changed: this order is not in doubt, its video was delivered, or "
            "the ID belongs to another order."
        ),
    )


def decided(lang: str, said: Text, name: str, operation: str) -> Text:
    """A message to the operator after one admin decided; `said`: its text before."""
    _ = words(lang)
    line = fill(_("Decided by {name}: {button}"), name=Text(name), button=button(lang, operation))
    return Text(said, "\n\n", line)


def pressed(lang: str, *, done: bool) -> str:
    """Answers an admin's press: it took effect, or was too late."""
    _ = words(lang)
    return _("Done.") if done else _("Nothing to do: this was done already.")


def taken_over(lang: str, taken: Taken) -> str:
    """Answers an admin's press that takes over the provider's models and prices."""
    _ = words(lang)
    return {
        Taken.DONE: _("Done: new cards show these models and prices."),
        Taken.NOTHING: _("Nothing to do: this was done already."),
        Taken.NO_ANSWER: _("GPTunnel does not answer now. Nothing was changed; try again later."),
        Taken.NOT_WRITTEN: _("The catalog file cannot be written. The log says why."),
    }[taken]


def not_refunded(lang: str) -> str:
    """Answers an admin's press that refunds Stars."""
    _ = words(lang)
    return _("Not refunded: it was refunded already, or the credit was spent on videos.")


# --- /broadcast -----------------------------------------------------------------------------


def broadcast_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "📣",
        _("Message to everybody"),
        _("Send me the message as everybody should see it, then reply to it with /broadcast."),
    )


def broadcast(
    lang: str,
    state: str,
    total: int,
    sent: int,
    refused: int,
    *,
    gone: bool = False,
    postponed: int = 0,
) -> Text:
    """A broadcast before, during and after sending; `state`: draft, running, done, cancelled.

    `gone`: it was stopped because its message cannot be copied. `postponed`: how many people are
    tried again."""
    _ = words(lang)
    if state == "draft":
        people = _.plural("{n} person gets it.", "{n} people get it.", total).format(n=total)
        return message("📣", _("Send this to everybody?"), people)
    head = {
        "running": _("Sending to everybody"),
        "done": _("Sent to everybody"),
        "cancelled": _("Stopped"),
    }[state]
    share = min(1.0, (sent + refused) / total) if total else 1.0
    bar = "▓" * round(10 * share) + "░" * (10 - round(10 * share))
    return message(
        "📣",
        head,
        f"{bar} {share:.0%}",
        fill(_("Sent: {n}"), n=sent),
        fill(_("Not reached: {n}"), n=refused),
        fill(_("To be tried again, for a day at most: {n}"), n=postponed) if postponed else None,
        _("The message was deleted or cannot be copied: nobody else gets it.") if gone else None,
    )
