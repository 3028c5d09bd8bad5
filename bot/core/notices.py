"""Notices: messages that do not answer an update, written in the commit that makes them true.

Pure: it must not know Telegram, SQL or the texts; a text is made when its notice is sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.core.task import Chat


class NoticeKind(StrEnum):
    """Kinds of notices. Each has texts in every language."""

    FAILED = "failed"  # the order ended without a video
    UNKNOWN = "unknown"  # the answer to a create was lost: nobody here knows whether it was paid
    BACK_IN_QUEUE = "back_in_queue"  # the balance shows that it was not accepted
    CHARGED = "charged"  # the balance shows that it was accepted; its id is not known
    OVERDUE = "overdue"  # it takes longer than promised and continues
    # the video exists and is kept, but the chat does not accept it
    UNDELIVERABLE = "undeliverable"
    HELD = "held"  # the queue waits until the operator acts
    FILM_NOT_JOINED = "film_not_joined"  # the parts of a film cannot be joined
    # a part has arrived after its order was in doubt; the later parts were cancelled
    FILM_STOPPED = "film_stopped"
    VIDEO_LINK = "video_link"  # the video is too big to send: a link to it
    ALBUM = "album"  # the buttons of videos that were sent as an album
    ACCESS_ASKED = "access_asked"  # to an admin: somebody asks for access
    ACCESS_GRANTED = "access_granted"
    ACCESS_DENIED = "access_denied"
    ALERT = "alert"  # to the operator: something is wrong
    ALERT_OVER = "alert_over"  # it ended
    DRAINED = "drained"  # no order is open any more
    PRICES_DIFFER = "prices_differ"  # to an admin: the provider lists other prices
    CREDIT_BACK = "credit_back"  # the price of a failed video was returned to the credit
    CREDIT_GIVEN = "credit_given"  # an admin gave credit
    GIFT = "gift"  # videos or credit of an admin or a referral, or a gift video came back
    STARS_PAID = "stars_paid"
    STARS_BACK = "stars_back"  # a payment was refunded


ENDS_PART = frozenset(
    {
        NoticeKind.FAILED, NoticeKind.UNKNOWN, NoticeKind.UNDELIVERABLE, NoticeKind.VIDEO_LINK,
        NoticeKind.FILM_STOPPED,
    }
)  # fmt: skip
"""Notices about a part of a film after which no other part begins by itself."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One message to one chat."""

    kind: NoticeKind
    chat: Chat
    lang: str
    task_id: int | None = None
    reply_to: int | None = None
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    @property
    def about(self) -> str | None:
        """The event that a message to the operator is about, the same in all its copies."""
        about = self.params.get("about")
        return None if about is None else str(about)


def new_about(event: str) -> str:
    """Return the `about` of an event that may come again."""
    return f"{event}:{secrets.token_hex(8)}"


def access_asked_about(user_id: int | str) -> str:
    """Return the `about` of a person's request for access."""
    return f"access:{user_id}"
