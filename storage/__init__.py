"""The database: one store for each kind of row; frozen values are passed in and out.

Only this package uses SQLAlchemy; it must not know Telegram, HTTP or the clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.core.caps import OrderRules
from storage.access import AccessStore, Invite, RedeemResult, Request, RequestStatus
from storage.admins import AdminStore, ClaimResult
from storage.alerts import AlertStore
from storage.audit import Act, AuditStore
from storage.breaker import BreakerStore
from storage.broadcasts import BroadcastStore
from storage.cluster import Cluster
from storage.departures import DepartureStore
from storage.doubts import DoubtStore
from storage.due import Due
from storage.durations import DurationStore
from storage.engine import Database
from storage.film_orders import Rest, StoryboardStore
from storage.films import Film, FilmStore, WantedFilm
from storage.frame_objects import FrameObjectStore
from storage.frames import FrameStore
from storage.inbox import InboxStore, InboxUpdate, IncomingUpdate
from storage.migrate import migrate
from storage.money.entries import LedgerRow
from storage.money.gifts import Balance, FriendResult, GiftStore, Promo, PromoResult
from storage.money.ledger import LedgerStore, LedgerTotal
from storage.money.stars import StarPaymentStore, StarRefund
from storage.operator import OperatorStore
from storage.operator_messages import OperatorMessageStore
from storage.outbox import OutboxStore, WaitingNotice
from storage.people import OpenInvite, PeopleStore, Section, Subject
from storage.photo_requests import PhotoRequest, PhotoRequestStore
from storage.privacy import PrivacyStore
from storage.provider_account import AccountStore, Charging
from storage.rates import RateStore
from storage.recovery import process_presence
from storage.suggestions import SuggestionStore
from storage.tables import Entry, InboxState
from storage.tasks.callback_actions import CallbackActionStore
from storage.tasks.history import HistoryStore, Page
from storage.tasks.leases import Claim, ClaimOnCommit
from storage.tasks.pictures import PictureStore
from storage.tasks.store import TaskStore
from storage.users import User, UserStore

__all__ = [
    "AccessStore",
    "AccountStore",
    "Act",
    "AdminStore",
    "AlertStore",
    "AuditStore",
    "Balance",
    "BreakerStore",
    "CallbackActionStore",
    "Charging",
    "Claim",
    "ClaimOnCommit",
    "ClaimResult",
    "Cluster",
    "Database",
    "DoubtStore",
    "Due",
    "DurationStore",
    "Entry",
    "Film",
    "FilmStore",
    "FrameObjectStore",
    "FrameStore",
    "FriendResult",
    "GiftStore",
    "HistoryStore",
    "InboxState",
    "InboxStore",
    "InboxUpdate",
    "IncomingUpdate",
    "Invite",
    "LedgerRow",
    "LedgerStore",
    "LedgerTotal",
    "OpenInvite",
    "OutboxStore",
    "Page",
    "PeopleStore",
    "PhotoRequest",
    "PhotoRequestStore",
    "PictureStore",
    "PrivacyStore",
    "Promo",
    "PromoResult",
    "RateStore",
    "RedeemResult",
    "Request",
    "RequestStatus",
    "Rest",
    "Section",
    "StarPaymentStore",
    "StarRefund",
    "Storage",
    "StoryboardStore",
    "Subject",
    "SuggestionStore",
    "TaskStore",
    "User",
    "UserStore",
    "WaitingNotice",
    "WantedFilm",
    "migrate",
    "open_cluster",
    "open_storage",
    "process_presence",
]


@dataclass(frozen=True, kw_only=True)
class Storage:
    """All stores of one database."""

    database: Database
    tasks: TaskStore
    ledger: LedgerStore
    stars: StarPaymentStore
    access: AccessStore
    people: PeopleStore
    admins: AdminStore
    audit: AuditStore
    alerts: AlertStore
    operator: OperatorStore
    breaker: BreakerStore
    account: AccountStore
    doubts: DoubtStore
    broadcasts: BroadcastStore
    inbox: InboxStore
    outbox: OutboxStore
    operator_messages: OperatorMessageStore
    frames: FrameStore
    frame_objects: FrameObjectStore
    users: UserStore
    durations: DurationStore
    callback_actions: CallbackActionStore
    history: HistoryStore
    films: FilmStore
    storyboards: StoryboardStore
    pictures: PictureStore
    gifts: GiftStore
    privacy: PrivacyStore
    suggestions: SuggestionStore
    photo_requests: PhotoRequestStore
    rates: RateStore
    departures: DepartureStore
    due: Due
    cluster: Cluster

    def __post_init__(self) -> None:
        self.due.join(self.cluster)

    @classmethod
    def over(cls, database: Database, terms: OrderRules | None = None) -> Storage:
        """Return the stores of a migrated database; `terms` are the rules for orders."""
        ended: set[int] = set()
        tasks = TaskStore(database, terms, ended)
        return cls(
            database=database,
            tasks=tasks,
            ledger=LedgerStore(database),
            stars=StarPaymentStore(database),
            access=AccessStore(database),
            people=PeopleStore(database),
            admins=AdminStore(database),
            audit=AuditStore(database),
            alerts=AlertStore(database),
            operator=OperatorStore(database),
            breaker=BreakerStore(database),
            account=AccountStore(database),
            doubts=DoubtStore(database),
            broadcasts=BroadcastStore(database),
            inbox=InboxStore(database, ended),
            outbox=OutboxStore(database),
            operator_messages=OperatorMessageStore(database),
            frames=FrameStore(database),
            frame_objects=FrameObjectStore(database),
            users=UserStore(database),
            durations=DurationStore(database),
            callback_actions=CallbackActionStore(database),
            history=HistoryStore(database),
            films=FilmStore(database),
            storyboards=StoryboardStore(database, tasks),
            pictures=PictureStore(database),
            gifts=GiftStore(database),
            privacy=PrivacyStore(database),
            suggestions=SuggestionStore(database),
            photo_requests=PhotoRequestStore(database),
            rates=RateStore(database),
            departures=DepartureStore(database),
            due=Due(database),
            cluster=open_cluster(database),
        )


@asynccontextmanager
async def open_storage(url: str, terms: OrderRules | None = None) -> AsyncIterator[Storage]:
    """Open the database, migrate it, and close it at the end.

    Raises StorageUnavailable when the database cannot be used now, StorageTooNew when it needs a
    newer program, and ValueError for a wrong address.
    """
    database = await Database.open(url)
    try:
        await database.guard()
        await migrate(database)
        yield Storage.over(database, terms)
    finally:
        await database.close()


def open_cluster(database: Database) -> Cluster:
    """Return the cluster for this kind of database; with SQLite there is a single process."""
    if not database.is_shared:
        return Cluster()
    # imported here: a bot on SQLite runs without asyncpg
    from storage.listen_notify import PostgresCluster

    return PostgresCluster(database.link)
