"""Convert raw updates to inbox rows: the number, the key by which they are ordered, the raw text.

It must not know what an update means.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bot.core.json_text import encode, storable
from storage import IncomingUpdate

PAGE = 100
"""The largest number of updates in one answer (Bot API: getUpdates). After so many, Telegram
probably has more."""

Take = Callable[[Sequence[IncomingUpdate]], Awaitable[None]]
"""The signature of `Inbox.take`."""


def chat_key(raw: dict[str, Any]) -> str:
    """Return the key that orders updates: the chat, or the person if there is no chat.

    A checkout has its own key: it has only seconds (Bot API: PreCheckoutQuery).
    """
    checkout = raw.get("pre_checkout_query")
    if isinstance(checkout, dict):
        return f"checkout {checkout.get('id')}"
    for event in raw.values():
        if not isinstance(event, dict):
            continue
        for holder in (event, event.get("message")):
            chat = holder.get("chat") if isinstance(holder, dict) else None
            if isinstance(chat, dict) and isinstance(chat.get("id"), int):
                return str(chat["id"])
        for name in ("from", "user"):
            person = event.get(name)
            if isinstance(person, dict) and isinstance(person.get("id"), int):
                return str(person["id"])
    return ""


def incoming(raw: Any) -> IncomingUpdate | None:
    """Return the inbox row of a raw update; None when it is not an update."""
    if not isinstance(raw, dict):
        return None
    update_id = raw.get("update_id")
    if not isinstance(update_id, int) or isinstance(update_id, bool):
        return None
    if not 0 <= update_id < 1 << 63:
        return None
    return IncomingUpdate(
        update_id=update_id,
        chat_key=storable(chat_key(raw)),
        payload=encode(raw),
        # Telegram waits for ten seconds (Bot API: answerPreCheckoutQuery).
        is_urgent="pre_checkout_query" in raw,
    )
