"""Films: videos that continue each other, in order, joined into one on request.

The parts are tasks (`film_id`, `film_place`); a row here is what they have in common.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.column_types import UtcDateTime
from storage.tables.base import Id, metadata, partial_index

films = sa.Table(
    "films",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # the film that Telegram has, and the parts it was joined from: with other parts it is stale
    sa.Column("file_id", sa.Text),
    sa.Column("joined", sa.Text),
    # where to send the film; run_at None: nobody waits for it
    sa.Column("chat_id", sa.BigInteger),
    sa.Column("message_thread_id", sa.BigInteger),
    sa.Column("business_connection_id", sa.Text),
    sa.Column("reply_to", sa.BigInteger),
    sa.Column("lang", sa.Text),
    sa.Column("wanted_at", UtcDateTime),
    # to the person's own chat, because the place where they asked takes nothing
    sa.Column("redirected", sa.Boolean, server_default=sa.false(), nullable=False),
    sa.Column("run_at", UtcDateTime),
    sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    sqlite_autoincrement=True,
)

_wanted = films.c.run_at.is_not(None)
partial_index("ix_films_due", films.c.run_at, where=_wanted)
