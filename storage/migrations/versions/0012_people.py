"""Credit that admins give, caps of one person or group, names of people, and revoked invites."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

OLD = ("reservation", "charge", "return", "purchase", "refund")
NEW = (*OLD, "grant")
COLUMNS = "id, kind, at, user_id, task_id, payment_id, kopecks, credit_kopecks, stars"
TRIGGERS = {
    "ledger_keeps_its_words": "UPDATE",
    "ledger_keeps_its_rows": "DELETE",
}


def upgrade() -> None:
    _ledger(NEW, chat=True)
    op.add_column("users", sa.Column("username", sa.Text()))
    op.add_column("permits", sa.Column("name", sa.Text()))
    op.add_column("invites", sa.Column("revoked_at", moment))
    op.create_table(
        "own_caps",
        sa.Column("subject_id", number, autoincrement=False, nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("videos", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "cap", name=op.f("pk_own_caps")),
    )


def downgrade() -> None:
    op.drop_table("own_caps")
    op.drop_column("invites", "revoked_at")
    op.drop_column("permits", "name")
    op.drop_column("users", "username")
    _ledger(OLD, chat=False)


def _ledger(kinds: tuple[str, ...], *, chat: bool) -> None:
    """Give the ledger another set of kinds, and a column for the chat or none.

    An older program does not know grants: a downgrade leaves them out.
    """
    allowed = ", ".join(f"'{kind}'" for kind in kinds)
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_ledger_kind"), "ledger", type_="check")
        if chat:
            op.add_column("ledger", sa.Column("chat_id", sa.BigInteger()))
        else:
            op.drop_column("ledger", "chat_id")
            op.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_keeps_its_rows")
            op.execute("DELETE FROM ledger WHERE kind = 'grant'")
            op.execute("ALTER TABLE ledger ENABLE TRIGGER ledger_keeps_its_rows")
        op.create_check_constraint(op.f("ck_ledger_kind"), "ledger", f"kind IN ({allowed})")
        return
    for trigger in TRIGGERS:
        op.execute(f"DROP TRIGGER {trigger}")
    for index in ("ix_ledger_at", "ix_ledger_user"):
        op.drop_index(index, table_name="ledger")
    op.rename_table("ledger", "ledger_before")
    op.create_table(
        "ledger",
        sa.Column("id", number, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*kinds, name="kind", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("at", moment, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger()),
        *([sa.Column("chat_id", sa.BigInteger())] if chat else []),
        sa.Column("payment_id", sa.Text()),
        sa.Column("kopecks", sa.BigInteger(), nullable=False),
        sa.Column("credit_kopecks", sa.BigInteger(), nullable=False),
        sa.Column("stars", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("payment_id", "kind", name=op.f("uq_ledger_payment_id_kind")),
        sa.UniqueConstraint("task_id", "kind", name=op.f("uq_ledger_task_id_kind")),
    )
    op.execute(
        f"INSERT INTO ledger ({COLUMNS}) SELECT {COLUMNS} FROM ledger_before"  # noqa: S608
        f" WHERE kind IN ({allowed}) ORDER BY id"
    )
    op.drop_table("ledger_before")
    op.create_index(op.f("ix_ledger_at"), "ledger", ["at"], unique=False)
    op.create_index("ix_ledger_user", "ledger", ["user_id", "at"], unique=False)
    for trigger, act in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {act} ON ledger"
            " BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END"
        )
