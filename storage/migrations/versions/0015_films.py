"""Films: videos that continue each other, and the film that is joined from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.column_types import UtcDateTime

revision = "0015"
down_revision = "0012"
branch_labels = None
depends_on = None

wanted = sa.text("run_at IS NOT NULL")
of_film = sa.text("film_id IS NOT NULL")
key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "films",
        sa.Column("id", key, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("file_id", sa.Text()),
        sa.Column("joined", sa.Text()),
        sa.Column("chat_id", sa.BigInteger()),
        sa.Column("message_thread_id", sa.BigInteger()),
        sa.Column("business_connection_id", sa.Text()),
        sa.Column("reply_to", sa.BigInteger()),
        sa.Column("lang", sa.Text()),
        sa.Column("wanted_at", UtcDateTime),
        sa.Column("run_at", UtcDateTime),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_films")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_films_user_id", "films", ["user_id"], unique=False)
    op.create_index(
        "ix_films_due",
        "films",
        ["run_at"],
        unique=False,
        sqlite_where=wanted,
        postgresql_where=wanted,
    )
    for column in (
        sa.Column("film_id", sa.BigInteger()),
        sa.Column("film_place", sa.Integer()),
        sa.Column("film_since", UtcDateTime),
    ):
        op.add_column("tasks", column)
    op.create_index(
        "ix_tasks_film",
        "tasks",
        ["film_id", "film_place"],
        unique=False,
        sqlite_where=of_film,
        postgresql_where=of_film,
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_film", table_name="tasks")
    for name in ("film_since", "film_place", "film_id"):
        op.drop_column("tasks", name)
    op.drop_index("ix_films_due", table_name="films")
    op.drop_index("ix_films_user_id", table_name="films")
    op.drop_table("films")
