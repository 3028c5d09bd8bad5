"""Add permits, the audit log, and the append-only ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

GROWS_ONLY = {
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
}

# Entries for orders that were made before there was a ledger
BOOKED = "prompt IS NOT NULL AND confirmed_at IS NOT NULL"
FILL = (
    ("reservation", "confirmed_at", BOOKED),
    ("charge", "COALESCE(accepted_at, confirmed_at)", f"{BOOKED} AND provider_id IS NOT NULL"),
    (
        "return",
        "COALESCE(ended_at, confirmed_at)",
        f"{BOOKED} AND provider_id IS NULL AND state IN ('cancelled', 'failed')",
    ),
)


def upgrade() -> None:
    op.create_table(
        "permits",
        sa.Column("subject_id", number, autoincrement=False, nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "allowed", "banned",
                name="verdict", native_enum=False, create_constraint=True, length=16,
            ),
            nullable=False,
        ),
        sa.Column("invite", sa.Text()),
        sa.Column("decided_by", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_permits")),
    )  # fmt: skip
    op.create_table(
        "access_requests",
        sa.Column("user_id", number, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("username", sa.Text()),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("allowed", sa.Boolean()),
        sa.Column("decided_by", sa.BigInteger()),
        sa.Column("decided_at", moment),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_access_requests")),
    )
    op.create_table(
        "invites",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_invites")),
        sa.UniqueConstraint("update_id", name=op.f("uq_invites_update_id")),
    )
    op.create_table(
        "audit",
        sa.Column("id", number, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger()),
        sa.Column("task_id", sa.BigInteger()),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_table(
        "ledger",
        sa.Column("id", number, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "reservation", "charge", "return", "purchase", "refund",
                name="kind", native_enum=False, create_constraint=True, length=16,
            ),
            nullable=False,
        ),
        sa.Column("at", moment, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger()),
        sa.Column("payment_id", sa.Text()),
        sa.Column("kopecks", sa.BigInteger(), nullable=False),
        sa.Column("credit_kopecks", sa.BigInteger(), nullable=False),
        sa.Column("stars", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("payment_id", "kind", name=op.f("uq_ledger_payment_id_kind")),
        sa.UniqueConstraint("task_id", "kind", name=op.f("uq_ledger_task_id_kind")),
    )  # fmt: skip
    op.create_index(op.f("ix_ledger_at"), "ledger", ["at"], unique=False)
    op.create_index("ix_ledger_user", "ledger", ["user_id", "at"], unique=False)
    for kind, at, condition in FILL:
        op.execute(
            "INSERT INTO ledger (kind, at, user_id, task_id, kopecks, credit_kopecks, stars)"  # noqa: S608
            f" SELECT '{kind}', {at}, user_id, id, price_kopecks, 0, 0"
            f" FROM tasks WHERE {condition} ORDER BY id"
        )
    for statement in GROWS_ONLY[op.get_context().dialect.name]:
        op.execute(statement)
    op.create_table(
        "star_refunds",
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger()),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("run_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done_at", moment),
        sa.Column("error", sa.Text()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", moment),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_star_refunds")),
    )
    waiting = sa.text("done_at IS NULL")
    op.create_index(
        "ix_star_refunds_due",
        "star_refunds",
        ["run_at"],
        unique=False,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def downgrade() -> None:
    op.drop_table("star_refunds")
    op.drop_table("ledger")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION ledger_only_grows()")
    for name in ("audit", "invites", "access_requests", "permits"):
        op.drop_table(name)
