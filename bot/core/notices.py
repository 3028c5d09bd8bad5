"""What a person has to be told outside an update: written in the commit that makes it true.

Pure: it must not know Telegram, SQL or the words; those are made when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.core.task import Chat


class NoticeKind(StrEnum):
    """What is told. Each has words in every language."""

    FAILED = "failed"  # it ended without a video
    UNKNOWN = "unknown"  # the create's answer was lost: paid or not, nobody here knows
    OVERDUE = "overdue"  # it takes longer than promised; it goes on
    UNDELIVERABLE = "undeliverable"  # there is a video; the chat does not take it; kept
    HELD = "held"  # the queue stands until the operator acts
    VIDEO_LINK = "video_link"  # the video is too big to send: a link to it
    ALBUM = "album"  # the buttons of videos that came as an album
    ACCESS_ASKED = "access_asked"  # to an admin: somebody wants to be let in
    ACCESS_GRANTED = "access_granted"
    ACCESS_DENIED = "access_denied"
    ALERT = "alert"  # to the operator: something is wrong
    ALERT_OVER = "alert_over"  # it ended
    DRAINED = "drained"  # nothing is under way any more
    PRICES_DIFFER = "prices_differ"  # to an admin: the provider's list says something else
    CREDIT_BACK = "credit_back"  # the price of a video that failed is on the balance again
    STARS_PAID = "stars_paid"
    STARS_BACK = "stars_back"  # a payment was refunded


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One message to one chat."""

    kind: NoticeKind
    chat: Chat
    lang: str
    task_id: int | None = None
    reply_to: int | None = None
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
