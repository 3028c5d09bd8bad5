"""A task: one video on its way from a draft to the chat. States and what may follow what.

Pure: it must not know Telegram, HTTP, SQL or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self


class TaskState(StrEnum):
    """What a task is. When it is due and who works on it stand in other columns."""

    DRAFT = "draft"  # a card in the chat; costs nothing
    CANCELLED = "cancelled"
    QUEUED = "queued"  # confirmed; the provider has not been asked
    SUBMITTING = "submitting"  # committed before the paid call: a request may be out
    GENERATING = "generating"  # the provider gave an id: it is paid
    RENDERED = "rendered"  # there is a video; it has to reach the chat
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the create's answer was lost: paid or not, nobody here knows
    UNDELIVERABLE = "undeliverable"  # there is a video; the chat does not take it; kept


S = TaskState

ALLOWED: dict[TaskState, frozenset[TaskState]] = {
    S.DRAFT: frozenset({S.QUEUED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SUBMITTING, S.CANCELLED, S.FAILED}),
    # back to QUEUED only when the request surely was not accepted
    S.SUBMITTING: frozenset({S.QUEUED, S.GENERATING, S.FAILED, S.UNKNOWN}),
    S.GENERATING: frozenset({S.RENDERED, S.FAILED}),
    S.RENDERED: frozenset({S.DELIVERED, S.UNDELIVERABLE}),
    # a provider's id that arrives late; or the operator settles it
    S.UNKNOWN: frozenset({S.GENERATING, S.FAILED}),
    # the person came back and asked for it
    S.UNDELIVERABLE: frozenset({S.RENDERED}),
    S.DELIVERED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

ENDED = frozenset(state for state, after in ALLOWED.items() if not after)
"""Never changes again."""

ACTIVE = frozenset({S.QUEUED, S.SUBMITTING, S.GENERATING, S.RENDERED})
"""A worker has something to do; every other state rests until a person does something."""


class AspectRatio(StrEnum):
    """The ratios that the provider takes (provider.md: create, `ar`)."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"

    @property
    def value_of(self) -> float:
        """Width over height."""
        width, height = self.value.split(":")
        return int(width) / int(height)


class Reason(StrEnum):
    """Why a task ended without a delivered video. Each has words in every language."""

    SENSITIVE_CONTENT = "sensitive_content"  # provider.md: code 1001
    UNSAFE_PROMPT = "unsafe_prompt"  # provider.md: code 1002
    INVALID_INPUT = "invalid_input"  # provider.md: code 3
    MODEL_GONE = "model_gone"  # provider.md: code 3 on `model`, code 7
    PROVIDER_REFUSED = "provider_refused"  # a code nobody documented
    PROVIDER_FAILED = "provider_failed"  # status failed, error, cancelled
    PROVIDER_FORGOT = "provider_forgot"  # provider.md: code 4 for an id it gave
    NO_RESULT = "no_result"  # `done` without a link, again and again
    NEVER_FINISHED = "never_finished"  # still pending a day after the deadline
    PROVIDER_UNAVAILABLE = "provider_unavailable"  # not accepted for a whole day
    FRAME_UNAVAILABLE = "frame_unavailable"  # Telegram no longer has the photo
    FRAME_UNUSABLE = "frame_unusable"  # the file is no picture that can be used
    FRAMES_OFF = "frames_off"  # PUBLIC_URL was taken away after the order
    ANSWER_LOST = "answer_lost"  # state UNKNOWN: the create's answer never came
    CHAT_UNREACHABLE = "chat_unreachable"  # blocked, deleted, kicked
    RESULT_GONE = "result_gone"  # the link to the video is dead
    RESULT_REFUSED = "result_refused"  # the link points where we must not go
    RESULT_UNUSABLE = "result_unusable"  # what is behind the link is no video
    SET_ASIDE = "set_aside"  # it killed its worker again and again


class Problem(StrEnum):
    """What is wrong with what a person sent. Each has words in every language."""

    EMPTY_PROMPT = "empty_prompt"
    PROMPT_TOO_LONG = "prompt_too_long"
    UNSUPPORTED_MESSAGE = "unsupported_message"
    PHOTOS_OFF = "photos_off"
    FILE_TOO_BIG = "file_too_big"
    NOT_AN_IMAGE = "not_an_image"
    IMAGE_BOMB = "image_bomb"
    IMAGE_SIDES = "image_sides"
    IMAGE_SHAPE = "image_shape"
    FILE_UNAVAILABLE = "file_unavailable"


class Hold(StrEnum):
    """Why the queue stands although nothing is wrong with the tasks: the operator must act."""

    KEY_REFUSED = "key_refused"
    NO_BALANCE = "no_balance"
    WRONG_ADDRESS = "wrong_address"


class Charge(StrEnum):
    """Whether the provider took money for a task: the first thing people ask."""

    NONE = "none"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class IllegalTransition(Exception):
    """A bug: this state cannot follow that one."""


@dataclass(frozen=True, kw_only=True)
class Chat:
    """Where to answer, kept whole so that a deferred send finds the same place."""

    chat_id: int
    message_thread_id: int | None = None
    business_connection_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A first frame as Telegram knows it; the bytes are fetched when they are needed."""

    file_id: str
    kind: str  # "photo" or "document": a document's file_id cannot be sent as a photo


@dataclass(frozen=True, kw_only=True)
class TaskEvent:
    """A row of `task_events`: this task came into this state at this moment."""

    task_id: int
    state: TaskState
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row of `tasks`; frozen: every change is a guarded statement in storage."""

    id: int
    user_id: int
    chat: Chat
    message_id: int  # the person's message that the video answers; 0: see `reply_to`
    lang: str
    model: str
    price: Decimal  # roubles, as the person saw it
    state: TaskState
    run_at: datetime
    created_at: datetime
    prompt: str | None = None  # None: a photo that waits for its words
    frame: Frame | None = None
    frame_message_id: int | None = None  # the photo's message, when its words came later
    retry_of: int | None = None  # the UNKNOWN task that the person knowingly tried again
    aspect_ratio: AspectRatio | None = None
    card_message_id: int | None = None  # the card, which becomes the status message
    card_is_media: bool = False  # its words are a caption
    revision: int = 0  # of the draft; grows with each change
    card_revision: int | None = None  # the one that the card shows
    media_group_id: str | None = None  # the album that the frame came in
    original: str | None = None  # the person's words, where others were made of them
    rewritten: str | None = None  # those others; `prompt` is what is sent
    variants: int = 1  # videos that the draft orders at once
    variant_of: int | None = None  # the task that was ordered together with this one
    confirmed_by: int | None = None  # update_id of the press: a repeat of it is no second press
    confirmed_at: datetime | None = None
    submitted_at: datetime | None = None  # SUBMITTING was committed
    accepted_at: datetime | None = None  # the provider's id was recorded
    rendered_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None  # when the person is told that it takes too long
    overdue: bool = False  # they were told
    attempts: int = 0  # failed tries of the present step
    claims: int = 0  # leases taken since the last step that was completed
    fence: int = 0  # grows with each lease; every write of a holder names it
    lease_owner: str | None = None
    lease_until: datetime | None = None
    provider_id: str | None = None
    video_url: str | None = None
    video_file_id: str | None = None
    video_message_id: int | None = None
    kept_by: str | None = None  # whose disk has the video that its chat did not take
    reason: Reason | None = None
    detail: str | None = None  # for the operator, never for the person

    def to(self, state: TaskState, *, run_at: datetime, **changes: Any) -> Self:
        """The task in `state`; IllegalTransition when that cannot follow. Resets `attempts`."""
        if state not in ALLOWED[self.state]:
            raise IllegalTransition(f"task {self.id}: {self.state} -> {state}")
        reset: dict[str, Any] = {"attempts": 0, "claims": 0}
        return replace(self, state=state, run_at=run_at, **(reset | changes))

    def again(self, *, run_at: datetime, **changes: Any) -> Self:
        """The same state, one failed try more, due at `run_at`."""
        failed: dict[str, Any] = {"attempts": self.attempts + 1, "claims": 0}
        return replace(self, run_at=run_at, **(failed | changes))

    @property
    def order(self) -> int | None:
        """The first of the tasks that were ordered together; None: it was ordered alone."""
        return self.variant_of or (self.id if self.variants > 1 else None)

    @property
    def reply_to(self) -> int | None:
        """The message to answer; None when it stayed behind in a group that moved."""
        return self.message_id or None

    @property
    def charge(self) -> Charge:
        """Whether the provider took money, as far as anybody here can know."""
        if self.state is S.UNKNOWN:
            return Charge.UNKNOWN
        if self.provider_id is None:
            return Charge.NONE
        # provider.md: whether failed tasks are refunded is not known
        return Charge.UNKNOWN if self.state is S.FAILED else Charge.TAKEN
