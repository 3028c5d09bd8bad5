"""The composition root: makes the parts, hands each what it needs, and starts them.

It must not know what they say to each other.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from aiogram import Bot, Dispatcher

from bot.core import catalog, examples
from bot.core.clock import Clock, Sleep, Wait, utc_now, wait_for
from bot.core.errors import StorageUnavailable
from bot.core.examples import Example
from bot.core.schedule import back_off
from bot.core.task import TaskState
from bot.jobs.delivery import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, Delivery, Download, Kept, Prepare
from bot.jobs.first_frames import FirstFrames
from bot.jobs.outbox_sender import Notices
from bot.jobs.progress import Progress
from bot.jobs.queue_positions import Waiting
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
from bot.operator.metrics_endpoint import Scrape
from bot.provider.client import Gptunnel
from bot.provider.translator import Translator
from bot.runtime import metrics
from bot.runtime.health import LIMITS, Health
from bot.runtime.http_server import HttpServer
from bot.runtime.supervisor import supervise
from bot.settings import Settings
from bot.telegram import client as telegram_client
from bot.telegram.intake import Inbox, Polling
from bot.telegram.messenger import Messenger
from bot.telegram.profile import set_profile
from bot.telegram.webhook import Webhook
from handlers import build_router
from handlers.context import Offer
from storage import Cluster, Storage, open_storage, process_presence

logger = logging.getLogger(__name__)

DOWNLOAD_SECONDS = 600.0
TIDY_SECONDS = 60.0
FRAME_TRIES = 6
"""Some 5 s: the provider fetches a first frame within 10 s."""
ORDERED, MENDED = "ordered", "mended"
"""What processes tell each other: there is something for a worker; the queue need not wait."""
KEEP_UPDATES = timedelta(days=3)
"""How long an update is remembered: Telegram repeats one for 24 hours at the most."""


async def serve(settings: Settings) -> None:
    """Runs the bot until SIGTERM or SIGINT.

    Raises what ended a part that should not have ended, StorageTooNew and StorageUnavailable when
    the database cannot be used, OSError when the HTTP port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.callback(video_reader.readers.close)
        storage = await stack.enter_async_context(
            open_storage(settings.database_url, settings.terms)
        )
        await stack.enter_async_context(
            process_presence(storage.database, settings.database_url, utc_now())
        )
        await _run(settings, storage, stack, stop)


async def _run(
    settings: Settings, storage: Storage, stack: AsyncExitStack, stop: asyncio.Event
) -> None:
    pace = telegram_client.Pace()
    bot = telegram_client.connect(
        settings.bot_token,
        settings.telegram_api_url,
        pace,
        local=settings.telegram_local,
        proxy_url=settings.telegram_proxy,
        line=_line(storage),
    )
    stack.push_async_callback(bot.session.close)
    provider = Gptunnel.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        proxy_url=settings.provider_proxy,
    )
    stack.push_async_callback(provider.close)
    fetch = Downloader(
        allow_private=settings.allow_private_result_hosts,
        max_bytes=_upload_limit(settings),  # of more only the link can be sent
        seconds=DOWNLOAD_SECONDS,
        proxy_url=settings.provider_proxy,
    )
    bucket = open_bucket(settings)
    translator = None
    if settings.translate_model:
        translator = Translator.connect(
            settings.gptunnel_base_url,
            settings.gptunnel_api_key.get_secret_value(),
            settings.translate_model,
            proxy_url=settings.provider_proxy,
        )
        stack.push_async_callback(translator.close)
    parts = build(
        settings, storage, bot=bot, pace=pace, provider=provider, fetch=fetch, bucket=bucket,
        translator=translator,
    )  # fmt: skip
    await asyncio.to_thread(parts.kept.sweep, await _wanted(storage, parts.kept))
    await parts.server.start()
    stack.push_async_callback(parts.server.stop)
    logger.info(
        "started: http on %s:%d, photos %s, model %s, updates by %s, role %s",
        settings.http_host,
        parts.server.port,
        "on" if settings.photos_on else "off (PUBLIC_URL is not set)",
        settings.default_model.id,
        settings.updates,
        settings.role,
    )
    if not settings.reachable:
        logger.warning("nobody may use the bot: ADMINS is empty, and ACCESS is closed")
    orderly: list[Inbox | Worker | Notices] = []
    endless = [_beat(parts.health), parts.alert_monitor.run_here()]
    if settings.takes_updates:
        orderly.append(parts.inbox)
        endless.append(_updates(settings, parts, storage.cluster))
    if settings.makes_videos:
        orderly += [parts.worker, parts.notices]
        endless += [
            parts.progress.run(),
            parts.retention.run_here(),
            storage.cluster.alone(
                "chores", partial(_chores, settings, storage, bot, provider, parts)
            ),
        ]
    await supervise(
        until=stop,
        ends_by_itself=[_orderly(part, storage.cluster) for part in orderly],
        endless=endless,
        last=[storage.cluster.run()],
        stop=[parts.health.stop, *(part.stop for part in orderly)],
    )


async def _orderly(part: Inbox | Worker | Notices, cluster: Cluster) -> None:
    await part.run()
    cluster.ring(ORDERED)  # what it left is anybody's at once


async def _updates(settings: Settings, parts: Parts, cluster: Cluster) -> None:
    """Of several that could ask Telegram for updates, one does; every webhook hears of some."""
    if settings.updates == "webhook":
        return await parts.polling.run()

    async def ask() -> None:
        parts.health.expect("updates")
        try:
            await parts.polling.run()
        finally:
            parts.health.rest("updates")

    parts.health.rest("updates")
    return await cluster.alone("updates", ask)


async def _chores(
    settings: Settings, storage: Storage, bot: Bot, provider: Gptunnel, parts: Parts
) -> None:
    """What one process does for all."""
    try:
        async with asyncio.TaskGroup() as group:
            for chore in (
                _greet(settings, storage, bot, provider),
                parts.alert_monitor.run(),
                parts.broadcaster.run(),
                parts.refunds.run(),
                parts.waiting.run(),
                parts.retention.run(),
                parts.frames.sweep(),
                _tidy(storage, utc_now),
            ):
                group.create_task(chore)
    except ExceptionGroup as exc:
        raise exc.exceptions[0] from None


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What runs; nothing here was started."""

    polling: Polling | Webhook
    inbox: Inbox
    worker: Worker
    notices: Notices
    progress: Progress
    alert_monitor: AlertMonitor
    broadcaster: Broadcaster
    refunds: Refunds
    server: HttpServer
    health: Health
    kept: Kept
    retention: Retention
    waiting: Waiting
    frames: FirstFrames


def build(
    settings: Settings,
    storage: Storage,
    *,
    bot: Bot,
    pace: telegram_client.Pace,
    provider: Gptunnel,
    fetch: Download,
    bucket: Bucket | None = None,
    translator: Translator | None = None,
    prepare: Prepare = video_reader.prepare,
    clock: Clock = utc_now,
    wait: Wait = wait_for,
    sleep: Sleep = asyncio.sleep,
    lease: timedelta | None = None,
) -> Parts:
    """Puts the parts together between the edges, which stay their opener's to close."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    messenger = Messenger(bot, pace)
    progress = Progress(messenger, clock=clock, sleep=sleep)
    kept = Kept(settings.data_dir / "videos")
    disk = kept.disk() if storage.database.is_shared else None
    health = Health(
        storage.database.writable,
        limits={
            part: seconds
            for part, seconds in LIMITS.items()
            if (part != "updates" or settings.takes_updates)
            and (part != "worker" or settings.makes_videos)
        },
    )
    frames = FirstFrames(
        bot,
        storage,
        clock=clock,
        public_url=settings.public_url,
        ttl=timedelta(seconds=settings.frame_ttl_seconds),
        bucket=bucket,
        sleep=sleep,
    )
    context = StepContext(storage, progress, clock=clock, wait=wait, sleep=sleep)
    deadline = timedelta(seconds=settings.task_deadline_seconds)
    steps = Steps(
        context,
        Submit(context, provider, frames.publish, deadline=deadline),
        Watch(context, provider),
        Deliver(
            context,
            provider,
            Delivery(
                messenger, fetch, kept, prepare, upload_limit=_upload_limit(settings), disk=disk
            ),
        ),
    )
    worker = Worker(
        storage,
        steps,
        clock=clock,
        health=health,
        owner=owner,
        slots=settings.provider_concurrency,
        lease=lease,
        disk=disk,
        wait=wait,
        sleep=sleep,
    )
    cluster = storage.cluster
    cluster.hear(ORDERED, worker.wake)
    cluster.hear(MENDED, _try_now(steps, worker))
    retention = Retention(
        storage,
        kept,
        clock=clock,
        orders=_days(settings.retention_days),
        drafts=_days(settings.draft_retention_days),
        sleep=sleep,
    )
    catalog.learn(settings.models)
    dispatcher = Dispatcher(disable_fsm=True)
    dispatcher.include_router(build_router())
    dispatcher.workflow_data.update(
        storage=storage,
        clock=clock,
        access=settings.who,
        stars_packages=settings.stars_offer,
        wake=partial(cluster.ring, ORDERED),
        claim_on_commit=worker,
        try_now=partial(cluster.ring, MENDED),
        forget_files=retention.forget_files,
        offer=Offer(
            model=settings.default_model,
            photos_on=settings.photos_on,
            retention_days=settings.retention_days,
            models=settings.models,
            examples=_examples(settings),
            translator=translator,
        ),
    )
    inbox = Inbox(bot, dispatcher, storage, clock=clock, owner=owner, wait=wait, sleep=sleep)
    reading: dict[str, Any] = {
        "clock": clock,
        "health": health,
        "allowed_updates": dispatcher.resolve_used_update_types(),
        "sleep": sleep,
    }
    scrape = Scrape(
        storage,
        provider.balance,
        clock=clock,
        token=settings.metrics_token.get_secret_value(),
    )
    routes = scrape.routes
    polling: Polling | Webhook
    if settings.updates == "webhook":
        polling = Webhook(
            bot,
            inbox.take,
            public_url=settings.public_url,
            secret=settings.webhook_secret,
            **reading,
        )
        routes += polling.routes if settings.takes_updates else []
    else:
        polling = Polling(bot, inbox.take, signals=steps.signals, **reading)
    alert_monitor = AlertMonitor(
        storage,
        steps.signals,
        provider.balance,
        health.report,
        clock=clock,
        told=settings.told,
        balance_alert=settings.balance_alert,
        folder=settings.data_dir,
        disk=disk,
        sleep=sleep,
    )
    notices = Notices(storage, messenger, progress, clock=clock, owner=owner, wait=wait)
    server = HttpServer(
        settings.http_host,
        settings.http_port,
        frames=_frames(storage, clock),
        health=health.report,
        routes=routes,
    )
    return Parts(
        polling=polling,
        inbox=inbox,
        worker=worker,
        notices=notices,
        progress=progress,
        alert_monitor=alert_monitor,
        broadcaster=Broadcaster(bot, storage, messenger, clock=clock, owner=owner, sleep=sleep),
        refunds=Refunds(bot, storage, clock=clock, owner=owner, sleep=sleep),
        server=server,
        health=health,
        kept=kept,
        retention=retention,
        waiting=Waiting(storage, progress, steps.held, clock=clock, sleep=sleep),
        frames=frames,
    )


def open_bucket(settings: Settings) -> Bucket | None:
    """Where first frames go instead of our own HTTP server, if that is set."""
    if not settings.frames_s3_bucket:
        return None
    return Bucket(
        settings.frames_s3_endpoint,
        settings.frames_s3_bucket,
        access_key=settings.frames_s3_access_key,
        secret_key=settings.frames_s3_secret_key.get_secret_value(),
        region=settings.frames_s3_region,
    )


async def _greet(settings: Settings, storage: Storage, bot: Bot, provider: Gptunnel) -> None:
    """Once; nothing depends on it."""
    try:
        await set_profile(bot)
        await price_check.compare(provider, storage, settings.models, settings.told, utc_now)
    except Exception:
        logger.exception("the bot's page and its prices were not looked at")


def _line(storage: Storage) -> telegram_client.Line:
    """The line of all processes; while there is no database, each stands in its own."""

    async def line(each: float, burst: float) -> float:
        try:
            return await storage.rates.wait("telegram", each=each, burst=burst)
        except StorageUnavailable:
            return 0.0

    return line


def _try_now(steps: Steps, worker: Worker) -> Callable[[], None]:
    def try_now() -> None:
        steps.release()
        worker.wake()

    return try_now


def _upload_limit(settings: Settings) -> int:
    return LOCAL_UPLOAD_LIMIT if settings.telegram_local else UPLOAD_LIMIT


async def _wanted(storage: Storage, kept: Kept) -> set[int]:
    """Which kept videos still have a task that wants them."""
    wanted = set()
    for task_id in kept.ids():
        task = await storage.tasks.get(task_id)
        if task and task.state in (TaskState.RENDERED, TaskState.UNDELIVERABLE):
            wanted.add(task_id)
    return wanted


def _frames(storage: Storage, clock: Clock) -> Callable[[str], Coroutine[Any, Any, bytes | None]]:
    async def frame(token: str) -> bytes | None:
        """Patiently: the provider asks once, and an order hangs on it."""
        for failures in range(1, FRAME_TRIES):
            try:
                return await storage.frames.get(token, clock())
            except StorageUnavailable:
                await asyncio.sleep(back_off(failures, first=0.1, cap=2))
        return await storage.frames.get(token, clock())

    return frame


def _examples(settings: Settings) -> tuple[Example, ...]:
    path = settings.examples_file
    return examples.read(path) if path else examples.bundled()


async def _beat(health: Health) -> None:
    """Shows that the loop is alive."""
    while True:
        health.mark("loop")
        before = time.perf_counter()
        await asyncio.sleep(1)
        metrics.LOOP_LAG.observe(max(time.perf_counter() - before - 1, 0.0))


def _days(number: int) -> timedelta | None:
    """0 is for ever."""
    return timedelta(days=number) if number else None


async def _tidy(storage: Storage, clock: Clock) -> None:
    """Forgets what has had its time."""
    while True:
        try:
            now = clock()
            await storage.frames.forget_expired(now)
            await storage.inbox.forget(before=now - KEEP_UPDATES)
        except StorageUnavailable as exc:
            logger.warning("tidying waits: %s", exc)
        await asyncio.sleep(TIDY_SECONDS)
