"""The tables, as the newest migration leaves them. What a row means stands in bot/core/task.py.

Partial indexes keep what has ended out of the way of the claims.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.core.access import Verdict
from bot.core.task import ACTIVE, AspectRatio, TaskState
from storage.engine import Kopecks, UtcDateTime

RESTING = frozenset(TaskState) - ACTIVE
"""States in which no worker has anything to do: most rows, in the long run."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite keeps a table in the order of its key, and counts up by itself, with this type alone
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text_of(enum: type[StrEnum], name: str) -> sa.Enum:
    """Text with a CHECK: for sets that are closed by design."""
    return sa.Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


def one_of(
    column: sa.Column[Any], values: Iterable[StrEnum], *, of: sa.FromClause | None = None
) -> sa.ColumnElement[bool]:
    """Spelled out, not bound: a planner takes a partial index only when it sees the values."""
    shown = column if of is None else of.c[column.name]
    return shown.in_(
        sa.bindparam(None, sorted(values), expanding=True, literal_execute=True, type_=column.type)
    )


def in_states(states: Iterable[TaskState]) -> sa.ColumnElement[bool]:
    """Tasks in one of these states."""
    return one_of(tasks.c.state, states)


def at_rest(states: Iterable[TaskState]) -> sa.ColumnElement[bool]:
    """Tasks in one of these states, all of RESTING, to be found by ix_tasks_resting: SQLite does
    not see by itself that some of its states are among them.
    """
    return sa.and_(in_states(RESTING), in_states(states))


class InboxState(StrEnum):
    """What became of an update."""

    PENDING = "pending"
    DONE = "done"  # kept a while, so that a repeat is known as one
    SET_ASIDE = "set_aside"  # it could not be handled; kept with its text


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
    # Where it came from: the key that makes a repeated update harmless. It stays when the group
    # moves; a retry has none.
    sa.Column("source_chat_id", sa.BigInteger),
    sa.Column("source_message_id", sa.BigInteger),
    sa.Column("retry_of", sa.ForeignKey("tasks.id", ondelete="SET NULL"), unique=True),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("price_kopecks", Kopecks, nullable=False),
    sa.Column("prompt", sa.Text),
    sa.Column("frame_file_id", sa.Text),
    sa.Column("frame_kind", sa.Text),
    sa.Column("aspect_ratio", _text_of(AspectRatio, "aspect_ratio")),
    sa.Column("card_message_id", sa.BigInteger),
    sa.Column("card_is_media", sa.Boolean, nullable=False),
    sa.Column("revision", sa.Integer, server_default=sa.text("0"), nullable=False),
    sa.Column("card_revision", sa.Integer),
    sa.Column("media_group_id", sa.Text),
    sa.Column("original", sa.Text),
    sa.Column("rewritten", sa.Text),
    sa.Column("variants", sa.Integer, server_default=sa.text("1"), nullable=False),
    sa.Column("variant_of", sa.BigInteger),
    # what it is
    sa.Column("state", _text_of(TaskState, "state"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_by", sa.BigInteger),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("submitted_at", UtcDateTime),
    sa.Column("accepted_at", UtcDateTime),
    sa.Column("rendered_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    # when it is due
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("deadline_at", UtcDateTime),
    sa.Column("overdue", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False),
    # who works on it
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    # what came of it
    sa.Column("provider_id", sa.Text, unique=True),
    sa.Column("video_url", sa.Text),
    sa.Column("video_file_id", sa.Text),
    sa.Column("video_message_id", sa.BigInteger),
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
    sqlite_autoincrement=True,  # an old button must never meet a new task with its number
)


_active = tasks.c.state.in_(sorted(ACTIVE))
_resting = tasks.c.state.in_(sorted(RESTING))
_queued = tasks.c.state.in_([TaskState.QUEUED])

sa.Index("ix_tasks_due", tasks.c.run_at, sqlite_where=_active, postgresql_where=_active)
sa.Index(
    "ix_tasks_queue",
    tasks.c.confirmed_at,
    tasks.c.id,
    sqlite_where=_queued,
    postgresql_where=_queued,
)
# for counting and forgetting; an index that knew all states would draw the claims away from
# ix_tasks_due
sa.Index(
    "ix_tasks_resting",
    tasks.c.state,
    tasks.c.run_at,
    sqlite_where=_resting,
    postgresql_where=_resting,
)
sa.Index("ix_tasks_user", tasks.c.user_id, tasks.c.id)
sa.Index("ix_tasks_chat", tasks.c.chat_id)

_of_album = tasks.c.media_group_id.is_not(None)
_of_batch = tasks.c.variant_of.is_not(None)

sa.Index(
    "ix_tasks_album",
    tasks.c.source_chat_id,
    tasks.c.media_group_id,
    unique=True,
    sqlite_where=_of_album,
    postgresql_where=_of_album,
)
sa.Index(
    "ix_tasks_variants",
    tasks.c.variant_of,
    sqlite_where=_of_batch,
    postgresql_where=_of_batch,
)

task_events = sa.Table(
    "task_events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column(
        "task_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("state", _text_of(TaskState, "state"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("update_id", Id, primary_key=True, autoincrement=False),
    sa.Column("chat_key", sa.Text, nullable=False),
    sa.Column("payload", sa.Text),  # None once it is done: people's words are not kept twice
    sa.Column("state", _text_of(InboxState, "state"), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("error", sa.Text),
)

_pending = inbox.c.state.in_([InboxState.PENDING])
_done = inbox.c.state.in_([InboxState.DONE])

sa.Index(
    "ix_inbox_pending",
    inbox.c.chat_key,
    inbox.c.update_id,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
sa.Index(
    "ix_inbox_due",
    inbox.c.run_at,
    inbox.c.update_id,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
sa.Index("ix_inbox_done", inbox.c.finished_at, sqlite_where=_done, postgresql_where=_done)

_set_aside = inbox.c.state.in_([InboxState.SET_ASIDE])

sa.Index(
    "ix_inbox_set_aside",
    inbox.c.finished_at,
    sqlite_where=_set_aside,
    postgresql_where=_set_aside,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("task_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("chat_id", sa.BigInteger, nullable=False),
    sa.Column("message_thread_id", sa.BigInteger),
    sa.Column("business_connection_id", sa.Text),
    sa.Column("reply_to", sa.BigInteger),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    sqlite_autoincrement=True,
)

# Blobs on purpose: gone in the commit that ends the task, nothing left on a disk, and any host
# can serve them.
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
)

# Objects in a bucket, to be deleted; a row may outlive its task.
frame_objects = sa.Table(
    "frame_objects",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("task_id", Id, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("lang_chosen", sa.Boolean, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("strikes", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("ratio", sa.Text),
    sa.Column("model", sa.Text),
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

# What an update made or ended, where the task itself does not say so: its repeat does no more.
callback_actions = sa.Table(
    "presses",
    metadata,
    sa.Column("update_id", Id, primary_key=True, autoincrement=False),
    sa.Column(
        "task_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    # the task below which the button was; None: no button, or not of a task
    sa.Column("source_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), index=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
)

# Who knows that the provider gets their photos, and ordered a video of one
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

# Videos that were sent as files too: Telegram sends no video as a document by its file_id
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


class Entry(StrEnum):
    """What a row of the ledger says."""

    RESERVATION = "reservation"  # confirmed: the money is spoken for
    CHARGE = "charge"  # the provider gave an id: it is spent
    RETURN = "return"  # cancelled, refused or failed before it was charged
    PURCHASE = "purchase"  # Stars came in
    REFUND = "refund"  # Stars went back


# Positive: a person; negative: a group, allowed as a whole
permits = sa.Table(
    "permits",
    metadata,
    sa.Column("subject_id", Id, primary_key=True, autoincrement=False),
    sa.Column("verdict", _text_of(Verdict, "verdict"), nullable=False),
    sa.Column("invite", sa.Text),
    sa.Column("decided_by", sa.BigInteger, nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
)

access_requests = sa.Table(
    "access_requests",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("username", sa.Text),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("allowed", sa.Boolean),  # None: nobody has decided
    sa.Column("decided_by", sa.BigInteger),
    sa.Column("decided_at", UtcDateTime),
)

invites = sa.Table(
    "invites",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    # of the command: a repeat of it makes no second one
    sa.Column("update_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("made_by", sa.BigInteger, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor_id", sa.BigInteger, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("subject_id", sa.BigInteger),
    sa.Column("task_id", sa.BigInteger),
    sa.Column("details", sa.JSON, nullable=False),
)

# No foreign keys: it outlives what it tells of. `kopecks`: the provider's money; `credit_kopecks`:
# what the person's own balance gained or lost by it; `stars`: Telegram's money.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", _text_of(Entry, "kind"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("task_id", sa.BigInteger),
    sa.Column("payment_id", sa.Text),  # Bot API: telegram_payment_charge_id
    sa.Column("kopecks", Kopecks, nullable=False),
    sa.Column("credit_kopecks", Kopecks, nullable=False),
    sa.Column("stars", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("task_id", "kind"),
    sa.UniqueConstraint("payment_id", "kind"),
    sa.Index("ix_ledger_user", "user_id", "at"),
)

for _dialect, _statements in {
    "sqlite": (
        "CREATE TRIGGER ledger_keeps_its_words BEFORE UPDATE ON ledger"
        " BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END",
        "CREATE TRIGGER ledger_keeps_its_rows BEFORE DELETE ON ledger"
        " BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the ledger only grows'; END $$",
        "CREATE TRIGGER ledger_keeps_its_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows()",
    ),
}.items():
    for _statement in _statements:
        _ddl = sa.DDL(_statement)  # type: ignore[no-untyped-call]
        sa.event.listen(ledger, "after_create", _ddl.execute_if(dialect=_dialect))

# Payments that Telegram has still to be told to give back
star_refunds = sa.Table(
    "star_refunds",
    metadata,
    sa.Column("payment_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("task_id", sa.BigInteger),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("done_at", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
)

_waiting = star_refunds.c.done_at.is_(None)
sa.Index(
    "ix_star_refunds_due",
    star_refunds.c.run_at,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)

# What the operator was told: a row each, open until it ended
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
)

_open = alerts.c.closed_at.is_(None)
sa.Index("ix_alerts_open", alerts.c.kind, sqlite_where=_open, postgresql_where=_open)

# What an admin holds, as long as the row is there
switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("by", sa.BigInteger, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)


class BroadcastState(StrEnum):
    """What became of a message to everybody."""

    DRAFT = "draft"  # shown to its author, who has not pressed
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


broadcasts = sa.Table(
    "broadcasts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    # of the command: a repeat of it makes no second one
    sa.Column("update_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("made_by", sa.BigInteger, nullable=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("from_chat_id", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("state", _text_of(BroadcastState, "state"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    # the greatest user_id that had its turn
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("shown_message_id", sa.BigInteger),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
)

# Lines in which all processes stand; `free_at`: seconds since 1970 by the database's clock
rates = sa.Table(
    "rates",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("free_at", sa.Double, nullable=False),
)
