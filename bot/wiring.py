"""The composition root: one `wire` function per package makes its parts and connects them.

Nothing is started here; bot/app.py runs the parts. It must not know what they say to each other.
It is one file although it is long: a reader follows a part from one package to the next.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiogram import Bot, Dispatcher
from aiohttp import web

from bot.core import catalog, examples
from bot.core.catalog_file import Taken
from bot.core.clock import Clock, Sleep, Wait, utc_now, wait_for
from bot.core.errors import ProviderError, ProviderRefused, StorageUnavailable
from bot.core.events import CATALOG, MENDED, ORDERED
from bot.core.schedule import back_off
from bot.core.task import Reason, TaskState
from bot.jobs.delivery import (
    LOCAL_UPLOAD_LIMIT,
    UPLOAD_LIMIT,
    Delivery,
    Download,
    KeptVideos,
    Prepare,
)
from bot.jobs.first_frames import FirstFrames
from bot.jobs.outbox_sender import OutboxSender
from bot.jobs.progress import Progress
from bot.jobs.provider_probe import ProviderProbe
from bot.jobs.queue_positions import QueuePositions
from bot.jobs.refunds import Refunds
from bot.jobs.retention import Retention
from bot.jobs.steps import Steps
from bot.jobs.steps.context import StepContext
from bot.jobs.steps.deliver import Deliver
from bot.jobs.steps.submit import Submit
from bot.jobs.steps.watch import Watch
from bot.jobs.worker import Worker
from bot.media import video_reader
from bot.media.bucket import Bucket
from bot.media.download import Downloader
from bot.operator import price_check
from bot.operator.alert_monitor import AlertMonitor
from bot.operator.broadcaster import Broadcaster
from bot.operator.metrics_endpoint import MetricsEndpoint
from bot.provider.client import Gptunnel
from bot.provider.translator import Translator
from bot.runtime import metrics
from bot.runtime.health import LIMITS, Health
from bot.runtime.http_server import HttpServer
from bot.runtime.public_address import PublicAddress
from bot.runtime.tunnel import Hold, Tunnel
from bot.runtime.tunnel.cloudflared import Cloudflared
from bot.runtime.tunnel.ssh import Ssh
from bot.setting_types import CLOUDFLARED
from bot.settings import Settings
from bot.telegram import client as telegram_client
from bot.telegram.inbox import Inbox
from bot.telegram.messenger import Messenger
from bot.telegram.polling import Polling
from bot.telegram.rate_limits import RateLimiter, SharedLimiter
from bot.telegram.webhook import Webhook
from handlers import build_router
from handlers.context import Offer
from storage import Cluster, Storage, leftovers

logger = logging.getLogger(__name__)

DOWNLOAD_SECONDS = 600.0
"""For one video from the provider."""
FRAME_TRIES = 6
"""Reads of a first frame while the database is away, about 5 s: the provider fetches it within
10 s."""


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
    refunds: Refunds
    server: HttpServer
    admin_server: HttpServer | None
    address: PublicAddress
    health: Health
    kept: KeptVideos
    retention: Retention
    waiting: QueuePositions
    frames: FirstFrames
    probe: ProviderProbe


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Connections to the outside, and time; the opener closes them."""

    bot: Bot
    pace: RateLimiter
    provider: Gptunnel
    fetch: Download
    bucket: Bucket | None = None
    translator: Translator | None = None
    prepare: Prepare = video_reader.prepare
    clock: Clock = utc_now
    wait: Wait = wait_for
    sleep: Sleep = asyncio.sleep
    lease: timedelta | None = None
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    )


def build(settings: Settings, storage: Storage, edges: Edges) -> Parts:
    """Make all parts between the edges and the storage."""
    catalog.learn(settings.models)
    address = wire_address(settings)
    health = wire_runtime(settings, storage, address)
    jobs = wire_jobs(settings, storage, edges, address, health)
    cluster = storage.cluster
    cluster.subscribe(ORDERED, jobs.worker.wake)
    cluster.subscribe(MENDED, partial(_try_now, jobs.steps, jobs.worker))
    dispatcher = wire_handlers(settings, storage, edges, jobs, address)
    operator = wire_operator(settings, storage, edges, jobs, health)
    inbox, polling = wire_telegram(
        settings, storage, edges, dispatcher, jobs.steps, address, health
    )
    server, admin_server = wire_servers(
        settings,
        frames=_frame_reader(storage, edges.clock),
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
        refunds=jobs.refunds,
        server=server,
        admin_server=admin_server,
        address=address,
        health=health,
        kept=jobs.kept,
        retention=jobs.retention,
        waiting=jobs.waiting,
        frames=jobs.frames,
        probe=jobs.probe,
    )


# --- bot/runtime ---------------------------------------------------------------------------------


def wire_address(settings: Settings) -> PublicAddress:
    """Make the public address: that of the settings, or none yet when a tunnel brings it."""
    if settings.public_tunnel:
        return PublicAddress(changes=True)
    return PublicAddress(settings.public_url)


def wire_tunnel(
    settings: Settings, server: HttpServer, address: PublicAddress, *, remembers: bool = True
) -> Tunnel:
    """Make the tunnel to a server that listens; see bot.runtime.tunnel.ssh for `remembers`."""
    if settings.public_tunnel == CLOUDFLARED:
        own = Settings.model_fields  # its secrets are not for other programs
        environment = {k: v for k, v in os.environ.items() if k.lower() not in own}
        hold: Hold = Cloudflared(server.local_url, environment)
        return Tunnel(CLOUDFLARED, hold, server.leads_here, address)
    here = urlsplit(server.local_url)
    assert here.hostname and here.port  # noqa: PT018 - of a listener
    hold = Ssh(
        server=settings.public_tunnel,
        host=here.hostname,
        port=here.port,
        pins=settings.data_dir / "tunnel_known_hosts",
        public_url=settings.public_url,
        remembers=remembers,
    )
    name = urlsplit(settings.public_tunnel).hostname or ""
    return Tunnel(name, hold, server.leads_here, address)


def wire_servers(
    settings: Settings,
    *,
    frames: Callable[[str], Coroutine[Any, Any, bytes | None]],
    health: Health,
    scrape: list[web.AbstractRouteDef],
    webhook: list[web.AbstractRouteDef],
) -> tuple[HttpServer, HttpServer | None]:
    """Make the listener of the internet and that of the operator; None: it is the same one."""
    host, port = settings.http_host, settings.http_port
    if settings.admin_port is None:
        routes = [*scrape, *webhook]
        return HttpServer(host, port, frames=frames, health=health.report, routes=routes), None
    return (
        HttpServer(host, port, frames=frames, routes=webhook),
        HttpServer(host, settings.admin_port, health=health.report, routes=scrape),
    )


def wire_runtime(settings: Settings, storage: Storage, address: PublicAddress) -> Health:
    """Make the health report of the parts that run in this role."""
    off = set()
    if not settings.takes_updates:
        off.add("updates")
    if not settings.makes_videos:
        off.add("worker")
    return Health(
        storage.database.writable,
        limits={part: seconds for part, seconds in LIMITS.items() if part not in off},
        tunnel=lambda: address.state,
    )


# --- bot/provider and bot/media ------------------------------------------------------------------


def connect_provider(settings: Settings) -> Gptunnel:
    """Open the connection to GPTunnel."""
    return Gptunnel.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        proxy_url=settings.provider_proxy,
    )


def connect_translator(settings: Settings) -> Translator | None:
    """Open the connection to the chat model; None when no TRANSLATE_MODEL is set."""
    if not settings.translate_model:
        return None
    return Translator.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        settings.translate_model,
        proxy_url=settings.provider_proxy,
    )


def wire_downloads(settings: Settings) -> Downloader:
    """Make the downloader of finished videos; of larger files only the link can be sent."""
    return Downloader(
        allow_private=settings.allow_private_result_hosts,
        max_bytes=_upload_limit(settings),
        seconds=DOWNLOAD_SECONDS,
        proxy_url=settings.provider_proxy,
    )


def open_bucket(settings: Settings) -> Bucket | None:
    """Open the bucket for first frames; None when the bot's own HTTP server shows them."""
    if not settings.frames_s3_bucket:
        return None
    return Bucket(
        settings.frames_s3_endpoint,
        settings.frames_s3_bucket,
        access_key=settings.frames_s3_access_key,
        secret_key=settings.frames_s3_secret_key.get_secret_value(),
        region=settings.frames_s3_region,
    )


def _frame_reader(
    storage: Storage, clock: Clock
) -> Callable[[str], Coroutine[Any, Any, bytes | None]]:
    async def frame(token: str) -> bytes | None:
        """Retry while the database is away: the provider asks once, and an order depends on it."""
        for failures in range(1, FRAME_TRIES):
            try:
                return await storage.frames.get(token, clock())
            except StorageUnavailable:
                await asyncio.sleep(back_off(failures, first=0.1, cap=2))
        return await storage.frames.get(token, clock())

    return frame


# --- bot/jobs ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The parts of bot/jobs."""

    steps: Steps
    worker: Worker
    notices: OutboxSender
    progress: Progress
    refunds: Refunds
    retention: Retention
    waiting: QueuePositions
    frames: FirstFrames
    kept: KeptVideos
    probe: ProviderProbe


def wire_jobs(
    settings: Settings, storage: Storage, edges: Edges, address: PublicAddress, health: Health
) -> Jobs:
    """Make what acts on tasks."""
    clock, wait, sleep = edges.clock, edges.wait, edges.sleep
    messenger = Messenger(edges.bot, edges.pace)
    progress = Progress(messenger, clock=clock, sleep=sleep)
    kept = KeptVideos(settings.data_dir / "videos")
    disk = kept.disk() if storage.database.is_shared else None
    frames = FirstFrames(
        edges.bot,
        storage,
        clock=clock,
        address=address,
        ttl=timedelta(seconds=settings.frame_ttl_seconds),
        bucket=edges.bucket,
        sleep=sleep,
    )
    context = StepContext(storage, progress, clock=clock, wait=wait, sleep=sleep)
    deadline = timedelta(seconds=settings.task_deadline_seconds)
    delivery = Delivery(
        messenger, edges.fetch, kept, edges.prepare,
        upload_limit=_upload_limit(settings), disk=disk,
    )  # fmt: skip
    steps = Steps(
        context,
        Submit(
            context,
            edges.provider,
            frames.publish,
            deadline=deadline,
            frames_away=frames.are_away,
            still_leads=frames.still_leads,
        ),
        Watch(context, edges.provider),
        Deliver(context, edges.provider, delivery),
    )
    return Jobs(
        steps=steps,
        worker=Worker(
            storage,
            steps,
            clock=clock,
            health=health,
            owner=edges.owner,
            slots=settings.provider_concurrency,
            lease=edges.lease,
            disk=disk,
            wait=wait,
            sleep=sleep,
        ),
        notices=OutboxSender(
            storage, messenger, progress, clock=clock, owner=edges.owner, wait=wait
        ),
        progress=progress,
        refunds=Refunds(edges.bot, storage, clock=clock, owner=edges.owner, sleep=sleep),
        retention=Retention(
            storage,
            kept,
            clock=clock,
            orders=_days(settings.retention_days),
            drafts=_days(settings.draft_retention_days),
            sweep_copies=partial(leftovers.sweep, settings.data_dir),
            sleep=sleep,
        ),
        waiting=QueuePositions(
            storage, progress, steps.held, clock=clock, no_address=frames.are_away, sleep=sleep
        ),
        frames=frames,
        kept=kept,
        probe=ProviderProbe(storage, edges.provider.probe, clock=clock, wait=wait, sleep=sleep),
    )


def _try_now(steps: Steps, worker: Worker) -> None:
    steps.release()
    worker.wake()


def _upload_limit(settings: Settings) -> int:
    return LOCAL_UPLOAD_LIMIT if settings.telegram_local else UPLOAD_LIMIT


def _days(number: int) -> timedelta | None:
    """Return a number of days as a duration; None, no limit, for 0."""
    return timedelta(days=number) if number else None


# --- handlers ------------------------------------------------------------------------------------


def wire_handlers(
    settings: Settings, storage: Storage, edges: Edges, jobs: Jobs, address: PublicAddress
) -> Dispatcher:
    """Make the dispatcher with the routers and what handlers are given by name."""
    path = settings.examples_file
    cluster = storage.cluster
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.include_router(build_router())
    dispatcher.workflow_data.update(
        storage=storage,
        clock=edges.clock,
        access=settings.access_rules,
        stars_packages=settings.stars_offer,
        wake=partial(cluster.notify, ORDERED),
        claim_on_commit=jobs.worker,
        try_now=partial(cluster.notify, MENDED),
        find_job=partial(_find_job, edges.provider),
        take_over=partial(_take_over, settings, edges.provider, cluster),
        forget_files=jobs.retention.forget_files,
        offer=Offer(
            model=settings.default_model,
            photos_on=settings.photos_on,
            tunnel_owner=settings.tunnel_owner,
            tunnel_state=lambda: address.state,
            retention_days=settings.retention_days,
            models=settings.models,
            examples=examples.read(path) if path else examples.bundled(),
            translator=edges.translator,
        ),
    )
    cluster.subscribe(CATALOG, partial(_read_catalog, settings, dispatcher))
    return dispatcher


async def _take_over(settings: Settings, provider: Gptunnel, cluster: Cluster) -> Taken:
    path = settings.catalog_file
    if path is None:
        return Taken.NOT_WRITTEN
    # The next start would refuse a MODEL that is not in the catalog, except for the default.
    keep = frozenset({settings.model} - {Settings.model_fields["model"].default})
    return await price_check.take_over(provider, path, partial(cluster.notify, CATALOG), keep=keep)


def _read_catalog(settings: Settings, dispatcher: Dispatcher) -> None:
    """Read CATALOG_FILE again; a wrong file changes nothing."""
    if settings.catalog_file is None:
        return
    try:
        models, model = settings.models, settings.default_model
    except ValueError as exc:
        logger.error("CATALOG_FILE is not read again: %s", exc)
        return
    catalog.learn(models)
    dispatcher["offer"] = replace(dispatcher["offer"], model=model, models=models)


async def _find_job(provider: Gptunnel, job_id: str) -> bool | None:
    """Whether the provider knows the id; None: it does not answer now."""
    try:
        await provider.result(job_id)
    except ProviderRefused as exc:
        return exc.reason is not Reason.PROVIDER_FORGOT
    except ProviderError:
        return None
    return True


# --- bot/telegram --------------------------------------------------------------------------------


def connect_telegram(
    settings: Settings, pace: RateLimiter, line: SharedLimiter | None = None
) -> Bot:
    """Open the client of the Bot API; `line` is the rate limit that all processes share."""
    return telegram_client.connect(
        settings.bot_token,
        settings.telegram_api_url,
        pace,
        local=settings.telegram_local,
        proxy_url=settings.telegram_proxy,
        line=line,
    )


def shared_limiter(storage: Storage) -> SharedLimiter:
    """Make the rate limit of all processes; without a database each keeps to its own."""

    async def line(each: float, burst: float) -> float:
        try:
            return await storage.rates.wait("telegram", each=each, burst=burst)
        except StorageUnavailable:
            return 0.0

    return line


def wire_telegram(
    settings: Settings,
    storage: Storage,
    edges: Edges,
    dispatcher: Dispatcher,
    steps: Steps,
    address: PublicAddress,
    health: Health,
) -> tuple[Inbox, Polling | Webhook]:
    """Make the inbox, and the polling or the webhook that fills it."""
    inbox = Inbox(
        edges.bot, dispatcher, storage,
        clock=edges.clock, owner=edges.owner, wait=edges.wait, sleep=edges.sleep,
    )  # fmt: skip
    common: dict[str, Any] = {
        "clock": edges.clock,
        "health": health,
        "allowed_updates": dispatcher.resolve_used_update_types(),
        "sleep": edges.sleep,
    }
    if settings.updates == "webhook":
        return inbox, Webhook(
            edges.bot,
            inbox.take,
            address=address,
            secret=settings.webhook_secret,
            **common,
        )
    return inbox, Polling(edges.bot, inbox.take, signals=steps.signals, **common)


# --- bot/operator --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Operator:
    """The parts of bot/operator."""

    alert_monitor: AlertMonitor
    broadcaster: Broadcaster
    scrape: MetricsEndpoint


def wire_operator(
    settings: Settings, storage: Storage, edges: Edges, jobs: Jobs, health: Health
) -> Operator:
    """Make what works for the operator: alerts, broadcasts, metrics."""
    clock, sleep = edges.clock, edges.sleep
    messenger = Messenger(edges.bot, edges.pace)
    metrics.show_zeros(
        states=TaskState, reasons=Reason, models=(model.id for model in settings.models),
        balance_alert=settings.balance_alert,
    )  # fmt: skip
    return Operator(
        alert_monitor=AlertMonitor(
            storage,
            jobs.steps.signals,
            edges.provider.balance,
            health.report,
            clock=clock,
            told=settings.alert_chats,
            balance_alert=settings.balance_alert,
            failure_breaker=settings.failure_breaker,
            folder=settings.data_dir,
            disk=jobs.kept.disk() if storage.database.is_shared else None,
            sleep=sleep,
        ),
        broadcaster=Broadcaster(
            edges.bot, storage, messenger, clock=clock, owner=edges.owner, sleep=sleep
        ),
        scrape=MetricsEndpoint(
            storage,
            edges.provider.balance,
            clock=clock,
            token=settings.metrics_token.get_secret_value(),
        ),
    )
