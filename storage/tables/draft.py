"""What belongs to drafts: suggestions for a photo, and photos that a template waits for."""

from __future__ import annotations

import sqlalchemy as sa

from storage.column_types import UtcDateTime
from storage.tables.base import Id, metadata

# What could happen in the video of a photo that came without words, as JSON
suggestions = sa.Table(
    "suggestions",
    metadata,
    sa.Column(
        "task_id",
        sa.ForeignKey("tasks.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("content", sa.Text, nullable=False),
)

# One row for each person in a place who chose a template and was asked for a photo
photo_requests = sa.Table(
    "photo_requests",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("chat_id", sa.BigInteger, nullable=False),
    sa.Column("message_thread_id", sa.BigInteger),
    sa.Column("business_connection_id", sa.Text),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("aspect_ratio", sa.Text),  # None: the nearest to the photo
    sa.Column("model", sa.Text),  # None: the person's own
    sa.Column("asked_at", UtcDateTime, nullable=False, index=True),
    sa.Index("ix_photo_requests_user_id_chat_id", "user_id", "chat_id"),
    sqlite_autoincrement=True,  # an old button must never cancel a new request
)
