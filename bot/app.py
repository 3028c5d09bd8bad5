"""The life of the process: open connections, start the components, stop them in order.

bot/wiring creates the components. It must not know what they do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from aiogram import Bot

from bot import __version__, wiring
from bot.core.access import Admins
from bot.core.clock import Clock, Sleep, utc_now
from bot.core.errors import StorageUnavailable, TelegramError
from bot.core.events import ORDERED
from bot.core.task import TaskState
from bot.jobs.delivery import KeptVideos
from bot.jobs.outbox_sender import OutboxSender
from bot.jobs.worker import Worker
from bot.media import video_reader
from bot.operator import charging, claim, price_check, star_payments
from bot.runtime import metrics
from bot.runtime.health import Health
from bot.runtime.http_server import HttpServer, host_and_port
from bot.runtime.stop_signals import stop_signals
from bot.runtime.supervisor import supervise
from bot.settings import Settings
from bot.telegram.inbox import Inbox
from bot.telegram.profile import set_menu, set_profile
from bot.telegram.rate_limits import RateLimiter
from storage import Cluster, Storage, leftovers, open_storage, process_presence

logger = logging.getLogger(__name__)

TIDY_SECONDS = 600.0
PRICES_SECONDS = 6 * 3600.0
KEEP_UPDATES = timedelta(days=3)
"""How long the number of an update is kept: Telegram repeats an update for at most 24 hours."""


async def serve(settings: Settings) -> None:
    """Run the bot until a signal asks it to stop.

    Raises the error of a component that failed, StorageTooNew and StorageUnavailable when the
    database cannot be used, OSError when the HTTP port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    admins = Admins(settings.admins)
    async with AsyncExitStack() as stack:
        stack.callback(video_reader.readers.close)
        storage = await stack.enter_async_context(
            open_storage(settings.database_url, settings.order_rules(admins))
        )
        admins.learn(await storage.admins.claimed())
        alone = await stack.enter_async_context(
            process_presence(storage.database, settings.database_url, utc_now())
        )
        if not alone and not storage.database.is_shared:
            logger.warning("another process is on this file: a SQLite file has one process")
        edges = _open_edges(settings, storage, admins, stack)
        await _run(settings, storage, edges, stack, stop)


def _open_edges(
    settings: Settings, storage: Storage, admins: Admins, stack: AsyncExitStack
) -> wiring.Edges:
    pace = RateLimiter()
    bot = wiring.connect_telegram(settings, pace, wiring.shared_limiter(storage))
    stack.push_async_callback(bot.session.close)
    provider = wiring.connect_provider(settings)
    stack.push_async_callback(provider.close)
    if translator := wiring.connect_translator(settings):
        stack.push_async_callback(translator.close)
    if viewer := wiring.connect_viewer(settings):
        stack.push_async_callback(viewer.close)
    if transcriber := wiring.connect_transcriber(settings):
        stack.push_async_callback(transcriber.close)
    if storyteller := wiring.connect_storyteller(settings):
        stack.push_async_callback(storyteller.close)
    return wiring.Edges(
        bot=bot,
        pace=pace,
        provider=provider,
        fetch=wiring.wire_downloads(settings),
        bucket=wiring.open_bucket(settings),
        translator=translator,
        viewer=viewer,
        transcriber=transcriber,
        storyteller=storyteller,
        admins=admins,
    )


async def _run(
    settings: Settings,
    storage: Storage,
    edges: wiring.Edges,
    stack: AsyncExitStack,
    stop: asyncio.Event,
) -> None:
    if swept := await asyncio.to_thread(leftovers.sweep, settings.data_dir):
        logger.warning("%d unfinished copies of the database deleted, left by a kill", swept)
    parts = wiring.build(settings, storage, edges)
    await asyncio.to_thread(parts.kept.sweep, await _wanted(storage, parts.kept))
    for server in (parts.server, parts.admin_server):
        if server is not None:
            await _listen(server, settings)
            stack.push_async_callback(server.stop)
    _log_start(settings, parts)
    await charging.take_over(
        storage, settings.data_dir, settings.account_mark, wanted=settings.settle_by_balance
    )
    for line in settings.warnings:
        logger.warning("settings: %s", line)
    stoppable: list[Inbox | Worker | OutboxSender] = []
    endless = [_heartbeat(parts.health), parts.alert_monitor.run_here(), parts.admin_list.run()]
    if settings.takes_updates:
        stoppable.append(parts.inbox)
        endless.append(_updates(settings, parts, storage.cluster))
        chosen = (parts.translation, parts.vision, parts.hearing, parts.stories)
        endless += [part.run() for part in chosen if part is not None]
    if settings.makes_videos:
        stoppable += [parts.worker, parts.notices]
        endless += [
            parts.progress.run(),
            parts.films.run(),
            parts.retention.run_here(),
            storage.cluster.run_exclusively(
                "chores", partial(_background_jobs, settings, storage, edges, parts)
            ),
        ]
    last = [storage.cluster.run()]
    if settings.needs_tunnel:
        # Closed last: the provider may be about to fetch the photo of an order just accepted.
        last.append(wiring.wire_tunnel(settings, parts.server, parts.address).run())
    await supervise(
        until=stop,
        ends_by_itself=[_run_part(part, storage.cluster) for part in stoppable],
        endless=endless,
        last=last,
        stop=[parts.health.stop, *(part.stop for part in stoppable)],
    )


def _log_start(settings: Settings, parts: wiring.Parts) -> None:
    logger.info(
        "started: http on %s, photos %s, model %s, updates by %s, role %s, version %s",
        host_and_port(settings.http_host, parts.server.port),
        "on" if settings.photos_on else "off (PUBLIC_URL is not set)",
        settings.default_model.id,
        settings.updates,
        settings.role,
        __version__,
    )
    if parts.admin_server is not None:
        logger.info(
            "health and metrics: http on %s",
            host_and_port(settings.http_host, parts.admin_server.port),
        )


async def _listen(server: HttpServer, settings: Settings) -> None:
    try:
        await server.start()
    except (OSError, UnicodeError) as exc:  # UnicodeError: a name that cannot exist
        # asyncio's text names the address, and not which setting it is from
        raise OSError(
            f"HTTP_HOST={settings.http_host}, HTTP_PORT={settings.http_port}, "
            f"ADMIN_HTTP_PORT={settings.admin_port or ''}: {getattr(exc, 'strerror', None) or exc}"
        ) from exc


async def _run_part(part: Inbox | Worker | OutboxSender, cluster: Cluster) -> None:
    await part.run()
    cluster.notify(ORDERED)  # other processes may take over its work


async def _updates(settings: Settings, parts: wiring.Parts, cluster: Cluster) -> None:
    """Poll Telegram in one process of several; with a webhook every process receives updates."""
    if settings.updates == "webhook":
        return await parts.polling.run()

    async def ask() -> None:
        parts.health.expect("updates")
        try:
            await parts.polling.run()
        finally:
            parts.health.rest("updates")

    parts.health.rest("updates")
    return await cluster.run_exclusively("updates", ask)


async def _background_jobs(
    settings: Settings, storage: Storage, edges: wiring.Edges, parts: wiring.Parts
) -> None:
    """Run the common jobs, which one process does for all processes."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in (
                _greet(edges.bot, settings, storage),
                claim.offer(edges.bot, storage, is_usable=settings.is_usable, clock=utc_now),
                parts.alert_monitor.run(),
                parts.broadcaster.run(),
                parts.buttons.run(),
                parts.refunds.run(),
                parts.waiting.run(),
                parts.probe.run(),
                parts.doubts.run(),
                parts.clock_watch.run(),
                parts.retention.run(),
                parts.frames.sweep(),
                _compare_prices(settings, storage, edges),
                _collect_payments(settings, storage, edges),
                _tidy(storage, utc_now),
            ):
                group.create_task(job)
    except ExceptionGroup as exc:
        raise exc.exceptions[0] from None


async def _greet(bot: Bot, settings: Settings, storage: Storage) -> None:
    """Set the bot's profile and the menus of admins, once; nothing depends on it."""
    sells, names_prices = bool(settings.stars_offer.packages), settings.price_view().for_everybody
    refers = settings.bonus is not None
    try:
        await set_profile(bot, sells=sells, refers=refers, names_prices=names_prices)
        for admin in sorted(settings.admins):
            if (user := await storage.users.get(admin)) is not None:
                await set_menu(bot, admin, user.lang, sells=sells, refers=refers, is_admin=True)
    except Exception:
        logger.exception("the bot's profile was not set")


async def _compare_prices(settings: Settings, storage: Storage, edges: wiring.Edges) -> None:
    """Compare the catalog with the provider's list, at the start and then four times a day."""
    while True:
        try:
            await price_check.compare(
                edges.provider,
                storage,
                settings.priced_models,
                settings.alert_chats(edges.admins),
                utc_now,
                path=settings.catalog_file,
            )
        except Exception:
            logger.exception("prices were not compared")
        await asyncio.sleep(PRICES_SECONDS)


async def _collect_payments(settings: Settings, storage: Storage, edges: wiring.Edges) -> None:
    """Look for payments whose message was lost, at the start and then four times a day."""
    payments = star_payments.StarPayments(edges.bot, storage, clock=utc_now)
    while settings.stars_offer.packages:
        try:
            await payments.collect()
        except (TelegramError, StorageUnavailable) as exc:
            logger.info("the list of payments was not read: %s", exc)
        except Exception:
            logger.exception("the list of payments was not read")
        await asyncio.sleep(PRICES_SECONDS)


async def _wanted(storage: Storage, kept: KeptVideos) -> set[int]:
    """Return the tasks whose kept video is still needed."""
    wanted = set()
    for task_id in kept.ids():
        task = await storage.tasks.get(task_id)
        if task and task.state in (TaskState.RENDERED, TaskState.UNDELIVERABLE):
            wanted.add(task_id)
    return wanted


async def _heartbeat(health: Health) -> None:
    """Show that the event loop is alive, and measure its lag."""
    while True:
        health.mark("loop")
        before = time.perf_counter()
        await asyncio.sleep(1)
        metrics.LOOP_LAG.observe(max(time.perf_counter() - before - 1, 0.0))


async def _tidy(storage: Storage, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
    """Delete expired first frames and old updates."""
    while True:
        try:
            now = clock()
            await storage.frames.forget_expired(now)
            await storage.inbox.forget(before=now - KEEP_UPDATES)
        except StorageUnavailable as exc:
            logger.warning("tidying waits: %s", exc)
        await sleep(TIDY_SECONDS)
