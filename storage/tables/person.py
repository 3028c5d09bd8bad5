"""Users, their consents, and who may use the bot."""

from __future__ import annotations

import sqlalchemy as sa

from bot.core.access import Verdict
from storage.column_types import UtcDateTime
from storage.tables.base import Id, metadata, text_of

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("lang_chosen", sa.Boolean, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("strikes", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("ratio", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("username", sa.Text),  # without the @; it may have changed since
    sa.Column("referral", sa.Text),  # the token of their referral link, once they asked for it
    sa.Index("ix_users_referral", "referral", unique=True),
)


# People who were told that the provider receives their photos, and then ordered a video of one
# or asked for suggestions
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
)


# Positive: a person; negative: a group as a whole
permits = sa.Table(
    "permits",
    metadata,
    sa.Column("subject_id", Id, primary_key=True, autoincrement=False),
    sa.Column("verdict", text_of(Verdict, "verdict"), nullable=False),
    sa.Column("invite", sa.Text),
    sa.Column("decided_by", sa.BigInteger, nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    sa.Column("name", sa.Text),  # of a group, when it was decided
)

# Groups that became supergroups. The ledger never changes: it has their orders under the old id
moved_groups = sa.Table(
    "moved_groups",
    metadata,
    sa.Column("old_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("new_id", sa.BigInteger, nullable=False, index=True),
)

# Caps of one person or group instead of the settings'; `videos` 0: no limit
own_caps = sa.Table(
    "own_caps",
    metadata,
    sa.Column("subject_id", Id, primary_key=True, autoincrement=False),
    sa.Column("cap", sa.Text, primary_key=True),
    sa.Column("videos", sa.Integer, nullable=False),
)

# Admins who claimed the bot; those of ADMINS are not here
admins = sa.Table(
    "admins",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("claimed_at", UtcDateTime, nullable=False),
)

# One row while the bot can be claimed; `digest` is of the code, which is only in the log
claim_code = sa.Table(
    "claim_code",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
)

access_requests = sa.Table(
    "access_requests",
    metadata,
    sa.Column("user_id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("username", sa.Text),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("allowed", sa.Boolean),  # None until an admin decides
    sa.Column("decided_by", sa.BigInteger),
    sa.Column("decided_at", UtcDateTime),
)

invites = sa.Table(
    "invites",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    # update_id of the command: a repeated update creates no second invite
    sa.Column("update_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("made_by", sa.BigInteger, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)
