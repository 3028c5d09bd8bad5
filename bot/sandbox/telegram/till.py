"""The state of Stars: invoices, checkouts and payments.

It must not know chats or methods.
"""

import asyncio
import secrets
from dataclasses import dataclass, field

CURRENCY = "XTR"
CHECKOUT_SECONDS = 10
"""How long Telegram waits for the bot's answer (Bot API: answerPreCheckoutQuery)."""


@dataclass
class Checkout:
    """A pre-checkout query to the bot: may this person pay?"""

    id: str
    user_id: int
    at: float
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ok: bool = False
    error: str | None = None


@dataclass
class Payment:
    """A payment in Stars."""

    charge_id: str
    user_id: int
    stars: int
    payload: str
    at: int = 0
    refunded: bool = False
    refunded_at: int = 0


@dataclass
class Till:
    """All invoices, checkouts and payments."""

    invoices: dict[tuple[int, int], str] = field(default_factory=dict)  # message -> payload
    checkouts: dict[str, Checkout] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)

    def open(self, user_id: int, at: float) -> Checkout:
        """Record that a person pressed Pay."""
        checkout = Checkout(str(secrets.randbelow(9 * 10**18) + 10**18), user_id, at)
        self.checkouts[checkout.id] = checkout
        return checkout

    def take(self, user_id: int, stars: int, payload: str, at: int) -> Payment:
        """Record a payment; its id is as long as Telegram's."""
        payment = Payment(f"stx{secrets.token_urlsafe(48)}", user_id, stars, payload, at)
        self.payments[payment.charge_id] = payment
        return payment
