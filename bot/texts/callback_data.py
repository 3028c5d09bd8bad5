"""What a button carries: a task's number, and nothing else that matters.

Whose it is and whether it still counts is decided in the database. Prefixes stay for ever, for old
messages keep their buttons. It must not know what is written on a button.
"""

from __future__ import annotations

from enum import StrEnum

from aiogram.filters.callback_data import CallbackData

from bot.core.task import AspectRatio, Task


class PickRatio(CallbackData, prefix="r", sep="|"):
    """The order: one tap from the card. A ratio has a colon in it."""

    task_id: int
    ratio: AspectRatio


class CancelTask(CallbackData, prefix="x", sep="|"):
    """Takes back a draft or a queued task."""

    task_id: int


class Options(CallbackData, prefix="o", sep="|"):
    """Shows what can be changed on a card, or puts it away."""

    task_id: int
    shown: bool


class Choose(CallbackData, prefix="c", sep="|"):
    """Another quality, length or kind of video."""

    task_id: int
    model: str


class Several(CallbackData, prefix="n", sep="|"):
    """So many videos of one card, each an order of its own."""

    task_id: int
    count: int


class Wording(CallbackData, prefix="w", sep="|"):
    """Which words are sent: the person's own, or those made of them."""

    task_id: int
    own: bool


class Improve(CallbackData, prefix="i", sep="|"):
    """Makes a scene of a few words."""

    task_id: int


class ShowExample(CallbackData, prefix="e", sep="|"):
    """One of the ready scenes, counted from 0."""

    index: int


class TakeExample(CallbackData, prefix="t", sep="|"):
    """A ready scene becomes a draft."""

    index: int


class SetRatio(CallbackData, prefix="sr", sep="|"):
    """A person's own default; "-" takes it back."""

    ratio: str


class SetModel(CallbackData, prefix="sm", sep="|"):
    """A person's own default."""

    model: str


class RetryUnknown(CallbackData, prefix="u", sep="|"):
    """Orders once more, knowing that the first order may have been paid."""

    task_id: int


class Redeliver(CallbackData, prefix="d", sep="|"):
    """Sends a video that was kept."""

    task_id: int


class AskAccess(CallbackData, prefix="k", sep="|"):
    """A stranger asks to be let in."""


class BuyPackage(CallbackData, prefix="bs", sep="|"):
    """Sends the invoice, if it is still on sale at this price."""

    stars: int
    roubles: int


class RefundPayment(CallbackData, prefix="br", sep="|"):
    """Gives a payment back that was not used; by its row in the ledger."""

    entry: int


class DecideAccess(CallbackData, prefix="kd", sep="|"):
    """An admin answers."""

    user_id: int
    allow: bool


class Act(StrEnum):
    """What can be done with an order that is over; one letter each, for ever."""

    AGAIN = "a"
    REWORD = "w"
    RATIO = "r"
    CONTINUE = "f"
    FILE = "d"
    FRAMELESS = "n"
    DELETE = "x"  # the message
    FORGET = "z"  # the message, and all that is kept of the order


class Below(CallbackData, prefix="b", sep="|"):
    """A button below a video, or below the words about an end without one."""

    act: Act
    task_id: int


class ShowVideo(CallbackData, prefix="v", sep="|"):
    """One of an album's videos: its buttons. `steps`: from the first task of the order to each of
    the album's, with dots between them, for three whole numbers do not fit.
    """

    task_id: int
    steps: str


class DropVideo(CallbackData, prefix="vx", sep="|"):
    """Takes one of an album's videos out of the chat; `steps` as in ShowVideo."""

    task_id: int
    steps: str


def of_album(task: Task, steps: str) -> list[int]:
    """The tasks of an album, of which this is one, by what its buttons carry."""
    found = [(task.order or task.id) + int(one) for one in steps.split(".") if one.isdecimal()]
    return found if task.id in found else [task.id]


class TurnPage(CallbackData, prefix="hp", sep="|"):
    """Another page of somebody's history."""

    user_id: int
    page: int


class OpenOrder(CallbackData, prefix="ho", sep="|"):
    """One order of the history."""

    task_id: int


class DeleteMe(CallbackData, prefix="dm", sep="|"):
    """The second tap of /delete_me; `sure` 0 takes it back."""

    user_id: int
    sure: int


class SetLanguage(CallbackData, prefix="l", sep="|"):
    """The person's own choice."""

    lang: str


# --- those who run the bot --------------------------------------------------------------------


class Operation(StrEnum):
    """What an admin does by a press; short words, for ever."""

    TODAY = "t"  # the numbers, anew
    HOLD_INTAKE = "hi"
    RELEASE_INTAKE = "ri"
    HOLD_SUBMITS = "hs"
    RELEASE_SUBMITS = "rs"
    DRAIN = "dr"
    ASKED = "a"  # looks at the requests to be let in
    TRY_NOW = "tn"  # what is held by the provider's doing
    LOOK = "l"  # at a task
    PERSON = "p"
    REDELIVER = "d"
    CHARGED = "c"  # an unknown one: it was paid for, and there is no video
    NOT_CHARGED = "n"
    UPDATE = "u"  # looks at one that was set aside
    HANDLE = "h"  # it, once more
    REFUND = "r"  # a payment, by its number in the ledger
    SEND = "s"  # a broadcast
    STOP = "x"


class Operate(CallbackData, prefix="op", sep="|"):
    """Of an admin; `number`: of a task, a person, an update, a broadcast, a row."""

    operation: Operation
    number: int = 0
