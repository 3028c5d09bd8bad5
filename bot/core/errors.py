"""The program's own errors, sorted by what happens next: again later, never, ask a person.

It must not know HTTP, Telegram or SQL: the modules at those edges turn what they see into these.

    BotError
    ├── LeaseLost              another worker has the task: drop what is in hand
    ├── ProviderError
    │   ├── ProviderBusy       again later; surely nothing was accepted by this call
    │   ├── ProviderRefused    never again with the same input; `reason` has words for the person
    │   ├── ProviderHeld       the operator must act (key, balance, address); the task waits
    │   └── ProviderLost       the answer was lost: it may have been accepted and charged
    ├── TelegramError
    │   ├── TelegramLater      again after `retry_after` seconds (flood control, server errors)
    │   ├── TelegramLost       the answer was lost: it may have been done
    │   ├── TelegramUnreachable  this chat will not take it: blocked, deleted, kicked
    │   ├── TelegramMoved      the group has another id now: again there, at once
    │   ├── TelegramRejected   this very request will never be taken
    │   │   ├── TelegramNotModified  the message already is so
    │   │   └── TelegramTooLarge     the file is over the server's limit
    │   ├── TelegramUnauthorized  the operator must mend the token
    │   └── TelegramConflict   somebody else reads our updates
    ├── StorageError
    │   ├── StorageUnavailable  again later: locked, disk full, cut off; nothing was written
    │   └── StorageTooNew      a newer program wrote this database: the operator must install it
    ├── IntakeHeld             an admin holds new orders; nothing was ordered
    ├── LimitReached           a cap is reached; `cap` has words, nothing was ordered
    ├── CreditTooLow           the person's credit does not pay for it; nothing was ordered
    └── InputError             the person's input cannot be used; `problem` has words
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from bot.core.caps import Bound, Cap
    from bot.core.task import Hold, Problem, Reason


class BotError(Exception):
    """Everything this program raises on purpose."""


class LeaseLost(BotError):
    """Another worker holds the task now, or it was ended: what is in hand is dropped."""


class ProviderError(BotError):
    """The provider did not do what was asked."""


class ProviderBusy(ProviderError):
    """Again later; `retry_after` in seconds when the provider named it."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderRefused(ProviderError):
    """Never again with the same input."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProviderHeld(ProviderError):
    """Only the operator can mend this; nothing was accepted."""

    def __init__(self, hold: Hold, message: str) -> None:
        super().__init__(message)
        self.hold = hold


class ProviderLost(ProviderError):
    """The request went out, no usable answer came back: accepted and charged, or not."""


class TelegramError(BotError):
    """Telegram did not do what was asked."""


class TelegramLater(TelegramError):
    """Again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 3.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TelegramLost(TelegramLater):
    """The answer was lost on the way: a repeat may do it twice."""


class TelegramUnreachable(TelegramError):
    """The chat takes nothing from this bot: blocked, deleted, kicked, not found."""


class TelegramMoved(TelegramError):
    """The group became a supergroup; `chat_id` is its new id."""

    def __init__(self, message: str, *, chat_id: int) -> None:
        super().__init__(message)
        self.chat_id = chat_id


class TelegramRejected(TelegramError):
    """This very request will never be taken; the chat itself is fine."""


class TelegramNotModified(TelegramRejected):
    """The message already is as the edit wants it."""


class TelegramTooLarge(TelegramRejected):
    """The file is over what this Bot API server takes (50 MB; 2000 MB on a local one)."""


class TelegramUnauthorized(TelegramError):
    """The bot token is wrong or was revoked: only the operator can mend that."""


class TelegramConflict(TelegramError):
    """Somebody else reads this bot's updates: another process, or a webhook is set."""


class StorageError(BotError):
    """The database did not do what was asked."""


class StorageUnavailable(StorageError):
    """Again later: locked, disk full, I/O error, connection lost.

    What was asked was rolled back; only a commit whose answer was lost may have been done.
    """


class StorageTooNew(StorageError):
    """A newer version of the program has changed this database; this one must not touch it."""


class IntakeHeld(BotError):
    """An admin holds new orders; nothing was ordered."""


class LimitReached(BotError):
    """A cap is reached; `renews_at` None: as soon as one of the videos under way ends."""

    def __init__(self, cap: Cap, bound: Bound, renews_at: datetime | None) -> None:
        super().__init__(cap.value)
        self.cap = cap
        self.bound = bound
        self.renews_at = renews_at


class CreditTooLow(BotError):
    """The order costs `price` roubles and the person has `credit`."""

    def __init__(self, price: Decimal, credit: Decimal) -> None:
        super().__init__("the credit does not pay for it")
        self.price = price
        self.credit = credit


class FramesOff(BotError):
    """First frames cannot be published: neither PUBLIC_URL nor a bucket is set."""


class InputError(BotError):
    """What the person sent cannot be used; `problem` has words in every language."""

    def __init__(self, problem: Problem, **details: str | int) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.details = details
