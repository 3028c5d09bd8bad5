"""The Prometheus metrics: their names, and functions that increase the counters.

Each process has one registry. It must not know the database: bot/operator/metrics_endpoint.py
fills gauges from rows when they are scraped. No metric contains a person, a chat or a prompt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from bot import __version__

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from bot.core.task import Task

logger = logging.getLogger(__name__)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

BUILD = Gauge("bot_build_info", "The version that runs; always 1.", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)
UPDATES_RECEIVED = Counter(
    "bot_updates_received", "Updates that Telegram handed over.", registry=REGISTRY
)
UPDATES = Counter(
    "bot_updates_handled", "Updates by what became of them.", ["outcome"], registry=REGISTRY
)
INBOX = Gauge("bot_inbox_updates", "Updates in the inbox, by state.", ["state"], registry=REGISTRY)
INBOX_LAG = Gauge(
    "bot_inbox_lag_seconds", "Age of the oldest update that waits to be handled.",
    registry=REGISTRY,
)  # fmt: skip
OUTBOX = Gauge("bot_outbox_notices", "Notices that wait to be sent.", registry=REGISTRY)
TASKS = Gauge("bot_tasks", "Tasks by state.", ["state"], registry=REGISTRY)
DATABASE_UP = Gauge(
    "bot_database_up", "Whether the database answered the last scrape.", registry=REGISTRY
)
TRANSITIONS = Counter(
    "bot_task_transitions", "Changes of state that this process made.", ["state", "reason"],
    registry=REGISTRY,
)  # fmt: skip
STAGES = Histogram(
    "bot_task_stage_seconds",
    "Time per stage: queue, accept, generate, deliver, and total from the press to the result. "
    "Kind: video or picture.",
    ["stage", "kind"],
    buckets=(0.1, 0.3, 1, 3, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 86400),
    registry=REGISTRY,
)
UNKNOWNS = Counter("bot_unknown", "Creates whose answer was lost: paid or not.", registry=REGISTRY)
SPEND = Counter(
    "bot_spend_roubles", "Prices of the orders that the provider accepted.", ["model"],
    registry=REGISTRY,
)  # fmt: skip
# Registered with the first answer: a 0 before it would look like an empty balance.
BALANCE = Gauge(
    "bot_balance_roubles", "The last answer about the provider's balance.", registry=None
)
BALANCE_ALERT = Gauge(
    "bot_balance_alert_roubles", "The setting BALANCE_ALERT; 0: no alert.", registry=REGISTRY
)
PROVIDER = Counter(
    "bot_provider_calls", "Calls to the provider by outcome.", ["call", "outcome"],
    registry=REGISTRY,
)  # fmt: skip
PROVIDER_SECONDS = Histogram(
    "bot_provider_call_seconds", "How long they took.", ["call"],
    buckets=(0.03, 0.1, 0.3, 1, 3, 10, 30, 90), registry=REGISTRY,
)  # fmt: skip
TELEGRAM = Counter(
    "bot_telegram_calls", "Calls to Telegram by outcome.", ["method", "outcome"],
    registry=REGISTRY,
)  # fmt: skip
FLOOD_WAITS = Counter(
    "bot_telegram_flood_waits", "Answers 429: too many requests.", registry=REGISTRY
)
FLOOD_WAIT_SECONDS = Counter(
    "bot_telegram_flood_wait_seconds", "Seconds that Telegram asked for.", registry=REGISTRY
)
WEBHOOK_PENDING = Gauge(
    "bot_webhook_pending_updates", "Updates that Telegram has not delivered yet.",
    registry=REGISTRY,
)  # fmt: skip
WEBHOOK_ERROR = Gauge(
    "bot_webhook_last_error_timestamp_seconds", "When Telegram last failed to deliver.",
    registry=REGISTRY,
)  # fmt: skip
LOOP_LAG = Histogram(
    "bot_loop_lag_seconds", "How much later than asked the event loop woke up.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10), registry=REGISTRY,
)  # fmt: skip


def show_zeros(
    *, states: Iterable[str], reasons: Iterable[str], models: Iterable[str], balance_alert: int
) -> None:
    """Make the label sets that rules ask for: `increase()` misses the first event of a new one."""
    BALANCE_ALERT.set(balance_alert)
    for outcome in ("done", "again", "set_aside"):
        UPDATES.labels(outcome)
    for state in states:
        TRANSITIONS.labels(state, "")
    for reason in reasons:
        TRANSITIONS.labels("failed", reason)
        TRANSITIONS.labels("undeliverable", reason)
    TRANSITIONS.labels("unknown", "answer_lost")
    for call in ("create", "result", "balance"):
        for outcome in ("ok", "busy", "held", "lost", "refused"):
            PROVIDER.labels(call, outcome)
    for model in models:
        SPEND.labels(model)
    for stage in ("queue", "accept", "generate", "deliver", "total"):
        STAGES.labels(stage, "video")


# Cached: there are thousands of polls, and finding the counter takes longer than increasing it.
_provider = cache(PROVIDER.labels)
_provider_seconds = cache(PROVIDER_SECONDS.labels)


@contextmanager
def provider_call(call: str) -> Iterator[None]:
    """Count one call to the provider, by the kind of error that ended it."""
    began = time.perf_counter()
    outcome = "ok"
    try:
        yield
    except BaseException as exc:
        outcome = _outcome(exc)
        raise
    finally:
        seconds = time.perf_counter() - began
        _provider(call, outcome).inc()
        _provider_seconds(call).observe(seconds)
        logger.debug("GPTunnel: %s: %s after %.3f s", call, outcome, seconds)


@contextmanager
def telegram_call(method: str) -> Iterator[None]:
    """Count one call to Telegram, by the kind of error that ended it."""
    outcome = "ok"
    try:
        yield
    except BaseException as exc:
        outcome = _outcome(exc)
        raise
    finally:
        TELEGRAM.labels(method, outcome).inc()
        logger.debug("Telegram: %s: %s", method, outcome)


def balance(roubles: float) -> None:
    """Record the provider's balance."""
    if BALANCE not in _known:
        REGISTRY.register(BALANCE)
        _known.append(BALANCE)
    BALANCE.set(roubles)


_known: list[Gauge] = []
"""Registered once known."""


def flood_wait(seconds: float) -> None:
    """Record that Telegram asked for fewer calls."""
    FLOOD_WAITS.inc()
    FLOOD_WAIT_SECONDS.inc(seconds)


def moved(before: Task, after: Task, now: datetime) -> None:
    """Count a committed change of state."""
    if after.state is before.state:
        return
    TRANSITIONS.labels(after.state.value, after.reason.value if after.reason else "").inc()
    match after.state.value:
        case "submitting":
            _stage("queue", after, after.confirmed_at, after.submitted_at)
        case "generating":
            _stage("accept", after, after.submitted_at, after.accepted_at)
        case "rendered" if before.state.value == "generating":
            _stage("generate", after, after.accepted_at, after.rendered_at)
        case "delivered":
            _stage("deliver", after, after.rendered_at, now)
            _stage("total", after, after.confirmed_at, now)
        case "unknown":
            UNKNOWNS.inc()


def spent(model: str, price: Decimal) -> None:
    """Count a task that the provider accepted."""
    SPEND.labels(model).inc(float(price))


def _stage(name: str, task: Task, since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None:
        STAGES.labels(name, task.kind.value).observe(max((until - since).total_seconds(), 0.0))


def _outcome(exc: BaseException) -> str:
    name = type(exc).__name__
    for edge in ("Provider", "Telegram"):
        name = name.removeprefix(edge)
    return name.lower()
