"""Updates from Telegram before they are handled (inbox), and notices to send (outbox)."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from storage.column_types import UtcDateTime
from storage.tables.base import Id, metadata, partial_index, text_of


class InboxState(StrEnum):
    """The state of an update."""

    PENDING = "pending"
    DONE = "done"  # kept for a while, to recognise a repeated update
    SET_ASIDE = "set_aside"  # it could not be handled; kept with its text


inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("update_id", Id, primary_key=True, autoincrement=False),
    sa.Column("chat_key", sa.Text, nullable=False),
    sa.Column("payload", sa.Text),  # None once done: messages are stored no longer than needed
    sa.Column("state", text_of(InboxState, "state"), nullable=False),
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

partial_index("ix_inbox_pending", inbox.c.chat_key, inbox.c.update_id, where=_pending)
partial_index("ix_inbox_due", inbox.c.run_at, inbox.c.update_id, where=_pending)
partial_index("ix_inbox_done", inbox.c.finished_at, where=_done)

_set_aside = inbox.c.state.in_([InboxState.SET_ASIDE])

partial_index("ix_inbox_set_aside", inbox.c.finished_at, where=_set_aside)

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
    # the person at whose next message it is sent; until then nobody can be written to
    sa.Column("waits_for", sa.BigInteger),
    sqlite_autoincrement=True,
)

_waits = outbox.c.waits_for.is_not(None)

# What goes to the operator: one row for each event and chat, so that nobody gets it twice
operator_messages = sa.Table(
    "operator_messages",
    metadata,
    sa.Column("about", sa.Text, primary_key=True),  # the event; see Notice.about
    sa.Column("chat_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("message_id", sa.BigInteger),  # once it was sent
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("over_at", UtcDateTime),  # the problem ended
    sa.Column("buttons", sa.Text, nullable=False, server_default=sa.text("''")),  # shown below it
    sa.Index("ix_operator_messages_message", "chat_id", "message_id"),
)

partial_index("ix_outbox_waits", outbox.c.waits_for, where=_waits)
