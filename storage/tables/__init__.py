"""The tables, as the newest migration leaves them. bot/core/task.py explains the columns of a
task.

Partial indexes exclude finished rows, so that claims stay fast. The names are collected here,
because the metadata is complete only when every module is imported.
"""

from storage.tables.balance import balance_trails, provider_account
from storage.tables.base import metadata, one_of
from storage.tables.draft import photo_requests, suggestions
from storage.tables.film import films
from storage.tables.gift import promos, referrals
from storage.tables.message import InboxState, inbox, operator_messages, outbox
from storage.tables.money import Entry, ledger, star_refunds
from storage.tables.operator import (
    BroadcastState,
    alerts,
    audit,
    broadcast_retries,
    broadcasts,
    provider_breaker,
    rates,
    switches,
)
from storage.tables.person import (
    access_requests,
    admins,
    claim_code,
    consents,
    invites,
    moved_groups,
    own_caps,
    permits,
    users,
)
from storage.tables.storyboard import BoardState, storyboards
from storage.tables.task import (
    RESTING,
    at_rest,
    callback_actions,
    documents,
    durations,
    frame_objects,
    frames,
    in_states,
    task_events,
    tasks,
)

__all__ = [
    "RESTING",
    "BoardState",
    "BroadcastState",
    "Entry",
    "InboxState",
    "access_requests",
    "admins",
    "alerts",
    "at_rest",
    "audit",
    "balance_trails",
    "broadcast_retries",
    "broadcasts",
    "callback_actions",
    "claim_code",
    "consents",
    "documents",
    "durations",
    "films",
    "frame_objects",
    "frames",
    "in_states",
    "inbox",
    "invites",
    "ledger",
    "metadata",
    "moved_groups",
    "one_of",
    "operator_messages",
    "outbox",
    "own_caps",
    "permits",
    "photo_requests",
    "promos",
    "provider_account",
    "provider_breaker",
    "rates",
    "referrals",
    "star_refunds",
    "storyboards",
    "suggestions",
    "switches",
    "task_events",
    "tasks",
    "users",
]
