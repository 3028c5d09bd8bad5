"""Pictures: tasks of an image model, and the card whose first frame they are to become."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "tasks",
        sa.Column("kind", sa.Text(), server_default=sa.text("'video'"), nullable=False),
    )
    op.add_column("tasks", sa.Column("picture_for", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("tasks", "picture_for")
    op.drop_column("tasks", "kind")
