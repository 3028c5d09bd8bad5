"""Texts of the status message while an order waits or runs, and of cancelling it.

It must not know when a status is shown.
"""

from __future__ import annotations

from aiogram.utils.formatting import (
    ExpandableBlockQuote,
    Text,
)

from bot.core.catalog import CATALOG
from bot.core.schedule import DurationDistribution
from bot.core.task import Task, TaskState
from bot.texts.formatting import CAPTION_LIMIT, cut, message, model_line, seconds_range
from bot.texts.i18n import Words, fill, words


def status_queued(lang: str, task: Task, place: int | None = None) -> Text:
    """The task is in the queue; `place` 1 is the next one, None means unknown."""
    _ = words(lang)
    if place is None:
        where = _("Accepted, starting soon.")
    elif place <= 1:
        where = _("Accepted: you are next.")
    else:
        where = _("Accepted: number {place} in the queue.").format(place=place)
    return message(
        "🕐",
        where,
        _free(_) if task.state is TaskState.QUEUED else None,
        model_line(_, task),
    )


def _free(_: Words) -> str:
    if _.money:
        return _("You can cancel for free until the video is started.")
    return _("You can cancel until the video is started.")


def status_generating(
    lang: str, task: Task, *, elapsed: float, distribution: DurationDistribution
) -> Text:
    """The video is being made; `elapsed` seconds since the provider accepted it. Typical durations
    are shown once they are learnt; before that, the typical one of the catalog.
    """
    _ = words(lang)
    model = CATALOG.get(task.model)
    typical = model.typical_seconds if model and not distribution.known else None
    slow = distribution.known and elapsed > distribution.late
    return message(
        "⏳",
        _("Making your video"),
        fill(_("{duration} elapsed"), duration=_.duration(elapsed)) if elapsed >= 1 else None,
        fill(_("Usually: {range}"), range=seconds_range(_, distribution.early, distribution.late))
        if distribution.known
        else None,
        _("Usually: {duration}").format(duration=_.duration(typical)) if typical else None,
        _("It takes longer than usual, but it is still being made. You need not do anything.")
        if slow
        else None,
        model_line(_, task),
    )


def status_sending(lang: str, task: Task) -> Text:
    """The video exists and is being sent."""
    _ = words(lang)
    return message("📤", _("The video is ready. Sending it to you…"), model_line(_, task))


def status_rest(lang: str, videos: int) -> Text:
    """The number of videos of an order that have not arrived yet."""
    _ = words(lang)
    return message(
        "⏳",
        _.plural(
            "{n} more video of this order is on its way.",
            "{n} more videos of this order are on their way.",
            videos,
        ).format(n=videos),
    )


def status_waiting(lang: str, task: Task, *, busy: bool = False) -> Text:
    """The order is not accepted yet: the operator must act, or the provider is only `busy`."""
    _ = words(lang)
    if busy:
        head = _("The video service is very busy")
        body = (
            _("Your order is kept and no money was taken. I keep trying until it is accepted.")
            if _.money
            else _("Your order is kept. I keep trying until it is accepted.")
        )
        return message("🕐", head, body, model_line(_, task))
    return held(lang)


def status_away(lang: str, task: Task) -> Text:
    """The provider does not answer; the order waits and can be cancelled."""
    _ = words(lang)
    return message(
        "🕐",
        _("The video service is not answering"),
        _(
            "Your order is kept and no money was taken. It is sent by itself as soon as "
            "the service answers. You can cancel for free."
        )
        if _.money
        else _(
            "Your order is kept. It is sent by itself as soon as the service answers. You can "
            "cancel it, and it does not count against your videos."
        ),
        model_line(_, task),
    )


def status_no_address(lang: str, task: Task) -> Text:
    """Photos cannot be passed on: the tunnel has no address, Telegram or the bucket does not
    answer, or they are held; the order waits."""
    _ = words(lang)
    return message(
        "🕐",
        _("Your photo waits for its connection"),
        _(
            "Photos cannot be passed on to the video service at the moment. Your order is kept "
            "and no money was taken. It continues by itself as soon as that works. You can cancel "
            "for free."
        )
        if _.money
        else _(
            "Photos cannot be passed on to the video service at the moment. Your order is kept "
            "and continues by itself as soon as that works. You can cancel it, and it does not "
            "count against your videos."
        ),
        model_line(_, task),
    )


def status_redirected(lang: str) -> Text:
    """The video went to the person's own chat, because this one does not take it."""
    _ = words(lang)
    return message(
        "📬",
        _("The video is in your private chat with me."),
        _("Telegram does not let me send it here."),
    )


def held(lang: str) -> Text:
    """Only the operator can fix the problem; the order waits."""
    _ = words(lang)
    return message(
        "🛠",
        _("A problem on our side"),
        _(
            "Your order is kept and no money was taken. The video starts by itself "
            "as soon as we fix it. You need not send anything again."
        )
        if _.money
        else _(
            "Your order is kept. The video starts by itself as soon as we fix it. You need not "
            "send anything again."
        ),
    )


def overdue(lang: str) -> Text:
    """The video is still not ready after the deadline."""
    _ = words(lang)
    return message(
        "⏰",
        _("Your video is taking very long."),
        _("💳 It is already paid for, so I will wait for another day.")
        if _.money
        else _("I will wait for another day."),
        _("It will arrive here as soon as it is ready. You need not order it again."),
    )


def cancelled(lang: str, prompt: str | None = None, *, others: bool = False) -> Text:
    """A draft or a queued task was cancelled: nothing was sent to the provider.

    `prompt`: the prompt of the cancelled task, if the message does not show it otherwise;
    `others`: how many variants can no longer be cancelled.
    """
    _ = words(lang)
    return message(
        "✖️",
        _("Cancelled."),
        ExpandableBlockQuote(cut(prompt, CAPTION_LIMIT)) if prompt else None,
        _("💳 No money was taken. You can send a new prompt at any time.")
        if _.money
        else _("🎟 It does not count against your videos. You can send a new prompt at any time."),
        _("🎬 The video that is already being made will still arrive.") if others else None,
    )


def too_late_to_cancel(lang: str) -> Text:
    """The provider has the order already."""
    _ = words(lang)
    return message(
        "🎬",
        _("Too late to cancel: the video is already being made."),
        _(
            "💳 The money for it is spent. The video will arrive here as soon as it "
            "is ready, unless the service refuses it."
        )
        if _.money
        else _(
            "🎟 It counts as one of your videos. It will arrive here as soon as it is ready, "
            "unless the service refuses it."
        ),
    )


def nothing_to_cancel(lang: str) -> Text:
    _ = words(lang)
    return message("👌", _("There is nothing to cancel."), _("Send a prompt to make a video."))


def press_accepted(lang: str) -> str:
    _ = words(lang)
    return _("Accepted! Your video will arrive here.")


def press_cancelled(lang: str, *, others: bool = False) -> str:
    """The answer to a press on Cancel. `others`: another video of the order has already begun, so
    it cannot be cancelled."""
    _ = words(lang)
    said = (
        _("Cancelled. No money was taken.")
        if _.money
        else _("Cancelled. It does not count against your videos.")
    )
    if others:
        said += "\n" + _("🎬 The video that is already being made will still arrive.")
    return said


def press_foreign(lang: str) -> str:
    _ = words(lang)
    return _("This is another person's order. Send me your own prompt.")


def press_expired(lang: str) -> str:
    _ = words(lang)
    return _("This button no longer works. Send the prompt again.")


def press_done(lang: str, state: TaskState) -> str:
    """The press changes nothing, because the task is already in `state`. No money is taken."""
    _ = words(lang)
    if state is TaskState.CANCELLED:
        return _("This order is cancelled. Send the prompt again to make the video.")
    if state in {TaskState.DELIVERED, TaskState.RENDERED}:
        if not _.money:
            return _("This video is already made. Nothing more was ordered.")
        return _("This video is already made. Nothing more was charged.")
    if state in {TaskState.FAILED, TaskState.UNDELIVERABLE, TaskState.UNKNOWN}:
        return _("This order is over. Send the prompt again to make a new one.")
    if not _.money:
        return _("Already ordered: it is made only once, however often you press.")
    return _("Already ordered: it is made and paid for only once, however often you press.")


def press_too_late(lang: str) -> str:
    _ = words(lang)
    if not _.money:
        return _("Too late: the video is being made. It will arrive here.")
    return _("Too late: the video is being made and the money is spent. It will arrive here.")


def button_cancel(lang: str) -> str:
    _ = words(lang)
    return _("Cancel")
