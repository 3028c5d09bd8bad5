"""The texts that people must read, taken from bot.texts; both languages are checked there."""

from __future__ import annotations

from bot import texts
from bot.core.notices import Notice, NoticeKind
from bot.core.task import Charge, Chat, Reason
from tests.support.app_harness import PRICE, AppHarness


def waiting(harness: AppHarness, lang: str, *, busy: bool) -> str:
    """The status of an order that was not accepted yet."""
    return texts.statuses.status_waiting(lang, harness.as_task(), busy=busy).render()[0]


def failed(lang: str, reason: Reason, charge: Charge) -> str:
    return texts.failures.failure(lang, reason, charge).render()[0]


def unknown(lang: str) -> str:
    return _notice(lang, NoticeKind.UNKNOWN, price=str(PRICE))


def overdue(lang: str) -> str:
    return _notice(lang, NoticeKind.OVERDUE)


def undeliverable(lang: str, reason: Reason) -> str:
    return _notice(lang, NoticeKind.UNDELIVERABLE, reason=reason.value)


def link(lang: str) -> str:
    return _notice(lang, NoticeKind.VIDEO_LINK, url="https://x.test")


def _notice(lang: str, kind: NoticeKind, **params: str) -> str:
    notice = Notice(kind=kind, chat=Chat(chat_id=1), lang=lang, params=params)
    return texts.notices.notice(notice).render()[0]
