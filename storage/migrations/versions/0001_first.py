"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)
active = sa.text("state IN ('generating', 'queued', 'rendered', 'submitting')")
resting = sa.text(
    "state IN ('cancelled', 'delivered', 'draft', 'failed', 'undeliverable', 'unknown')"
)
queued = sa.text("state IN ('queued')")
pending = sa.text("state IN ('pending')")
done = sa.text("state IN ('done')")


def task_state() -> sa.Enum:
    return sa.Enum(
        "draft", "cancelled", "queued", "submitting", "generating", "rendered", "delivered",
        "failed", "unknown", "undeliverable",
        name="state", native_enum=False, create_constraint=True, length=16,
    )  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "durations",
        sa.Column("id", number, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("low_seconds", sa.Float(), nullable=False),
        sa.Column("high_seconds", sa.Float(), nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_durations")),
    )
    op.create_index("ix_durations_model_id", "durations", ["model", "id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("update_id", number, autoincrement=False, nullable=False),
        sa.Column("chat_key", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text()),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "done",
                "set_aside",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("run_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", moment),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("update_id", name=op.f("pk_inbox")),
    )
    op.create_index(
        "ix_inbox_done",
        "inbox",
        ["finished_at"],
        unique=False,
        sqlite_where=done,
        postgresql_where=done,
    )
    op.create_index(
        "ix_inbox_due",
        "inbox",
        ["run_at", "update_id"],
        unique=False,
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index(
        "ix_inbox_pending",
        "inbox",
        ["chat_key", "update_id"],
        unique=False,
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_table(
        "tasks",
        sa.Column("id", number, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("message_thread_id", sa.BigInteger()),
        sa.Column("business_connection_id", sa.Text()),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("frame_message_id", sa.BigInteger()),
        sa.Column("source_chat_id", sa.BigInteger()),
        sa.Column("source_message_id", sa.BigInteger()),
        sa.Column("retry_of", number),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("price_kopecks", sa.BigInteger(), nullable=False),
        sa.Column("prompt", sa.Text()),
        sa.Column("frame_file_id", sa.Text()),
        sa.Column("frame_kind", sa.Text()),
        sa.Column(
            "aspect_ratio",
            sa.Enum(
                "1:1",
                "16:9",
                "9:16",
                name="aspect_ratio",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
        ),
        sa.Column("card_message_id", sa.BigInteger()),
        sa.Column("card_is_media", sa.Boolean(), nullable=False),
        sa.Column("state", task_state(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("confirmed_by", sa.BigInteger()),
        sa.Column("confirmed_at", moment),
        sa.Column("submitted_at", moment),
        sa.Column("accepted_at", moment),
        sa.Column("rendered_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("run_at", moment, nullable=False),
        sa.Column("deadline_at", moment),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", moment),
        sa.Column("provider_id", sa.Text()),
        sa.Column("video_url", sa.Text()),
        sa.Column("video_file_id", sa.Text()),
        sa.Column("video_message_id", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.CheckConstraint(
            "(frame_file_id IS NULL) = (frame_kind IS NULL)",
            name=op.f("ck_tasks_frame_has_file_and_kind"),
        ),
        sa.CheckConstraint(
            "(lease_owner IS NULL) = (lease_until IS NULL)",
            name=op.f("ck_tasks_lease_has_owner_and_end"),
        ),
        sa.ForeignKeyConstraint(
            ["retry_of"], ["tasks.id"], name=op.f("fk_tasks_retry_of"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("provider_id", name=op.f("uq_tasks_provider_id")),
        sa.UniqueConstraint("retry_of", name=op.f("uq_tasks_retry_of")),
        sa.UniqueConstraint(
            "source_chat_id",
            "frame_message_id",
            name=op.f("uq_tasks_source_chat_id_frame_message_id"),
        ),
        sa.UniqueConstraint(
            "source_chat_id",
            "source_message_id",
            name=op.f("uq_tasks_source_chat_id_source_message_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_chat", "tasks", ["chat_id"], unique=False)
    op.create_index(
        "ix_tasks_due",
        "tasks",
        ["run_at"],
        unique=False,
        sqlite_where=active,
        postgresql_where=active,
    )
    op.create_index(
        "ix_tasks_queue",
        "tasks",
        ["confirmed_at", "id"],
        unique=False,
        sqlite_where=queued,
        postgresql_where=queued,
    )
    op.create_index(
        "ix_tasks_resting",
        "tasks",
        ["state"],
        unique=False,
        sqlite_where=resting,
        postgresql_where=resting,
    )
    op.create_index("ix_tasks_user", "tasks", ["user_id", "id"], unique=False)
    op.create_table(
        "users",
        sa.Column("user_id", number, autoincrement=False, nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("lang_chosen", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
    )
    op.create_table(
        "frames",
        sa.Column("task_id", number, autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_frames_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_frames")),
        sa.UniqueConstraint("token", name=op.f("uq_frames_token")),
    )
    op.create_index(op.f("ix_frames_expires_at"), "frames", ["expires_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", number, nullable=False),
        sa.Column("task_id", number),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("message_thread_id", sa.BigInteger()),
        sa.Column("business_connection_id", sa.Text()),
        sa.Column("reply_to", sa.BigInteger()),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("run_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", moment),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_outbox_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_task_id"), "outbox", ["task_id"], unique=False)
    op.create_table(
        "task_events",
        sa.Column("id", number, nullable=False),
        sa.Column("task_id", number, nullable=False),
        sa.Column("state", task_state(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_events_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_events")),
    )
    op.create_index(op.f("ix_task_events_task_id"), "task_events", ["task_id"], unique=False)


def downgrade() -> None:
    op.drop_table("task_events")
    op.drop_table("outbox")
    op.drop_table("frames")
    op.drop_table("users")
    op.drop_table("tasks")
    op.drop_table("inbox")
    op.drop_table("durations")
