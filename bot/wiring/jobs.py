"""Wire bot/jobs: the steps of a task, the worker, notices, films, retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from bot.jobs.clock_watch import ClockWatch
from bot.jobs.delivery import (
    LOCAL_UPLOAD_LIMIT,
    Delivery,
    KeptVideos,
)
from bot.jobs.doubts import BalanceBefore, DoubtSettler
from bot.jobs.films import READ_LIMIT, FilmJoiner
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
from bot.runtime.health import Health
from bot.runtime.public_address import PublicAddress
from bot.settings import Settings
from bot.telegram.messenger import Messenger
from bot.wiring.edges import Edges, upload_limit
from storage import Storage, leftovers


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
    films: FilmJoiner
    kept: KeptVideos
    probe: ProviderProbe
    doubts: DoubtSettler
    clock_watch: ClockWatch


def wire_jobs(
    settings: Settings, storage: Storage, edges: Edges, address: PublicAddress, health: Health
) -> Jobs:
    """Create the components that act on tasks."""
    clock, wait, sleep = edges.clock, edges.wait, edges.sleep
    messenger = Messenger(edges.bot, edges.pace)
    prices = settings.price_view(edges.admins)
    progress = Progress(messenger, clock=clock, prices=prices, sleep=sleep, steady=edges.steady)
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
    context = StepContext(
        storage, progress, clock=clock, wait=wait, sleep=sleep, steady=edges.steady
    )
    progress.hold = lambda: context.gates.telegram.has_waiting
    deadline = timedelta(seconds=settings.task_deadline_seconds)
    delivery = Delivery(
        messenger, edges.fetch, kept, edges.prepare,
        upload_limit=upload_limit(settings), disk=disk, gates=context.gates,
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
            read_balance=BalanceBefore(storage, edges.provider.balance, clock=clock),
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
        refunds=Refunds(edges.bot, storage, clock=clock, owner=edges.owner, wait=wait),
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
            storage, progress, steps.held, clock=clock, no_address=frames.are_away, wait=wait
        ),
        frames=frames,
        films=FilmJoiner(
            edges.bot,
            storage,
            messenger,
            clock=clock,
            owner=edges.owner,
            upload_limit=upload_limit(settings),
            read_limit=LOCAL_UPLOAD_LIMIT if settings.telegram_local else READ_LIMIT,
            prepare=edges.prepare,
            join=edges.join,
            wait=wait,
        ),
        kept=kept,
        probe=ProviderProbe(storage, edges.provider.probe, clock=clock, wait=wait),
        doubts=DoubtSettler(
            storage,
            edges.provider.balance,
            clock=clock,
            account=settings.account_mark if settings.settle_by_balance else None,
            wait=wait,
        ),
        clock_watch=ClockWatch(storage, clock=clock, steady=edges.steady, sleep=sleep),
    )


def try_now(steps: Steps, worker: Worker) -> None:
    steps.release()
    worker.wake()


def _days(number: int) -> timedelta | None:
    """Return a number of days as a duration; for 0 return None, which means no limit."""
    return timedelta(days=number) if number else None
