"""Texts about Telegram Stars, credit and limits.

It must not know how payments are recorded.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from aiogram.utils.formatting import (
    Bold,
    ExpandableBlockQuote,
    Text,
)

from bot.core.caps import Cap, Limit
from bot.core.stars import Package
from bot.texts.formatting import cut, gift_videos, lines, message
from bot.texts.i18n import words
from bot.texts.zone import local


def prices_differ(lang: str, lines: str, *, takes: bool = False) -> Text:
    """To an admin: model, own price → provider's price, one per line; `takes`: with a button."""
    _ = words(lang)
    return message(
        "🏷",
        _("The video service has changed its models or prices"),
        ExpandableBlockQuote(cut(lines, 2000)),
        _("The button writes these changes into the catalog file.") if takes else None,
        _("Orders keep the price that people saw.")
        if takes
        else _("Orders keep the price that people saw. Change the catalog to show other prices."),
    )


def buy(lang: str, credit: Decimal, gifts: int = 0) -> Text:
    """With the packages as buttons; `gifts`: videos that are used before the balance."""
    _ = words(lang)
    return message(
        "⭐",
        _("Your balance: {credit}").format(credit=_.price(credit)),
        gift_videos(_, gifts) if gifts > 0 else None,
        _("Videos are paid from it, each at the price on its card."),
        _("Failed videos are refunded. More: /terms, /paysupport"),
    )


def invoice_title(lang: str, package: Package) -> str:
    """Bot API: sendInvoice, 32."""
    _ = words(lang)
    return _("{credit} for videos").format(credit=_.price(package.credit))


def invoice_description(lang: str, package: Package) -> str:
    """Bot API: sendInvoice, 255."""
    _ = words(lang)
    return _(
        "{credit} is added to your balance. The price of a failed video is "
        "returned automatically, unused Stars with /paysupport."
    ).format(credit=_.price(package.credit))


def stars_paid(lang: str, stars: int, credit: Decimal) -> Text:
    _ = words(lang)
    came = _.plural(
        "{n} Star has arrived. Thank you!", "{n} Stars have arrived. Thank you!", stars
    )
    return message(
        "⭐",
        came.format(n=stars),
        _("Your balance: {credit}").format(credit=_.price(credit)),
        _("Now send a prompt, or choose an aspect ratio on a waiting card."),
    )


def credit_back(lang: str, price: Decimal) -> Text:
    """Added to the text about a failed video, for a person who paid for it."""
    _ = words(lang)
    back = _("The price of this video, {price}, was returned to your balance.")
    return message("💳", back.format(price=_.price(price)))


def credit_given(lang: str, roubles: Decimal, credit: Decimal) -> Text:
    """To a person to whom an admin gave credit."""
    _ = words(lang)
    return message(
        "🎁",
        _("You were given {credit} for videos").format(credit=_.price(roubles)),
        _("Your balance: {credit}").format(credit=_.price(credit)),
    )


def paysupport(lang: str, credit: Decimal, contact: str, *, refundable: bool) -> Text:
    """The answer to /paysupport. `refundable`: whether there are payments that can be refunded, as
    buttons below."""
    _ = words(lang)
    return message(
        "⭐",
        _("Your balance: {credit}").format(credit=_.price(credit)),
        _("The price of a failed video is returned to your balance or refunded automatically."),
        _("A payment whose credit is completely unused can be refunded with a button below.")
        if refundable
        else _("There is no payment whose credit is completely unused, so none can be refunded."),
        _("For anything else: {contact}").format(contact=contact) if contact else None,
    )


def nothing_sold(lang: str, contact: str) -> Text:
    """The answer to /paysupport where nothing is sold for Stars, for somebody who has no
    credit."""
    _ = words(lang)
    return message(
        "💳",
        _("Nothing is sold here, so there is nothing to refund."),
        _("For anything else: {contact}").format(contact=contact) if contact else None,
    )


def terms(lang: str, contact: str, *, sells: bool) -> Text:
    """The terms of use. `sells`: whether people pay with Stars; otherwise the operator pays for
    all videos."""
    _ = words(lang)
    paid = (
        _("• Stars buy credit in this bot; each video uses the price on its card."),
        _("• You can cancel for free until the video is started; then its price is spent."),
        _("• If there is no video, its price is returned: as credit or as Stars."),
        _("• Unused credit can be refunded in Stars: /paysupport."),
    )
    free = (
        _("• Nothing is sold here: the people who run this bot pay for the videos."),
        _("• You can cancel an order until its video is started."),
    )
    return lines(
        Bold(_("Terms")),
        *(paid if sells else free),
        _("• Videos are made by AI: they may differ from your prompt."),
        _("• What is stored about you: /privacy."),
        _("Questions: {contact}").format(contact=contact) if contact else None,
    )


def press_not_on_sale(lang: str) -> str:
    _ = words(lang)
    return _("This is no longer on sale. Send /buy to see what is.")


def press_refunding(lang: str) -> str:
    _ = words(lang)
    return _("Your refund has started. You will get a message when Telegram has completed it.")


def press_not_refunded(lang: str) -> str:
    _ = words(lang)
    return _("This cannot be refunded: a part of it was spent on videos. See /paysupport.")


def button_package(lang: str, package: Package) -> str:
    _ = words(lang)
    return f"⭐ {package.stars} → {_.price(package.credit)}"


def button_refund(lang: str, stars: int, at: datetime) -> str:
    _ = words(lang)
    return _("Refund {stars} ⭐ of {date}").format(stars=stars, date=f"{local(at):%d.%m.%Y}")


def button_refund_rest(lang: str, stars: int, at: datetime) -> str:
    """An admin's button of a payment that was used in part."""
    _ = words(lang)
    return _("Refund {stars} ⭐ of {date}, used in part").format(
        stars=stars, date=f"{local(at):%d.%m.%Y}"
    )


def stars_back(lang: str, stars: int, *, failed: bool = True) -> Text:
    """To a person who paid; `failed`: for a video that could not be made."""
    _ = words(lang)
    back = _.plural(
        "{n} Star is on its way back to you.", "{n} Stars are on their way back to you.", stars
    )
    return message(
        "⭐",
        back.format(n=stars),
        _("They were paid for the video that could not be made.") if failed else None,
    )


def credit_too_low(lang: str, price: Decimal, credit: Decimal) -> str:
    """Why nothing was ordered: the credit is too low."""
    _ = words(lang)
    return _(
        "This video costs {price}, and you have {credit}. Buy more with /buy, then press again."
    ).format(price=_.price(price), credit=_.price(credit))


def intake_held(lang: str) -> str:
    """To a person who orders while new orders are paused."""
    _ = words(lang)
    if not _.money:
        return _(
            "No new videos at the moment: we are working on the bot. Press again later. It does "
            "not count against your videos."
        )
    return _(
        "No new videos at the moment: we are working on the bot. Press again "
        "later. No money was taken."
    )


def photos_held(lang: str) -> str:
    """To a person who orders with a photo while such orders are paused."""
    _ = words(lang)
    if not _.money:
        return _(
            "Photos cannot be used at the moment. Press again later, or send the prompt without "
            "a photo. It does not count against your videos."
        )
    return _(
        "Photos cannot be used at the moment. Press again later, or send the prompt without "
        "a photo. No money was taken."
    )


def limit_reached(lang: str, cap: Cap, bound: Limit, seconds: float | None) -> str:
    """Why nothing was ordered, and when to try again; `seconds` until the cap resets."""
    _ = words(lang)
    limit = []
    if bound.videos:
        limit.append(_.plural("{n} video", "{n} videos", bound.videos).format(n=bound.videos))
    if bound.roubles and _.money:
        limit.append(_.price(Decimal(bound.roubles)))
    own: dict[Cap, str] = {}
    if not limit:
        # A limit in roubles, to somebody who sees no prices.
        at_once = _("You have reached your limit. Press again when one of your videos is ready.")
        today = _(
            "You have reached today's limit. Press again in {duration}, when a new day begins."
        )
        own = {
            Cap.USER_AT_ONCE: at_once, Cap.USER_PER_DAY: today,
            Cap.GROUP_AT_ONCE: at_once, Cap.GROUP_PER_DAY: today, Cap.GROUP_ALLOWANCE: today,
        }  # fmt: skip
    what = (
        own.get(cap)
        or {
            Cap.USER_AT_ONCE: _(
                "You have reached the limit of videos at once ({limit}). Press again "
                "when one of them is ready."
            ),
            Cap.USER_PER_DAY: _(
                "You have reached today's limit ({limit} a day). Press again in "
                "{duration}, when a new day begins."
            ),
            Cap.GROUP_AT_ONCE: _(
                "This group has reached its limit of videos at once ({limit}). Press again "
                "when one of them is ready."
            ),
            Cap.GROUP_PER_DAY: _(
                "This group has reached today's limit ({limit} a day). Press again in "
                "{duration}, when a new day begins."
            ),
            Cap.GROUP_ALLOWANCE: _(
                "This group has used what its admins allow it ({limit} a day). Press again in "
                "{duration}, when a new day begins."
            ),
            Cap.GLOBAL_AT_ONCE: _(
                "Too many videos are in progress at the moment. Press again in a few minutes."
            ),
            Cap.GLOBAL_PER_DAY: _(
                "The bot has reached its limit for today. Press again in {duration}, "
                "when a new day begins."
            ),
        }[cap]
    )
    # Rounded up to a whole minute: a slightly early press would be refused again.
    minutes = 60 * -int(-(seconds or 0) // 60)
    told = what.format(limit=" · ".join(limit), duration=_.duration(minutes))
    if not _.money:
        return told
    return told + " " + _("No money was taken.")
