"""Everything that runs, between the connections to the outside and the storage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bot.core import catalog
from bot.core.events import ADMINS, MENDED, ORDERED
from bot.jobs.clock_watch import ClockWatch
from bot.jobs.delivery import (
    KeptVideos,
)
from bot.jobs.doubts import DoubtSettler
from bot.jobs.films import FilmJoiner
from bot.jobs.first_frames import FirstFrames
from bot.jobs.outbox_sender import OutboxSender
from bot.jobs.progress import Progress
from bot.jobs.provider_probe import ProviderProbe
from bot.jobs.queue_positions import QueuePositions
from bot.jobs.refunds import Refunds
from bot.jobs.retention import Retention
from bot.jobs.worker import Worker
from bot.operator.alert_monitor import AlertMonitor
from bot.operator.broadcaster import Broadcaster
from bot.operator.claim import AdminList
from bot.operator.hearing import HearingCheck
from bot.operator.message_buttons import MessageButtons
from bot.operator.translation import TranslationModel
from bot.runtime.health import Health
from bot.runtime.http_server import HttpServer
from bot.runtime.public_address import PublicAddress
from bot.settings import Settings
from bot.telegram.inbox import Inbox
from bot.telegram.polling import Polling
from bot.telegram.webhook import Webhook
from bot.wiring.edges import Edges
from bot.wiring.handlers import (
    wire_handlers,
    wire_hearing,
    wire_stories,
    wire_translation,
    wire_vision,
)
from bot.wiring.jobs import try_now, wire_jobs
from bot.wiring.operator import wire_operator
from bot.wiring.runtime import frame_reader, wire_address, wire_runtime, wire_servers
from bot.wiring.telegram import wire_telegram
from storage import Storage


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that runs."""

    polling: Polling | Webhook
    inbox: Inbox
    worker: Worker
    notices: OutboxSender
    progress: Progress
    alert_monitor: AlertMonitor
    broadcaster: Broadcaster
    buttons: MessageButtons
    refunds: Refunds
    server: HttpServer
    admin_server: HttpServer | None
    address: PublicAddress
    health: Health
    kept: KeptVideos
    retention: Retention
    waiting: QueuePositions
    frames: FirstFrames
    films: FilmJoiner
    probe: ProviderProbe
    doubts: DoubtSettler
    clock_watch: ClockWatch
    admin_list: AdminList
    translation: TranslationModel | None
    vision: TranslationModel | None
    hearing: HearingCheck | None
    stories: TranslationModel | None


def build(settings: Settings, storage: Storage, edges: Edges) -> Parts:
    """Create all components between the external connections and the storage."""
    catalog.learn(settings.priced_models)
    address = wire_address(settings)
    health = wire_runtime(settings, storage, address)
    jobs = wire_jobs(settings, storage, edges, address, health)
    cluster = storage.cluster
    if settings.makes_videos:
        cluster.join_workers()
    cluster.subscribe(ORDERED, jobs.worker.wake)
    cluster.subscribe(ORDERED, jobs.films.wake)
    cluster.subscribe(MENDED, partial(try_now, jobs.steps, jobs.worker))
    admin_list = AdminList(storage, edges.admins, sleep=edges.sleep)
    cluster.subscribe(ADMINS, admin_list.changed)
    dispatcher = wire_handlers(settings, storage, edges, jobs, address, admin_list)
    translation = wire_translation(settings, edges, dispatcher)
    vision = wire_vision(settings, edges, dispatcher)
    stories = wire_stories(settings, edges, dispatcher)
    operator = wire_operator(settings, storage, edges, jobs, health)
    inbox, polling = wire_telegram(
        settings, storage, edges, dispatcher, jobs.steps, address, health
    )
    server, admin_server = wire_servers(
        settings,
        frames=frame_reader(storage, edges.clock),
        health=health,
        scrape=operator.scrape.routes,
        webhook=polling.routes if isinstance(polling, Webhook) and settings.takes_updates else [],
    )
    return Parts(
        polling=polling,
        inbox=inbox,
        worker=jobs.worker,
        notices=jobs.notices,
        progress=jobs.progress,
        alert_monitor=operator.alert_monitor,
        broadcaster=operator.broadcaster,
        buttons=operator.buttons,
        refunds=jobs.refunds,
        server=server,
        admin_server=admin_server,
        address=address,
        health=health,
        kept=jobs.kept,
        retention=jobs.retention,
        waiting=jobs.waiting,
        frames=jobs.frames,
        films=jobs.films,
        probe=jobs.probe,
        doubts=jobs.doubts,
        clock_watch=jobs.clock_watch,
        admin_list=admin_list,
        translation=translation,
        vision=vision,
        hearing=wire_hearing(settings, edges),
        stories=stories,
    )
