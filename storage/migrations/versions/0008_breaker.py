"""Add the breaker in front of creates: one row while the provider does not answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_breaker",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("good", sa.Integer, nullable=False),
        sa.Column("probe_at", UtcDateTime, nullable=False),
        sa.Column("trial_until", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_breaker")),
    )


def downgrade() -> None:
    op.drop_table("provider_breaker")
