"""The data of a button: a task's number and little else.

The database decides who owns it and whether the press still counts. Prefixes never change, since
old messages keep their buttons. It must not know the labels. The file is long on purpose: two
prefixes that are the same would be seen.
"""

from __future__ import annotations

from enum import StrEnum

from aiogram.filters.callback_data import CallbackData
from pydantic import field_validator

from bot.core.task import AspectRatio, Task

_LARGEST = 2**63 - 1
"""The largest number that a column holds."""


class ButtonData(CallbackData, prefix="-"):
    """The base of all buttons' data. It refuses numbers that no button of the bot can have.

    People can send any data with a client of their own (MTProto: messages.getBotCallbackAnswer).
    """

    @field_validator("*")
    @classmethod
    def _fits(cls, value: object) -> object:
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError("no number of a row")
        return value


class PickRatio(ButtonData, prefix="r", sep="|"):
    """Orders with one tap on the card. A ratio contains a colon."""

    task_id: int
    ratio: AspectRatio


class CancelTask(ButtonData, prefix="x", sep="|"):
    """Cancels a draft or a queued task."""

    task_id: int


class Options(ButtonData, prefix="o", sep="|"):
    """Opens or closes the options of a card."""

    task_id: int
    shown: bool


class Choose(ButtonData, prefix="c", sep="|"):
    """Chooses another quality, length or kind of video."""

    task_id: int
    model: str


class Several(ButtonData, prefix="n", sep="|"):
    """Sets the number of videos of one card, each a separate order."""

    task_id: int
    count: int


class ChooseWording(ButtonData, prefix="w", sep="|"):
    """Chooses which prompt is sent: the original or the rewritten one."""

    task_id: int
    own: bool


class Improve(ButtonData, prefix="i", sep="|"):
    """Expands a few words into a scene."""

    task_id: int


class AskIdeas(ButtonData, prefix="ia", sep="|"):
    """Asks for suggestions for a photo that came without words."""

    task_id: int


class TakeIdea(ButtonData, prefix="it", sep="|"):
    """Makes a suggestion the prompt of the photo, counted from 0."""

    task_id: int
    number: int


class OwnWords(ButtonData, prefix="io", sep="|"):
    """Says how to write the prompt instead."""

    task_id: int


class ShowExample(ButtonData, prefix="e", sep="|"):
    """Shows one of the ready scenes, counted from 0."""

    index: int


class TakeExample(ButtonData, prefix="t", sep="|"):
    """Makes a draft from a ready scene."""

    index: int


class DropRequest(ButtonData, prefix="tx", sep="|"):
    """Waits no longer for the photo of a template."""

    number: int


class SetRatio(ButtonData, prefix="sr", sep="|"):
    """Sets a person's default ratio; "-" removes it."""

    ratio: str


class SetModel(ButtonData, prefix="sm", sep="|"):
    """Sets a person's default model."""

    model: str


class RetryUnknown(ButtonData, prefix="u", sep="|"):
    """Orders again although the first order may have been paid."""

    task_id: int


class Redeliver(ButtonData, prefix="d", sep="|"):
    """Sends a kept video."""

    task_id: int


class AskAccess(ButtonData, prefix="k", sep="|"):
    """Asks for access."""


class BuyPackage(ButtonData, prefix="bs", sep="|"):
    """Requests the invoice, if the package is still on sale at this price."""

    stars: int
    roubles: int


class RefundPayment(ButtonData, prefix="br", sep="|"):
    """Refunds an unused payment, identified by its ledger row."""

    entry: int


class DecideAccess(ButtonData, prefix="kd", sep="|"):
    """An admin's decision about a request."""

    user_id: int
    allow: bool


class Act(StrEnum):
    """What can be done with a finished order; one letter each, which never changes."""

    AGAIN = "a"
    EDIT_PROMPT = "w"
    RATIO = "r"
    CONTINUE = "f"
    FILE = "d"
    FRAMELESS = "n"
    DELETE = "x"  # the message
    FORGET = "z"  # the message, and everything stored about the order
    MORE = "m"  # shows all buttons
    LESS = "l"
    MORE_KEPT = "o"  # the same in the history, where Delete is permanent
    LESS_KEPT = "p"


class Below(ButtonData, prefix="b", sep="|"):
    """A button below a video, or below the notice of a failure."""

    act: Act
    task_id: int


class FilmAct(StrEnum):
    """What can be done with a film or with one of its parts; one letter each, which never
    changes."""

    WHOLE = "w"  # joins and sends it
    PARTS = "p"
    PART = "n"  # shows the buttons of one part
    AGAIN = "a"  # makes the part again
    REPLACE = "e"  # with another prompt
    VERSION = "v"  # shows the next version of the part
    TAKE_OUT = "x"


class OfFilm(ButtonData, prefix="f", sep="|"):
    """A button of a film; `task_id`: of the part, 0 for the whole film."""

    act: FilmAct
    film_id: int
    task_id: int = 0


class BoardAct(StrEnum):
    """What can be done with the scenes of a film before it is ordered; one letter each, which
    never changes."""

    CARD = "c"  # shows the whole film
    SCENE = "s"  # shows the buttons of one scene
    EDIT = "e"
    UP = "u"
    DOWN = "d"
    REMOVE = "x"
    ADD = "a"
    MODELS = "m"  # shows the models
    CANCEL = "q"


class OfBoard(ButtonData, prefix="fb", sep="|"):
    """A button of a storyboard; `revision`: what it shows, `scene`: counted from 0."""

    act: BoardAct
    board_id: int
    revision: int
    scene: int = 0


class BoardModel(ButtonData, prefix="fm", sep="|"):
    """Sets the model of a film before it is ordered."""

    board_id: int
    model: str


class OrderFilm(ButtonData, prefix="fr", sep="|"):
    """Orders all scenes of a storyboard with one tap. A ratio contains a colon."""

    board_id: int
    revision: int
    ratio: AspectRatio


class StopFilm(ButtonData, prefix="fx", sep="|"):
    """Orders no more parts of the film of this part."""

    task_id: int


class GoOnFilm(ButtonData, prefix="fg", sep="|"):
    """Shows a card of the parts that are missing in the film of this part."""

    task_id: int


class ShowVideo(ButtonData, prefix="v", sep="|"):
    """Selects one of an album's videos. `steps`: the offsets of the album's tasks from the first
    task of the order, separated by dots, since three whole numbers do not fit.
    """

    task_id: int
    steps: str


class DropVideo(ButtonData, prefix="vx", sep="|"):
    """Removes one of an album's videos from the chat; `steps` as in ShowVideo."""

    task_id: int
    steps: str


def of_album(task: Task, steps: str) -> list[int]:
    """Return the tasks of an album from one of them and the data of its buttons."""
    found = [(task.order or task.id) + int(one) for one in steps.split(".") if one.isdecimal()]
    return found if task.id in found else [task.id]


class DrawPicture(ButtonData, prefix="fp", sep="|"):
    """Opens the card of a picture for this card."""

    task_id: int


class ChangePhoto(ButtonData, prefix="cp", sep="|"):
    """Asks for the words with which the photo of a card, or a picture, is changed."""

    task_id: int


class UsePicture(ButtonData, prefix="up", sep="|"):
    """Opens the card that starts with this picture; `steps` of its album as in ShowVideo, or
    empty."""

    task_id: int
    steps: str = ""


class TurnPage(ButtonData, prefix="hp", sep="|"):
    """Shows another page of somebody's history."""

    user_id: int
    page: int


class TurnFound(ButtonData, prefix="hs", sep="|"):
    """Shows another page of what was found in somebody's history; `words` as `searchable` cuts
    them."""

    user_id: int
    page: int
    words: str


WORDS_BYTES = 32
"""Bytes of the words in TurnFound (Bot API: 64 in all, beside the largest numbers)."""


def searchable(words: str) -> str:
    """Return the words of a search as a button can carry them; what does not fit is cut."""
    whole = " ".join(words.replace("|", " ").split())
    return whole.encode()[:WORDS_BYTES].decode(errors="ignore").strip()


class OpenFilm(ButtonData, prefix="hf", sep="|"):
    """Shows one film of the history."""

    film_id: int


class OpenOrder(ButtonData, prefix="ho", sep="|"):
    """Shows one order of the history."""

    task_id: int


class DeleteMe(ButtonData, prefix="dm", sep="|"):
    """The second tap of /delete_me; `sure` 0 cancels it."""

    user_id: int
    sure: int


class SetLanguage(ButtonData, prefix="l", sep="|"):
    """Chooses a language."""

    lang: str


# --- admins -----------------------------------------------------------------------------------


class Operation(StrEnum):
    """The operation of an admin's button; short names, which never change."""

    TODAY = "t"  # shows the current numbers
    HOLD_INTAKE = "hi"
    RELEASE_INTAKE = "ri"
    HOLD_SUBMITS = "hs"
    RELEASE_SUBMITS = "rs"
    HOLD_PHOTOS = "hp"
    RELEASE_PHOTOS = "rp"
    DRAIN = "dr"
    ASKED = "a"  # shows the open access requests
    TRY_NOW = "tn"  # retries orders that are held because of the provider
    LOOK = "l"  # shows a task
    PERSON = "p"
    REDELIVER = "d"
    CHARGED = "c"  # settles an unknown order: charged, without a video
    NOT_CHARGED = "n"
    UPDATE = "u"  # shows an update that was set aside
    HANDLE = "h"  # handles that update again
    REFUND = "r"  # refunds a payment, by its number in the ledger
    REFUND_REST = "rr"  # refunds a payment that was used in part
    ALLOW = "al"  # a person or a group, unless there is a ban
    BAN = "bn"
    UNBAN = "ub"
    REFUND_AGAIN = "ra"  # asks Telegram again for a refund that it refused
    REFUND_SETTLED = "rx"  # it was settled in another way
    SEND = "s"  # starts a broadcast
    STOP = "x"
    TAKE_OVER = "to"  # writes the provider's models and prices into the catalog file


class ShowPeople(ButtonData, prefix="pp", sep="|"):
    """Shows a page of /people."""

    section: str
    page: int


class ShowInvites(ButtonData, prefix="pi", sep="|"):
    """Shows the open invites."""


class RevokeInvite(ButtonData, prefix="pr", sep="|"):
    """Revokes an invite, by the number of the update that made it."""

    number: int


class RevokePromo(ButtonData, prefix="pm", sep="|"):
    """Revokes a promo code, by the number of the update that made it."""

    number: int


class SetCap(ButtonData, prefix="oc", sep="|"):
    """Sets an own cap of a person or a group; `videos` 0: no limit, -1: as the settings say."""

    subject_id: int
    per_day: bool
    videos: int


class Step(StrEnum):
    """One of the first steps of an admin; short names, which never change."""

    LIST = "l"  # shows all of them
    BALANCE = "b"
    PHOTOS = "p"
    CAPS = "c"
    PEOPLE = "w"
    INVITE = "i"  # makes an invite for one person


class FirstStep(ButtonData, prefix="fs", sep="|"):
    """An admin's button about setting up the bot."""

    step: Step


class Operate(ButtonData, prefix="op", sep="|"):
    """An admin's button; `number` identifies a task, a person, an update, a broadcast or a row."""

    operation: Operation
    number: int = 0
