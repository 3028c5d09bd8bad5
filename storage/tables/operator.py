"""Alerts, switches, the audit log, broadcasts and the shared rate limits."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from storage.column_types import UtcDateTime
from storage.tables.base import Id, metadata, partial_index, text_of

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


# Alerts: one row each, open until the alert ended
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
partial_index("ix_alerts_open", alerts.c.kind, where=_open)

# Switches set by an admin; without a row the switch is off
switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("by", sa.BigInteger, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)


class BroadcastState(StrEnum):
    """The state of a broadcast."""

    DRAFT = "draft"  # its author sees it and has not confirmed it
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


broadcasts = sa.Table(
    "broadcasts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    # update_id of the command: a repeated update creates no second broadcast
    sa.Column("update_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("made_by", sa.BigInteger, nullable=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("from_chat_id", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("state", text_of(BroadcastState, "state"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    # the greatest user_id that was processed
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("shown_message_id", sa.BigInteger),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
)

# People for whom Telegram failed, who are tried again beside the others
broadcast_retries = sa.Table(
    "broadcast_retries",
    metadata,
    sa.Column("broadcast_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)

# Rate limits shared by all processes; `free_at`: seconds since 1970 by the database's clock
rates = sa.Table(
    "rates",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("free_at", sa.Double, nullable=False),
)

# One row while creates are stopped because the answer to a create was lost
provider_breaker = sa.Table(
    "provider_breaker",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("good", sa.Integer, nullable=False),
    sa.Column("probe_at", UtcDateTime, nullable=False),
    sa.Column("trial_until", UtcDateTime),
)
