"""The program's own errors, classified by what happens next: retry later, give up, ask a person.

It must not know HTTP, Telegram or SQL: the modules at those edges translate errors into these.

    BotError
    ├── LeaseLost              another worker has the task: stop working on it
    ├── ProviderError
    │   ├── ProviderBusy       again later; this call was certainly not accepted
    │   ├── ProviderRefused    never again with the same input; `reason` has a text
    │   ├── ProviderHeld       the operator must act (key, balance, address); the task waits
    │   └── ProviderLost       the answer was lost: the order may be accepted and charged
    ├── TelegramError
    │   ├── TelegramLater      again after `retry_after` seconds (flood control, server errors)
    │   │   ├── TelegramFlood  it answers, and says how long to send less
    │   │   └── TelegramLost   the answer was lost: the call may have been carried out
    │   ├── TelegramUnreachable  the place cannot be written to: blocked, kicked, topic closed,
    │   │                        no right to send this
    │   ├── TelegramMoved      the group has a new id: repeat there at once
    │   ├── TelegramRejected   this request will never be accepted
    │   │   ├── TelegramNotModified  the message already has this content
    │   │   ├── TelegramNothingToCopy  the message to copy is gone: nobody can get it
    │   │   ├── TelegramFileAway     the file to download is gone, or only now: a few tries
    │   │   └── TelegramTooLarge     the file is over the server's limit
    │   ├── TelegramUnauthorized  the operator must replace the token
    │   └── TelegramConflict   another program reads this bot's updates
    ├── StorageError
    │   ├── StorageUnavailable  again later: locked, disk full, no connection; nothing written
    │   ├── StorageUnusable    the operator must act: wrong password, damaged file, no right
    │   └── StorageTooNew      a newer version wrote this database: the operator must install it
    ├── NotNow                 the other side answers nobody; nothing was tried, wait at the gate
    ├── IntakeHeld             an admin paused new orders; nothing was ordered
    ├── PhotosHeld             orders with a photo are paused; nothing was ordered
    ├── LimitReached           a cap is reached; `cap` has a text, nothing was ordered
    ├── CreditTooLow           the person's credit is too low; nothing was ordered
    ├── FramesOff              first frames cannot be published
    ├── FramesAway             first frames cannot be fetched now; the task waits
    └── InputError             the person's input cannot be used; `problem` has a text
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from bot.core.caps import Cap, Limit
    from bot.core.gate import Gate
    from bot.core.task import Hold, Problem, Reason


class BotError(Exception):
    """Base of all errors that this program raises deliberately."""


class LeaseLost(BotError):
    """Another worker holds the task now, or the task ended: stop working on it."""


class ProviderError(BotError):
    """A call to the provider failed."""


class ProviderBusy(ProviderError):
    """Try again later; `retry_after` in seconds if the provider gave it."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderRefused(ProviderError):
    """Do not try again with the same input."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProviderHeld(ProviderError):
    """Only the operator can fix this; nothing was accepted."""

    def __init__(self, hold: Hold, message: str) -> None:
        super().__init__(message)
        self.hold = hold


class ProviderLost(ProviderError):
    """The request was sent and no usable answer came: it may be accepted and charged, or not."""


class TelegramError(BotError):
    """A call to Telegram failed."""


class TelegramLater(TelegramError):
    """Try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 3.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TelegramFlood(TelegramLater):
    """Too many requests: Telegram answers, and asks for a pause."""


class TelegramLost(TelegramLater):
    """The answer was lost: a repeat may do the same thing twice."""


class TelegramUnreachable(TelegramError):
    """The place cannot be written to: blocked, deleted, kicked, its topic closed, no right to send
    messages of this kind. The same request will not be accepted later either."""


class TelegramTopicGone(TelegramUnreachable):
    """The bot cannot write to this topic of the chat: it is closed, deleted or unknown."""


class TelegramMoved(TelegramError):
    """The group became a supergroup; `chat_id` is its new id."""

    def __init__(self, message: str, *, chat_id: int) -> None:
        super().__init__(message)
        self.chat_id = chat_id


class TelegramRejected(TelegramError):
    """This request will never be accepted; the chat itself is fine."""


class TelegramNotModified(TelegramRejected):
    """The message already has the content of the edit."""


class TelegramNothingToCopy(TelegramRejected):
    """The message to copy was deleted, or is of a kind that cannot be copied to anybody."""


class TelegramFileAway(TelegramRejected):
    """The file to download is gone, or cannot be had now: Telegram has one answer for both."""


class TelegramTooLarge(TelegramRejected):
    """The file is over the limit of this Bot API server (50 MB; 2000 MB on a local one)."""


class TelegramUnauthorized(TelegramError):
    """The bot token is wrong or revoked: only the operator can fix that."""


class TelegramConflict(TelegramError):
    """Another program reads this bot's updates: another process, or a webhook is set."""


class StorageError(BotError):
    """An operation of the database failed."""


class StorageUnavailable(StorageError):
    """Try again later: locked, disk full, I/O error, connection lost.

    The transaction was rolled back. One exception: a commit whose answer was lost may have been
    done.
    """


class StorageUnusable(StorageError):
    """The database cannot be used as it is; the text says what the operator has to do."""


class StorageTooNew(StorageError):
    """A newer version of the program changed this database; this version must not touch it."""


class NotNow(BotError):
    """Nothing was tried: wait until the gate lets the task through."""

    def __init__(self, gate: Gate) -> None:
        super().__init__("the other side answers nobody")
        self.gate = gate


class NotOrdered(BotError):
    """An order was not accepted here; the task stays as it was."""


class IntakeHeld(NotOrdered):
    """An admin paused new orders; nothing was ordered."""


class PhotosHeld(NotOrdered):
    """Orders with a photo are paused; nothing was ordered."""


class LimitReached(NotOrdered):
    """A cap is reached; `renews_at` is None when it resets as soon as an open video ends."""

    def __init__(self, cap: Cap, bound: Limit, renews_at: datetime | None) -> None:
        super().__init__(cap.value)
        self.cap = cap
        self.bound = bound
        self.renews_at = renews_at


class CreditTooLow(NotOrdered):
    """The order costs `price` roubles, more than the person's `credit`."""

    def __init__(self, price: Decimal, credit: Decimal) -> None:
        super().__init__("the credit does not pay for it")
        self.price = price
        self.credit = credit


class CardOpened(BotError):
    """The first tap of a double tap has opened this card already."""


class FramesOff(BotError):
    """First frames cannot be published: neither PUBLIC_URL nor a bucket is set."""


class FramesAway(BotError):
    """First frames cannot be fetched now: the tunnel has no address. Nothing was tried."""


class InputError(BotError):
    """The person's input cannot be used; `problem` has a text in every language."""

    def __init__(self, problem: Problem, **details: str | int) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.details = details
