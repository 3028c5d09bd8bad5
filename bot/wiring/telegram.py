"""Wire bot/telegram: the inbox, and polling or the webhook in front of it."""

from __future__ import annotations

from typing import Any

from aiogram import Dispatcher

from bot.jobs.steps import Steps
from bot.runtime.health import Health
from bot.runtime.public_address import PublicAddress
from bot.settings import Settings
from bot.telegram.inbox import Inbox
from bot.telegram.polling import Polling
from bot.telegram.webhook import Webhook
from bot.wiring.edges import Edges
from storage import Storage


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
