"""Wire bot/operator: alerts, broadcasts, metrics."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.task import Reason, TaskState
from bot.operator.alert_monitor import AlertMonitor
from bot.operator.broadcaster import Broadcaster
from bot.operator.message_buttons import MessageButtons
from bot.operator.metrics_endpoint import MetricsEndpoint
from bot.runtime import metrics
from bot.runtime.health import Health
from bot.settings import Settings
from bot.telegram.messenger import Messenger
from bot.wiring.edges import Edges
from bot.wiring.jobs import Jobs
from storage import Storage


@dataclass(frozen=True, kw_only=True)
class Operator:
    """The parts of bot/operator."""

    alert_monitor: AlertMonitor
    broadcaster: Broadcaster
    buttons: MessageButtons
    scrape: MetricsEndpoint


def wire_operator(
    settings: Settings, storage: Storage, edges: Edges, jobs: Jobs, health: Health
) -> Operator:
    """Create the components for the operator: alerts, broadcasts, metrics."""
    clock, sleep = edges.clock, edges.sleep
    messenger = Messenger(edges.bot, edges.pace)
    metrics.show_zeros(
        states=TaskState, reasons=Reason, models=(model.id for model in settings.priced_models),
        balance_alert=settings.balance_alert,
    )  # fmt: skip
    return Operator(
        alert_monitor=AlertMonitor(
            storage,
            jobs.steps.signals,
            edges.provider.balance,
            health.ages,
            clock=clock,
            told=settings.alert_chats(edges.admins),
            balance_alert=settings.balance_alert,
            failure_breaker=settings.failure_breaker,
            folder=settings.data_dir,
            disk=jobs.kept.disk() if storage.database.is_shared else None,
            wait=edges.wait,
            sleep=sleep,
        ),
        broadcaster=Broadcaster(
            edges.bot,
            storage,
            messenger,
            access=settings.access_rules(edges.admins),
            clock=clock,
            owner=edges.owner,
            wait=edges.wait,
            sleep=sleep,
        ),
        buttons=MessageButtons(storage, messenger, clock=clock, wait=edges.wait),
        scrape=MetricsEndpoint(
            storage,
            edges.provider.balance,
            clock=clock,
            token=settings.metrics_token.get_secret_value(),
        ),
    )
