"""The composition root: one `wire` function per package creates its components and connects them.

Nothing is started here; bot/app.py runs the components. It must not know what they exchange.
The file is long on purpose: a reader can follow a component from one package to the next.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiogram import Bot, Dispatcher
from aiohttp import web

from bot.core import catalog, examples
from bot.core.access import Admins
from bot.core.catalog_file import Taken
from bot.core.chat_models import AUTO, ChatModel
from bot.core.clock import Clock, Sleep, Wait, utc_now, wait_for
from bot.core.errors import ProviderError, ProviderRefused, StorageUnavailable
from bot.core.events import ADMINS, CATALOG, MENDED, ORDERED
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
from bot.operator.claim import AdminList
from bot.operator.metrics_endpoint import MetricsEndpoint
from bot.operator.translation import TranslationModel
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
BALANCE_SECONDS = 4.0
"""An admin waits for the answer to a command."""
FRAME_TRIES = 6
"""Reads of a first frame while the database is away, about 5 s: the provider fetches it within
10 s."""
FETCHED_SECONDS = 2.0
"""For recording that a frame was fetched, before it is served."""


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
    admin_list: AdminList
    translation: TranslationModel | None


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Connections to the outside, time, and who runs the bot; the opener closes them."""

    bot: Bot
    pace: RateLimiter
    provider: Gptunnel
    fetch: Download
    bucket: Bucket | None = None
    translator: Translator | None = None
    admins: Admins = field(default_factory=Admins)
    prepare: Prepare = video_reader.prepare
    clock: Clock = utc_now
    wait: Wait = wait_for
    sleep: Sleep = asyncio.sleep
    lease: timedelta | None = None
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    )


def build(settings: Settings, storage: Storage, edges: Edges) -> Parts:
    """Create all components between the external connections and the storage."""
    catalog.learn(settings.models)
    address = wire_address(settings)
    health = wire_runtime(settings, storage, address)
    jobs = wire_jobs(settings, storage, edges, address, health)
    cluster = storage.cluster
    if settings.makes_videos:
        cluster.join_workers()
    cluster.subscribe(ORDERED, jobs.worker.wake)
    cluster.subscribe(MENDED, partial(_try_now, jobs.steps, jobs.worker))
    admin_list = AdminList(storage, edges.admins, sleep=edges.sleep)
    cluster.subscribe(ADMINS, admin_list.changed)
    dispatcher = wire_handlers(settings, storage, edges, jobs, address, admin_list)
    translation = wire_translation(settings, edges, dispatcher)
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
        admin_list=admin_list,
        translation=translation,
    )


# --- bot/runtime ---------------------------------------------------------------------------------


def wire_address(settings: Settings) -> PublicAddress:
    """Create the public address: from the settings, or empty until a tunnel sets it."""
    if settings.public_tunnel:
        return PublicAddress(changes=True)
    return PublicAddress(settings.public_url)


def wire_tunnel(
    settings: Settings, server: HttpServer, address: PublicAddress, *, remembers: bool = True
) -> Tunnel:
    """Create the tunnel to a listening server; see bot.runtime.tunnel.ssh for `remembers`."""
    if settings.public_tunnel == CLOUDFLARED:
        own = Settings.model_fields  # the bot's secrets are not given to other programs
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
    """Create the public listener and the operator's listener; None if both are the same."""
    host, port = settings.http_host, settings.http_port
    if settings.admin_port is None:
        routes = [*scrape, *webhook]
        return HttpServer(host, port, frames=frames, health=health.report, routes=routes), None
    return (
        HttpServer(host, port, frames=frames, routes=webhook),
        HttpServer(host, settings.admin_port, health=health.report, routes=scrape),
    )


def wire_runtime(settings: Settings, storage: Storage, address: PublicAddress) -> Health:
    """Create the health report of the components that run in this role."""
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
    """Open the connection to the chat models; None when TRANSLATE_MODEL is empty."""
    if not settings.translate_model:
        return None
    auto = settings.translate_model == AUTO
    return Translator.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        "" if auto else settings.translate_model,
        proxy_url=settings.provider_proxy,
    )


def wire_downloads(settings: Settings) -> Downloader:
    """Create the downloader of finished videos; for larger files only the link can be sent."""
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
        """Retry while the database does not answer: the provider fetches once, and an order
        depends on it.
        """
        for failures in range(1, FRAME_TRIES):
            try:
                return await fetch(token)
            except StorageUnavailable:
                await asyncio.sleep(back_off(failures, first=0.1, cap=2))
        return await fetch(token)

    async def fetch(token: str) -> bytes | None:
        jpeg = await storage.frames.get(token, clock())
        if jpeg is not None:
            # What cannot be recorded is served all the same.
            with suppress(StorageUnavailable, TimeoutError):
                async with asyncio.timeout(FETCHED_SECONDS):
                    await storage.frames.fetched(token, clock())
        return jpeg

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
    """Create the components that act on tasks."""
    clock, wait, sleep = edges.clock, edges.wait, edges.sleep
    messenger = Messenger(edges.bot, edges.pace)
    prices = settings.price_view(edges.admins)
    progress = Progress(messenger, clock=clock, prices=prices, sleep=sleep)
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
    progress.hold = lambda: context.gates.telegram.has_waiting
    deadline = timedelta(seconds=settings.task_deadline_seconds)
    delivery = Delivery(
        messenger, edges.fetch, kept, edges.prepare,
        upload_limit=_upload_limit(settings), disk=disk, gates=context.gates,
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
            workers=lambda: storage.cluster.workers,
            wait=wait,
            sleep=sleep,
        ),
        notices=OutboxSender(
            storage,
            messenger,
            progress,
            clock=clock,
            owner=edges.owner,
            admins=edges.admins,
            wait=wait,
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
    """Return a number of days as a duration; for 0 return None, which means no limit."""
    return timedelta(days=number) if number else None


# --- handlers ------------------------------------------------------------------------------------


def wire_handlers(
    settings: Settings,
    storage: Storage,
    edges: Edges,
    jobs: Jobs,
    address: PublicAddress,
    admin_list: AdminList,
) -> Dispatcher:
    """Create the dispatcher with the routers and the values that handlers receive by name."""
    path = settings.examples_file
    cluster = storage.cluster
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.include_router(build_router())
    dispatcher.workflow_data.update(
        storage=storage,
        clock=edges.clock,
        access=settings.access_rules(edges.admins),
        stars_packages=settings.stars_offer,
        wake=partial(cluster.notify, ORDERED),
        claim_on_commit=jobs.worker,
        try_now=partial(cluster.notify, MENDED),
        find_job=partial(_find_job, edges.provider),
        take_over=partial(_take_over, settings, edges.provider, cluster),
        admins_changed=partial(_admins_changed, admin_list, cluster),
        balance=partial(_balance, edges.provider),
        prices=settings.price_view(edges.admins),
        forget_files=jobs.retention.forget_files,
        offer=Offer(
            model=settings.default_model,
            photos_on=settings.photos_on,
            tunnel_owner=settings.tunnel_owner,
            tunnel_state=lambda: address.state,
            zone=settings.day_zone,
            retention_days=settings.retention_days,
            models=settings.models,
            examples=examples.read(path) if path else examples.bundled(),
            # With `auto` there is none until the provider's list of models was read.
            translator=None if settings.translate_model == AUTO else edges.translator,
            rules=settings.order_rules(edges.admins),
            clock=edges.clock,
        ),
    )
    cluster.subscribe(CATALOG, partial(_read_catalog, settings, dispatcher))
    return dispatcher


def wire_translation(
    settings: Settings, edges: Edges, dispatcher: Dispatcher
) -> TranslationModel | None:
    """Make what chooses the chat model; None: nothing is translated."""
    translator = edges.translator
    if translator is None:
        return None

    def use(model: ChatModel | None) -> None:
        dispatcher["offer"] = replace(
            dispatcher["offer"],
            translator=None if model is None else translator,
            translates_by=model,
        )

    return TranslationModel(
        edges.provider.chat_models,
        translator,
        settings.translate_model,
        use,
        sleep=edges.sleep,
    )


async def _take_over(settings: Settings, provider: Gptunnel, cluster: Cluster) -> Taken:
    path = settings.catalog_file
    if path is None:
        return Taken.NOT_WRITTEN
    # The next start would refuse a MODEL that is not in the catalog, unless it is the default.
    keep = frozenset({settings.model} - {Settings.model_fields["model"].default})
    return await price_check.take_over(provider, path, partial(cluster.notify, CATALOG), keep=keep)


def _read_catalog(settings: Settings, dispatcher: Dispatcher) -> None:
    """Read CATALOG_FILE again; an invalid file changes nothing."""
    if settings.catalog_file is None:
        return
    try:
        models, model = settings.models, settings.default_model
    except ValueError as exc:
        logger.error("CATALOG_FILE is not read again: %s", exc)
        return
    catalog.learn(models)
    dispatcher["offer"] = replace(dispatcher["offer"], model=model, models=models)


async def _admins_changed(admin_list: AdminList, cluster: Cluster) -> None:
    await admin_list.read()
    cluster.notify(ADMINS)


async def _balance(provider: Gptunnel) -> Decimal | None:
    """Return the funds at the provider in roubles; None: it does not answer now."""
    try:
        async with asyncio.timeout(BALANCE_SECONDS):
            return await provider.balance()
    except (ProviderError, TimeoutError):
        return None


async def _find_job(provider: Gptunnel, job_id: str) -> bool | None:
    """Return whether the provider knows the id; None if it does not answer now."""
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
    """Open the client of the Bot API; `line` is the rate limit shared by all processes."""
    return telegram_client.connect(
        settings.bot_token,
        settings.telegram_api_url,
        pace,
        local=settings.telegram_local,
        proxy_url=settings.telegram_proxy,
        line=line,
    )


def shared_limiter(storage: Storage) -> SharedLimiter:
    """Create the rate limit shared by all processes; without a database each has its own."""

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
    """Create the inbox, and the polling or the webhook that fills it."""
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
    """Create the components for the operator: alerts, broadcasts, metrics."""
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
            told=settings.alert_chats(edges.admins),
            balance_alert=settings.balance_alert,
            failure_breaker=settings.failure_breaker,
            folder=settings.data_dir,
            disk=jobs.kept.disk() if storage.database.is_shared else None,
            sleep=sleep,
        ),
        broadcaster=Broadcaster(
            edges.bot,
            storage,
            messenger,
            access=settings.access_rules(edges.admins),
            clock=clock,
            owner=edges.owner,
            sleep=sleep,
        ),
        scrape=MetricsEndpoint(
            storage,
            edges.provider.balance,
            clock=clock,
            token=settings.metrics_token.get_secret_value(),
        ),
    )
