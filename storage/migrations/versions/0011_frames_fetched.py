"""When a first frame was first fetched: nobody having done so explains a failed video."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("frames", sa.Column("fetched_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("frames", "fetched_at")
