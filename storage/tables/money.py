"""The append-only ledger, and refunds of Stars."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from storage.column_types import Kopecks, UtcDateTime
from storage.tables.base import Id, metadata, partial_index, text_of


class Entry(StrEnum):
    """The kind of a ledger row."""

    RESERVATION = "reservation"  # confirmed: the price is reserved
    CHARGE = "charge"  # the provider returned an id: it is spent
    RETURN = "return"  # cancelled, refused or failed before it was charged
    PURCHASE = "purchase"  # Stars were received
    REFUND = "refund"  # Stars were returned
    GRANT = "grant"  # credit or videos as a gift: of an admin, a promo code, a referral


# No foreign keys: rows outlive the tasks and people to which they refer. `kopecks`: money of the
# provider; `credit_kopecks`: change of the person's credit; `stars`: money of Telegram.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", text_of(Entry, "kind"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("task_id", sa.BigInteger),
    sa.Column("chat_id", sa.BigInteger),  # of the task, for the caps of groups
    # Bot API: telegram_payment_charge_id; of a grant: what it came from, so that it comes once
    sa.Column("payment_id", sa.Text),
    sa.Column("kopecks", Kopecks, nullable=False),
    sa.Column("credit_kopecks", Kopecks, nullable=False),
    sa.Column("stars", sa.BigInteger, nullable=False),
    # change of the person's gift videos: +3 given, -1 used for an order, +1 returned
    sa.Column("videos", sa.Integer, server_default=sa.text("0"), nullable=False),
    sa.UniqueConstraint("task_id", "kind"),
    sa.UniqueConstraint("payment_id", "kind"),
    sa.Index("ix_ledger_user", "user_id", "at"),
)

for _dialect, _statements in {
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
}.items():
    for _statement in _statements:
        _ddl = sa.DDL(_statement)  # type: ignore[no-untyped-call]
        sa.event.listen(ledger, "after_create", _ddl.execute_if(dialect=_dialect))

# Payments that Telegram has still to refund
star_refunds = sa.Table(
    "star_refunds",
    metadata,
    sa.Column("payment_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("task_id", sa.BigInteger),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("done_at", UtcDateTime),
    # Telegram will not do it: an admin decides
    sa.Column("refused_at", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
)

_waiting = star_refunds.c.done_at.is_(None)
partial_index("ix_star_refunds_due", star_refunds.c.run_at, where=_waiting)
