"""Tasks and what belongs to one: events, first frames, callback actions, documents, durations."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from bot.core.task import ACTIVE, AspectRatio, TaskState
from storage.column_types import Kopecks, UtcDateTime
from storage.tables.base import Id, metadata, one_of, partial_index, text_of

RESTING = frozenset(TaskState) - ACTIVE
"""States in which no worker has anything to do; in the long run, most rows have one of them."""


def in_states(states: Iterable[TaskState]) -> sa.ColumnElement[bool]:
    """Return the condition for tasks in one of these states."""
    return one_of(tasks.c.state, states)


def at_rest(states: Iterable[TaskState]) -> sa.ColumnElement[bool]:
    """Return the condition for tasks in one of these states, all in RESTING, in a form that uses
    ix_tasks_resting: SQLite does not infer by itself that the index contains them.
    """
    return sa.and_(in_states(RESTING), in_states(states))


tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("chat_id", sa.BigInteger, nullable=False),
    sa.Column("message_thread_id", sa.BigInteger),
    sa.Column("business_connection_id", sa.Text),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("frame_message_id", sa.BigInteger),
    # The source is the key that makes a repeated update harmless. It stays when the group moves; a
    # retry has no source.
    sa.Column("source_chat_id", sa.BigInteger),
    sa.Column("source_message_id", sa.BigInteger),
    sa.Column("retry_of", sa.ForeignKey("tasks.id", ondelete="SET NULL"), unique=True),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("price_kopecks", Kopecks, nullable=False),
    sa.Column("prompt", sa.Text),
    sa.Column("frame_file_id", sa.Text),
    sa.Column("frame_kind", sa.Text),
    sa.Column("aspect_ratio", text_of(AspectRatio, "aspect_ratio")),
    sa.Column("card_message_id", sa.BigInteger),
    sa.Column("card_is_media", sa.Boolean, nullable=False),
    sa.Column("revision", sa.Integer, server_default=sa.text("0"), nullable=False),
    sa.Column("card_revision", sa.Integer),
    sa.Column("media_group_id", sa.Text),
    sa.Column("original", sa.Text),
    sa.Column("rewritten", sa.Text),
    sa.Column("variants", sa.Integer, server_default=sa.text("1"), nullable=False),
    sa.Column("variant_of", sa.BigInteger),
    # a part of a film: of the tasks at one place, the newest delivered one is shown
    sa.Column("film_id", sa.BigInteger),
    sa.Column("film_place", sa.Integer),
    sa.Column("film_since", UtcDateTime),
    # parts of a film that were ordered together; a later part waits in DRAFT
    sa.Column("storyboard_id", sa.BigInteger),
    sa.Column("film_last", sa.Integer),
    # a picture (bot.core.task.TaskKind), and the card that it is for: a number that may be gone
    sa.Column("kind", sa.Text, server_default=sa.text("'video'"), nullable=False),
    sa.Column("picture_for", sa.BigInteger),
    # the request and its state
    sa.Column("state", text_of(TaskState, "state"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_by", sa.BigInteger),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("submitted_at", UtcDateTime),
    sa.Column("accepted_at", UtcDateTime),
    sa.Column("rendered_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    # scheduling
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("deadline_at", UtcDateTime),
    sa.Column("overdue", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False),
    # the lease
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    # the result
    sa.Column("provider_id", sa.Text, unique=True),
    sa.Column("video_url", sa.Text),
    sa.Column("video_file_id", sa.Text),
    sa.Column("thumbnail_file_id", sa.Text),  # Telegram's thumbnail of the video
    sa.Column("video_is_document", sa.Boolean, server_default=sa.false(), nullable=False),
    sa.Column("video_message_id", sa.BigInteger),
    sa.Column("redirected", sa.Boolean, server_default=sa.false(), nullable=False),
    sa.Column("kept_by", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.UniqueConstraint("source_chat_id", "source_message_id"),
    sa.UniqueConstraint("source_chat_id", "frame_message_id"),
    sa.CheckConstraint(
        "(lease_owner IS NULL) = (lease_until IS NULL)", name="lease_has_owner_and_end"
    ),
    sa.CheckConstraint(
        "(frame_file_id IS NULL) = (frame_kind IS NULL)", name="frame_has_file_and_kind"
    ),
    sqlite_autoincrement=True,  # an old button must never refer to a new task with the same number
)


_active = tasks.c.state.in_(sorted(ACTIVE))
_resting = tasks.c.state.in_(sorted(RESTING))
_queued = tasks.c.state.in_([TaskState.QUEUED])

partial_index("ix_tasks_due", tasks.c.run_at, where=_active)
partial_index("ix_tasks_queue", tasks.c.confirmed_at, tasks.c.id, where=_queued)
# For counting and deleting. With an index on all states, the planner would use it for claims
# instead of ix_tasks_due.
partial_index("ix_tasks_resting", tasks.c.state, tasks.c.run_at, where=_resting)
sa.Index("ix_tasks_user", tasks.c.user_id, tasks.c.id)
sa.Index("ix_tasks_chat", tasks.c.chat_id)

_of_album = tasks.c.media_group_id.is_not(None)
_of_batch = tasks.c.variant_of.is_not(None)
_of_film = tasks.c.film_id.is_not(None)

partial_index(
    "ix_tasks_album", tasks.c.source_chat_id, tasks.c.media_group_id, unique=True, where=_of_album
)
partial_index("ix_tasks_variants", tasks.c.variant_of, where=_of_batch)

partial_index("ix_tasks_film", tasks.c.film_id, tasks.c.film_place, where=_of_film)

_of_order = tasks.c.storyboard_id.is_not(None)

# unique: a film never has a part twice
partial_index(
    "ix_tasks_storyboard", tasks.c.storyboard_id, tasks.c.film_place, unique=True, where=_of_order
)

task_events = sa.Table(
    "task_events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column(
        "task_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("state", text_of(TaskState, "state"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)


# Blobs on purpose: they are deleted in the commit that ends the task, leave nothing on a disk, and
# any host can serve them.
frames = sa.Table(
    "frames",
    metadata,
    sa.Column(
        "task_id",
        sa.ForeignKey("tasks.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("fetched_at", UtcDateTime),  # the first time; None: nobody has fetched it
)

# Objects in a bucket that must be deleted; a row may outlive its task.
frame_objects = sa.Table(
    "frame_objects",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("task_id", Id, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)


durations = sa.Table(
    "durations",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("low_seconds", sa.Float, nullable=False),
    sa.Column("high_seconds", sa.Float, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Index("ix_durations_model_id", "model", "id"),
)


# Actions that the task itself does not record, so that a repeated update changes nothing.
callback_actions = sa.Table(
    "presses",
    metadata,
    sa.Column("update_id", Id, primary_key=True, autoincrement=False),
    sa.Column(
        "task_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    # the task below whose message the button was; None without such a task
    sa.Column("source_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), index=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
)


# Videos that were also sent as files: Telegram cannot send a video's file_id as a document
documents = sa.Table(
    "documents",
    metadata,
    sa.Column(
        "task_id",
        sa.ForeignKey("tasks.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("file_id", sa.Text, nullable=False),
)
