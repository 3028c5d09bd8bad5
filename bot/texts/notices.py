"""Maps each notice of the outbox to its text.

It must not know how a notice is sent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from aiogram.utils.formatting import (
    Text,
)

from bot.core.notices import Notice, NoticeKind
from bot.core.task import Charge, Reason
from bot.texts import admin
from bot.texts.access import access_asked, access_denied, access_granted
from bot.texts.failures import failure, undeliverable, unknown
from bot.texts.payments import credit_back, prices_differ, stars_back, stars_paid
from bot.texts.results import album, video_link
from bot.texts.statuses import held, overdue


def notice(notice: Notice) -> Text:
    """Return the text of any notice.

    The code that writes a notice defines its `params`.
    """
    lang, params = notice.lang, notice.params
    match notice.kind:
        case NoticeKind.FAILED:
            reason, charge = Reason(str(params["reason"])), Charge(str(params["charge"]))
            return failure(lang, reason, charge, int(params.get("strikes") or 0))
        case NoticeKind.UNKNOWN:
            return unknown(lang, Decimal(str(params["price"])))
        case NoticeKind.OVERDUE:
            return overdue(lang)
        case NoticeKind.UNDELIVERABLE:
            return undeliverable(lang, Reason(str(params.get("reason", "chat_unreachable"))))
        case NoticeKind.HELD:
            return held(lang)
        case NoticeKind.ALBUM:
            return album(lang, 1, len(str(params["videos"]).split(".")))
        case NoticeKind.VIDEO_LINK:
            return video_link(lang, str(params["url"]))
        case NoticeKind.ACCESS_ASKED:
            username = params["username"]
            return access_asked(
                lang,
                int(params["user_id"] or 0),
                str(params["name"]),
                None if username is None else str(username),
            )
        case NoticeKind.ACCESS_GRANTED:
            return access_granted(lang)
        case NoticeKind.ACCESS_DENIED:
            return access_denied(lang)
        case NoticeKind.PRICES_DIFFER:
            return prices_differ(lang, str(params["lines"]), takes=bool(params.get("takes")))
        case NoticeKind.STARS_BACK:
            return stars_back(lang, int(params["stars"] or 0), failed=bool(params["failed"]))
        case NoticeKind.CREDIT_BACK:
            return credit_back(lang, Decimal(str(params["price"])))
        case NoticeKind.STARS_PAID:
            credit = Decimal(str(params["credit"]))
            return stars_paid(lang, int(params["stars"] or 0), credit)
        case NoticeKind.ALERT:
            return admin.alert(lang, params)
        case NoticeKind.ALERT_OVER:
            return admin.alert_over(lang, params)
        case NoticeKind.DRAINED:
            return admin.drained(lang)
    assert_never(notice.kind)
