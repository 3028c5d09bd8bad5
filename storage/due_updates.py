"""Select the updates to lease next, and tell when, without reading the thousands that one chat may
have sent.

Parameters of `due`: `now`, `most` (updates to return) and `window` (due rows to read in the usual
case). It must not know who leases them.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.rows import NOW, claimable_at, free
from storage.tables import InboxState, inbox, one_of

WINDOW = 64
"""Due rows to read in addition to the wanted number; each costs a search for an earlier update."""

_most = sa.bindparam("most", type_=sa.Integer)
_window = sa.bindparam("window", type_=sa.Integer)


def _pending(of: sa.FromClause = inbox) -> sa.ColumnElement[bool]:
    return one_of(inbox.c.state, {InboxState.PENDING}, of=of)


def is_first(of: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that no earlier update of the same chat is pending."""
    earlier = inbox.alias("earlier")
    return ~sa.exists().where(
        _pending(earlier),
        earlier.c.chat_key == of.c.chat_key,
        earlier.c.update_id < of.c.update_id,
    )


_is_due = sa.and_(_pending(), inbox.c.run_at <= NOW, free(inbox))

# The usual case: the oldest due updates.
_oldest = (
    sa.select(inbox.c.update_id, inbox.c.chat_key)
    .where(_is_due)
    .order_by(inbox.c.run_at, inbox.c.update_id)
    .limit(_window)
    .cte("oldest")
)
_found = sa.select(_oldest.c.update_id).where(is_first(_oldest)).limit(_most).cte("found")

# If few chats fill the window: go from chat to chat, and take the first update of each.
_is_full = sa.select(sa.func.count()).select_from(_oldest).scalar_subquery() >= _window
_is_short = sa.select(sa.func.count()).select_from(_found).scalar_subquery() < _most
_chats = (
    sa.select(sa.func.min(inbox.c.chat_key).label("chat_key"))
    .where(_pending(), _is_full, _is_short)
    .cte("chats", recursive=True)
)
_next = inbox.alias("next")
_chats = _chats.union_all(
    sa.select(
        sa.select(sa.func.min(_next.c.chat_key))
        .where(_pending(_next), _next.c.chat_key > _chats.c.chat_key)
        .scalar_subquery()
    ).where(_chats.c.chat_key.is_not(None))
)
_first = inbox.alias("first")
_heads = sa.select(
    sa.select(sa.func.min(_first.c.update_id))
    .where(_pending(_first), _first.c.chat_key == _chats.c.chat_key)
    .correlate(_chats)
    .scalar_subquery()
).select_from(_chats)

due = (
    sa.select(inbox.c.update_id)
    .where(
        inbox.c.update_id.in_(sa.select(_found.c.update_id).union(_heads)),
        # checked again, since another process may have changed the row
        _is_due,
        is_first(inbox),
    )
    .order_by(inbox.c.run_at, inbox.c.update_id)
    .limit(_most)
    .with_for_update(skip_locked=True, of=inbox)
    .cte("due")
)
"""Due updates without an earlier one of the same chat, the oldest first: at most `most`, locked.
"""

_next_rows = (
    sa.select(inbox.c.update_id, inbox.c.chat_key, inbox.c.run_at, inbox.c.lease_until)
    .where(_pending())
    .order_by(inbox.c.run_at, inbox.c.update_id)
    .limit(WINDOW)
    .cte("next_rows")
)
_times = sa.union_all(
    sa.select(claimable_at(_next_rows).label("at")).where(is_first(_next_rows)),
    # there are more rows than were read, and none of them is due sooner than the last of these
    sa.select(sa.func.max(_next_rows.c.run_at)).having(sa.func.count() >= WINDOW),
).subquery("times")

due_at = sa.select(sa.func.min(_times.c.at))
"""The time at which the first of these updates is due, or a sooner one if many updates wait: then
the next claim finds it. None without updates."""
