"""A task is one video or one picture, from the draft to its delivery; its states and transitions.

Pure: it must not know Telegram, HTTP, SQL or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self


class TaskState(StrEnum):
    """The state of a task. Other columns say when it is due and who works on it."""

    # a card in the chat, which costs nothing; or a later part of an ordered film, whose price is
    # reserved until the part before it is delivered
    DRAFT = "draft"
    CANCELLED = "cancelled"
    QUEUED = "queued"  # confirmed; not yet sent to the provider
    SUBMITTING = "submitting"  # committed before the paid call: a request may be under way
    GENERATING = "generating"  # the provider returned an id: it is paid
    RENDERED = "rendered"  # the video exists and has to be delivered
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the answer to the create was lost: nobody here knows whether it was paid
    # the video exists and is kept, but the chat does not accept it
    UNDELIVERABLE = "undeliverable"


S = TaskState

ALLOWED: dict[TaskState, frozenset[TaskState]] = {
    S.DRAFT: frozenset({S.QUEUED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SUBMITTING, S.CANCELLED, S.FAILED}),
    # back to QUEUED only if the request was certainly not accepted
    S.SUBMITTING: frozenset({S.QUEUED, S.GENERATING, S.FAILED, S.UNKNOWN}),
    S.GENERATING: frozenset({S.RENDERED, S.FAILED}),
    S.RENDERED: frozenset({S.DELIVERED, S.UNDELIVERABLE}),
    # an id that arrives late, the operator's decision, or the balance's (bot/core/balance.py)
    S.UNKNOWN: frozenset({S.QUEUED, S.GENERATING, S.FAILED}),
    # the person came back and asked for the video
    S.UNDELIVERABLE: frozenset({S.RENDERED}),
    S.DELIVERED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

ENDED = frozenset(state for state, after in ALLOWED.items() if not after)
"""Final states."""

ACTIVE = frozenset({S.QUEUED, S.SUBMITTING, S.GENERATING, S.RENDERED})
"""States in which a worker acts; in every other state the task waits for a person."""


class TaskKind(StrEnum):
    """What a task makes. The states, the money and the promises are the same."""

    VIDEO = "video"
    PICTURE = "picture"  # a first frame, made by an image model


class AspectRatio(StrEnum):
    """The aspect ratios that the provider accepts (provider.md: create, `ar`)."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"

    @property
    def value_of(self) -> float:
        """Width divided by height."""
        width, height = self.value.split(":")
        return int(width) / int(height)


class FilmPlace(StrEnum):
    """Which place in the film of a task a new task takes."""

    AFTER = "after"  # the place after it
    SAME = "same"  # another version of the part


class Reason(StrEnum):
    """Why a task ended without a delivered video. Each has a text in every language."""

    SENSITIVE_CONTENT = "sensitive_content"  # provider.md: code 1001
    UNSAFE_PROMPT = "unsafe_prompt"  # provider.md: code 1002
    INVALID_INPUT = "invalid_input"  # provider.md: code 3
    MODEL_GONE = "model_gone"  # provider.md: code 3 on `model`, code 7
    PROVIDER_REFUSED = "provider_refused"  # an undocumented code
    PROVIDER_FAILED = "provider_failed"  # status failed, error, cancelled
    PROVIDER_FORGOT = "provider_forgot"  # provider.md: code 4 for an id it gave
    NO_RESULT = "no_result"  # `done` without a link, several times
    NEVER_FINISHED = "never_finished"  # still pending a day after the deadline
    PROVIDER_UNAVAILABLE = "provider_unavailable"  # not accepted for a whole day
    FRAME_UNAVAILABLE = "frame_unavailable"  # Telegram no longer has the photo
    FRAME_UNUSABLE = "frame_unusable"  # the file is not a usable picture
    FRAMES_OFF = "frames_off"  # PUBLIC_URL was removed after the order
    FRAME_UNFETCHED = "frame_unfetched"  # it failed, and nobody had fetched its photo
    ANSWER_LOST = "answer_lost"  # state UNKNOWN: the answer to the create never came
    CHAT_UNREACHABLE = "chat_unreachable"  # blocked, deleted, kicked
    CHAT_LEFT = "chat_left"  # blocked or kicked before the provider was asked
    RESULT_GONE = "result_gone"  # the link to the video is dead
    RESULT_REFUSED = "result_refused"  # the link points to a forbidden address
    RESULT_UNUSABLE = "result_unusable"  # the link does not lead to a video
    SET_ASIDE = "set_aside"  # it killed its worker several times


class Problem(StrEnum):
    """The problem with a person's input. Each has a text in every language."""

    EMPTY_PROMPT = "empty_prompt"
    PROMPT_TOO_LONG = "prompt_too_long"
    UNSUPPORTED_MESSAGE = "unsupported_message"
    PHOTOS_OFF = "photos_off"
    FILE_TOO_BIG = "file_too_big"
    NOT_AN_IMAGE = "not_an_image"
    IMAGE_BOMB = "image_bomb"
    IMAGE_SIDES = "image_sides"
    FILE_UNAVAILABLE = "file_unavailable"
    VOICE_TOO_LONG = "voice_too_long"
    VOICE_TOO_BIG = "voice_too_big"
    VOICE_WITHOUT_WORDS = "voice_without_words"
    VOICE_UNHEARD = "voice_unheard"  # the transcription does not answer


class Hold(StrEnum):
    """Why the whole queue waits for the operator, although the tasks are fine."""

    KEY_REFUSED = "key_refused"
    NO_BALANCE = "no_balance"
    WRONG_ADDRESS = "wrong_address"


class Charge(StrEnum):
    """Whether a task cost money: the first question people ask."""

    NONE = "none"
    TAKEN = "taken"
    UNKNOWN = "unknown"
    RETURNED = "returned"  # the person paid, and it went back to them


PHOTO_WAITS = "the photo: "
"""How the detail of a task begins while its photo cannot be fetched or stored."""


class IllegalTransition(Exception):
    """A bug: a task cannot change from the one state to the other."""


@dataclass(frozen=True, kw_only=True)
class Chat:
    """Where to answer: chat, topic and so on, so that a later message reaches the same place."""

    chat_id: int
    message_thread_id: int | None = None
    business_connection_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A first frame by its Telegram `file_id`; the bytes are downloaded when they are needed."""

    file_id: str
    # "photo", "document" (its file_id cannot be sent as a photo), "video" (its last frame) or
    # "picture" (made by an image model; Telegram has it as a photo)
    kind: str

    @property
    def is_photo(self) -> bool:
        """Whether the file_id can be sent as a photo."""
        return self.kind in ("photo", "picture")

    @property
    def is_own(self) -> bool:
        """Whether it came from the person, not from the provider as a picture or in a video."""
        return self.kind not in ("picture", "video")


@dataclass(frozen=True, kw_only=True)
class TaskEvent:
    """A row of `task_events`: the task entered this state at this moment."""

    task_id: int
    state: TaskState
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row of `tasks`. Frozen: every change is a guarded statement in storage."""

    id: int
    user_id: int
    chat: Chat
    message_id: int  # the person's message that the video replies to; 0 means none
    lang: str
    model: str
    price: Decimal  # roubles, as shown to the person
    state: TaskState
    run_at: datetime
    created_at: datetime
    prompt: str | None = None  # None while a photo waits for its prompt
    kind: TaskKind = TaskKind.VIDEO
    picture_for: int | None = None  # the card whose first frame the picture is to become
    frame: Frame | None = None
    # the photo's message, when the prompt came in a later message
    frame_message_id: int | None = None
    retry_of: int | None = None  # the UNKNOWN task that the person ordered again
    aspect_ratio: AspectRatio | None = None
    card_message_id: int | None = None  # the card, which later becomes the status message
    card_is_media: bool = False  # the status text is a caption
    revision: int = 0  # of the draft; increases with each change
    card_revision: int | None = None  # the revision that the card shows
    media_group_id: str | None = None  # the album that contained the frame
    original: str | None = None  # the person's own prompt, when it was rewritten
    rewritten: str | None = None  # the rewritten prompt; `prompt` is what is sent
    variants: int = 1  # how many videos the draft orders
    variant_of: int | None = None  # the first task of the same order
    film_id: int | None = None  # the film that it is a part of
    film_place: int | None = None  # its place in the film, from 1; gaps are allowed
    film_since: datetime | None = None  # when it took its place: the newest version is shown
    storyboard_id: int | None = None  # it is a part of a film that was ordered as a whole
    film_last: int | None = None  # the place of the last part of that order
    # update_id of the press that ordered it: a repeated update changes nothing
    confirmed_by: int | None = None
    confirmed_at: datetime | None = None
    submitted_at: datetime | None = None  # when SUBMITTING was committed
    accepted_at: datetime | None = None  # when the provider's id was recorded
    rendered_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None  # when the person is told that it takes too long
    overdue: bool = False  # the person was told
    attempts: int = 0  # failed attempts of the current step
    claims: int = 0  # leases taken since the last completed step
    fence: int = 0  # increases with each lease; every write of the holder names it
    lease_owner: str | None = None
    lease_until: datetime | None = None
    provider_id: str | None = None
    video_url: str | None = None
    video_file_id: str | None = None
    thumbnail_file_id: str | None = None  # Telegram's thumbnail of the video
    video_is_document: bool = False  # Telegram has it as a file, not as a video
    video_message_id: int | None = None
    # the video goes to the person's own chat: the place of the order cannot be written to
    redirected: bool = False
    kept_by: str | None = None  # the host whose disk has the undelivered video
    reason: Reason | None = None
    detail: str | None = None  # for the operator, never for the person

    def to(self, state: TaskState, *, run_at: datetime, **changes: Any) -> Self:
        """Return the task in `state` with `attempts` reset; IllegalTransition when it cannot
        follow."""
        if state not in ALLOWED[self.state]:
            raise IllegalTransition(f"task {self.id}: {self.state} -> {state}")
        reset: dict[str, Any] = {"attempts": 0, "claims": 0}
        return replace(self, state=state, run_at=run_at, **(reset | changes))

    def again(self, *, run_at: datetime, **changes: Any) -> Self:
        """Return the task in the same state with one more failed attempt, due at `run_at`."""
        failed: dict[str, Any] = {"attempts": self.attempts + 1, "claims": 0}
        return replace(self, run_at=run_at, **(failed | changes))

    @property
    def order(self) -> int | None:
        """The first of the tasks that were ordered together; None if it was ordered alone."""
        return self.variant_of or (self.id if self.variants > 1 else None)

    @property
    def own_words(self) -> str | None:
        """The prompt as the person wrote or chose it, which may be sent in another language."""
        return self.original or self.prompt

    @property
    def waits_for_photo(self) -> bool:
        """Whether the latest attempt failed at the photo, before the provider was asked."""
        return (self.detail or "").startswith(PHOTO_WAITS)

    @property
    def frame_is_own(self) -> bool:
        """Whether it starts from a photo of the person, who then has to know who receives it.

        A later part of a film starts from the last frame of the previous part.
        """
        return self.frame is not None and self.frame.is_own and (self.film_place or 1) == 1

    @property
    def is_planned(self) -> bool:
        """Whether it is ordered, and waits in DRAFT for the part of the film before it."""
        return self.state is S.DRAFT and self.storyboard_id is not None

    @property
    def parts_after(self) -> int:
        """How many parts of the same order come after it."""
        return max(0, (self.film_last or 0) - (self.film_place or 0)) if self.film_last else 0

    @property
    def reply_to(self) -> int | None:
        """The message to reply to; None if it is in the old chat of a group that moved."""
        return self.message_id or None

    @property
    def own_chat(self) -> Chat:
        """The person's own chat with the bot, which they may never have started."""
        return Chat(chat_id=self.user_id)

    @property
    def video_chat(self) -> Chat:
        """Where the video goes, or is: the place of the order, or the person's own chat."""
        return self.own_chat if self.redirected else self.chat

    @property
    def video_reply_to(self) -> int | None:
        """The message that the video replies to."""
        return None if self.redirected else self.reply_to

    @property
    def charge(self) -> Charge:
        """Whether the provider took money, as far as this program knows."""
        if self.state is S.UNKNOWN:
            return Charge.UNKNOWN
        if self.provider_id is None:
            return Charge.NONE
        # provider.md: whether failed tasks are refunded is not known
        return Charge.UNKNOWN if self.state is S.FAILED else Charge.TAKEN
