"""Places that cannot be written to: videos that go to the person, notices that wait for them;
videos that Telegram has as documents; refunds that it refuses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_WAITS = sa.text("waits_for IS NOT NULL")


def upgrade() -> None:
    for name in ("redirected", "video_is_document"):
        op.add_column(
            "tasks", sa.Column(name, sa.Boolean, server_default=sa.false(), nullable=False)
        )
    op.add_column("star_refunds", sa.Column("refused_at", UtcDateTime))
    op.add_column("outbox", sa.Column("waits_for", sa.BigInteger))
    op.create_index(
        "ix_outbox_waits", "outbox", ["waits_for"], sqlite_where=_WAITS, postgresql_where=_WAITS
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_waits", "outbox")
    op.drop_column("outbox", "waits_for")
    op.drop_column("star_refunds", "refused_at")
    op.drop_column("tasks", "video_is_document")
    op.drop_column("tasks", "redirected")
