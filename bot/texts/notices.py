"""Maps each notice of the outbox to its text.

It must not know how a notice is sent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from aiogram.utils.formatting import ExpandableBlockQuote, Text

from bot.core.film import FilmProblem
from bot.core.notices import ENDS_PART, Notice, NoticeKind
from bot.core.task import Charge, Reason, Task
from bot.texts import alerts, gifts
from bot.texts.access import access_asked, access_denied, access_granted
from bot.texts.failures import back_in_queue, charged, failure, undeliverable, unknown
from bot.texts.films import not_joined
from bot.texts.formatting import CAPTION_LIMIT, cut, lines
from bot.texts.i18n import words
from bot.texts.payments import credit_back, credit_given, prices_differ, stars_back, stars_paid
from bot.texts.results import album, video_link
from bot.texts.statuses import held, overdue
from bot.texts.storyboards import arrived_after_doubt, stopped


def notice(notice: Notice, task: Task | None = None) -> Text:
    """Return the text of any notice; `task`: its task in the current state.

    In another chat than that of the order, it begins with what was ordered.
    """
    film = stopped(notice.lang, task) if task and notice.kind in ENDS_PART else None
    if task is None or not said_elsewhere(notice, task):
        said = _said(notice, elsewhere=False, of_film=film is not None)
        return said if film is None else lines(said, film)
    _ = words(notice.lang)
    about = Text(_("About an order of yours in another chat:"))
    prompt = ExpandableBlockQuote(cut(task.own_words, CAPTION_LIMIT)) if task.own_words else None
    return lines(about, prompt, _said(notice, elsewhere=True, of_film=film is not None), film)


def said_elsewhere(notice: Notice, task: Task) -> bool:
    """Whether the notice goes to another place than the task's: that one cannot be written to."""
    return notice.kind is not NoticeKind.ALBUM and notice.chat != task.chat


def _said(notice: Notice, *, elsewhere: bool, of_film: bool) -> Text:
    """The place that writes a notice defines its `params`. `of_film`: the notice has a button with
    which the film is continued."""
    lang, params = notice.lang, notice.params
    match notice.kind:
        case NoticeKind.FAILED:
            reason, charge = Reason(str(params["reason"])), Charge(str(params["charge"]))
            return failure(lang, reason, charge, int(params.get("strikes") or 0), part=of_film)
        case NoticeKind.UNKNOWN:
            return unknown(lang, Decimal(str(params["price"])))
        case NoticeKind.BACK_IN_QUEUE:
            return back_in_queue(lang)
        case NoticeKind.CHARGED:
            return charged(lang, Decimal(str(params["price"])))
        case NoticeKind.OVERDUE:
            return overdue(lang)
        case NoticeKind.UNDELIVERABLE:
            reason = Reason(str(params.get("reason", "chat_unreachable")))
            in_group = notice.chat.chat_id < 0
            return undeliverable(lang, reason, elsewhere=elsewhere, in_group=in_group)
        case NoticeKind.HELD:
            return held(lang)
        case NoticeKind.ALBUM:
            return album(lang, 1, len(str(params["videos"]).split(".")))
        case NoticeKind.FILM_NOT_JOINED:
            part = params.get("part")
            return not_joined(
                lang, FilmProblem(str(params["problem"])), int(part) if part else None
            )
        case NoticeKind.FILM_STOPPED:
            return arrived_after_doubt(lang)
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
        case NoticeKind.CREDIT_GIVEN:
            given, credit = Decimal(str(params["roubles"])), Decimal(str(params["credit"]))
            return credit_given(lang, given, credit)
        case NoticeKind.GIFT:
            return gifts.notice(lang, params)
        case NoticeKind.STARS_PAID:
            credit = Decimal(str(params["credit"]))
            return stars_paid(lang, int(params["stars"] or 0), credit)
        case NoticeKind.ALERT:
            return alerts.alert(lang, params)
        case NoticeKind.ALERT_OVER:
            return alerts.alert_over(lang, params)
        case NoticeKind.DRAINED:
            return alerts.drained(lang)
    assert_never(notice.kind)
