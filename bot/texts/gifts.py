"""Texts about gifts: promo codes, referral links, videos of an admin, a group's allowance.

It must not know how a gift is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from aiogram.utils.formatting import Code, Text

from bot.core.gifts import FRIEND_DAYS, Gift
from bot.texts.formatting import message
from bot.texts.i18n import Words, fill, words


def named(lang: str, gift: Gift) -> str:
    """3 videos, or 100 ₽ for videos; who sees no money reads of no sum."""
    _ = words(lang)
    if gift.videos:
        return _.plural("{n} video", "{n} videos", gift.videos).format(n=gift.videos)
    return _.price(gift.credit) if _.money else _("a top-up")


def _have(_: Words, videos: int, credit: Decimal | None = None) -> str | None:
    """What is there now; None: nothing worth a line."""
    have = []
    if videos > 0:
        have.append(_.plural("{n} gift video", "{n} gift videos", videos).format(n=videos))
    if credit and _.money:
        have.append(_.price(credit))
    return _("🎟 You have {what}.").format(what=" · ".join(have)) if have else None


def _use(_: Words, gift: Gift, sold: bool) -> str | None:
    """How gift videos are used."""
    if not gift.videos:
        return None
    if sold and _.money:
        return _("Gift videos are used before your balance, one for each video you order.")
    return _("Gift videos come on top of your videos of a day, and do not expire.")


# --- promo codes -----------------------------------------------------------------------------


def redeemed(lang: str, gift: Gift, videos: int, credit: Decimal, *, sold: bool) -> Text:
    """To a person whose code worked; `videos` and `credit`: what they have now."""
    _ = words(lang)
    return message(
        "🎁",
        _("The code works. You have got: {gift}").format(gift=named(lang, gift)),
        _have(_, videos, credit),
        _use(_, gift, sold),
        _("Now describe what should happen in the video."),
    )


def promo_refused(lang: str, why: str, videos: int = 0, credit: Decimal | None = None) -> Text:
    """`why`: already, expired, used_up or unknown."""
    _ = words(lang)
    reasons = {
        "already": _("You have used this code: it counts once for each person."),
        "expired": _("This code does not work any more."),
        "used_up": _("This code has been used up: it was for a limited number of people."),
        "unknown": _("There is no such code. Check each letter, or open the link again."),
    }
    return message("🎁", reasons[why], _have(_, videos, credit))


def promo_usage(lang: str) -> Text:
    _ = words(lang)
    return message("🎁", _("A promo code"), _("Send the code after the command: /promo WINTER."))


def promo_made(
    lang: str, code: str, link: str, people: int, gift: Gift, seconds: float, *, sold: bool
) -> Text:
    """To the admin who made the code."""
    _ = words(lang)
    for_ = _.plural("For {n} person, {gift} each.", "For {n} people, {gift} each.", people).format(
        n=people, gift=named(lang, gift)
    )
    return message(
        "🎁",
        _("A promo code"),
        fill(_("Code: {code}, or the link:"), code=Code(code)),
        link,
        for_,
        _("Works for {duration}.").format(duration=_.duration(seconds)),
        _("It gives no access: a stranger still needs an invite."),
        _credit_note(_, gift, sold),
    )


def promo_taken(lang: str, code: str) -> Text:
    _ = words(lang)
    return message(
        "🎁",
        _("There is, or was, a code {code}.").format(code=code),
        _("Choose another one, so that nobody's old code works again."),
    )


def promo_making(lang: str) -> Text:
    """How an admin makes a code."""
    _ = words(lang)
    return message(
        "🎁",
        _("Making a promo code"),
        _("/promo 20 WINTER 3: for 20 people, 3 videos each."),
        _("/promo 20 WINTER 100₽: credit instead of videos, while Stars are on sale."),
        _("/promo 20 3: a random code. /promo 20 WINTER 3 14: it works for 14 days, not 30."),
        _("A code has 3 to 32 Latin letters, digits, - or _, and begins with a letter."),
        _("/promo lists the codes that work."),
    )


def promos(lang: str, rows: Sequence[tuple[str, Gift, int, int, float]]) -> Text:
    """Codes that work: code, gift, used, uses, seconds left; with a button for each."""
    _ = words(lang)
    return message(
        "🎁",
        _("Promo codes"),
        *(
            f"{number}. {code} · {named(lang, gift)} · {used}/{uses} · "
            + _("works for {duration}").format(duration=_.duration(60 * (seconds // 60)))
            for number, (code, gift, used, uses, seconds) in enumerate(rows, 1)
        ),
        None
        if rows
        else _("There are none. /promo 20 WINTER 3 makes one for 20 people, 3 videos each."),
        _("A revoked code gives nothing any more; what it gave stays.") if rows else None,
    )


# --- an admin gives ----------------------------------------------------------------------------


def gift_usage(lang: str) -> Text:
    _ = words(lang)
    return message(
        "🎁",
        _("Giving videos or credit"),
        _("/gift 123456 3 gives a person 3 videos, /gift @name 100₽ gives credit."),
        _("As a reply to their message, the number alone is enough."),
        _("Gift videos come on top of a person's limit of a day; with Stars on sale they are"
          " used before the balance."),
    )  # fmt: skip


def gifted(
    lang: str, user_id: int, gift: Gift, videos: int, credit: Decimal, *, sold: bool
) -> Text:
    """To the admin who gave something; `videos` and `credit`: what the person has now."""
    _ = words(lang)
    has = _("Gift videos now: {videos}, credit: {credit}.")
    return message(
        "🎁",
        _("ID {id} was given: {gift}").format(id=user_id, gift=named(lang, gift)),
        has.format(videos=videos, credit=_.price(credit)),
        _credit_note(_, gift, sold),
    )


def _credit_note(_: Words, gift: Gift, sold: bool) -> str | None:
    if not gift.roubles or sold:
        return None
    return _("It counts only while Stars are on sale; otherwise videos cost people nothing.")


def notice(lang: str, params: Mapping[str, object]) -> Text:
    """`why`: admin, welcome or friend (the bonus of a referral), or back (of a failed order)."""
    _ = words(lang)
    gift = Gift(videos=int(str(params["videos"])), roubles=int(str(params["roubles"])))
    heads = {
        "admin": _("You were given: {gift}"),
        "welcome": _("Your first video is here, so you get: {gift}"),
        "friend": _("Your friend has their first video. Thank you! You get: {gift}"),
        "back": _("Your gift video was not used up: it is yours again."),
    }
    head = heads[str(params["why"])].format(gift=named(lang, gift))
    return message("🎁", head, _have(_, int(str(params["have"]))))


# --- referrals -------------------------------------------------------------------------------


def friends(lang: str, link: str, bonus: Gift, count: int) -> Text:
    """A person's own referral link; `count`: friends who brought a bonus so far."""
    _ = words(lang)
    came = _.plural("So far {n} friend has come.", "So far {n} friends have come.", count)
    return message(
        "🤝",
        _("Invite a friend, and you both get: {gift}").format(gift=named(lang, bonus)),
        link,
        _("It counts when somebody who is new here opens the link and gets their first video "
          "within {days}.").format(days=_.days(FRIEND_DAYS)),
        came.format(n=count) if count else None,
    )  # fmt: skip


def friend_noted(lang: str, bonus: Gift) -> Text:
    """To an invited person."""
    _ = words(lang)
    return message(
        "🤝",
        _("A friend invited you"),
        _("With your first video you both get: {gift}.").format(gift=named(lang, bonus)),
    )


def friend_refused(lang: str, why: str) -> Text:
    """`why`: own, not_new or unknown."""
    _ = words(lang)
    reasons = {
        "own": _("This is your own link: send it to a friend."),
        "not_new": _(
            "The bonus is for people who are new here, and you have used this bot before."
        ),
        "unknown": _("This link does not work any more. You can use the bot without it."),
    }
    return message("🤝", reasons[why])


# --- a group's allowance -----------------------------------------------------------------------


def allowance(lang: str, videos: int | None, used: int, most: int | None = None) -> Text:
    """`videos` a day that all people of the group share, None: not set; `most`: the bot's own
    limit of this group."""
    _ = words(lang)
    set_ = None
    if videos is not None:
        set_ = _.plural(
            "The whole group may order {n} video a day.",
            "The whole group may order {n} videos a day.",
            videos,
        ).format(n=videos)
    bound = min((one for one in (videos, most) if one), default=None)
    left = (
        _("Today: {used} of {total}.").format(used=used, total=bound)
        if bound
        else _("Ordered today: {used}.").format(used=used)
    )
    return message(
        "👥",
        _("The videos of this group"),
        set_ or _("The admins of this group have set no limit for it."),
        _("The bot allows this group {n} a day.").format(n=most) if most else None,
        left,
        _("Admins of the group change it: /allowance 10, or /allowance off."),
    )


def allowance_too_high(lang: str, most: int) -> Text:
    _ = words(lang)
    return message("👥", _("The bot allows this group at most {n} videos a day.").format(n=most))


def allowance_not_admin(lang: str) -> Text:
    _ = words(lang)
    return message("👥", _("Only admins of this group can change what it may order."))


def allowance_in_private(lang: str) -> Text:
    _ = words(lang)
    return message(
        "👥",
        _("/allowance is for groups: it says how many videos the whole group may order a day."),
        _("Send it there."),
    )


def allowance_usage(lang: str, most: int) -> Text:
    _ = words(lang)
    return message(
        "👥",
        _("The videos of this group"),
        _("/allowance 10: the whole group may order 10 videos a day, at most {n}.").format(n=most),
        _("/allowance off: no limit for the group. /allowance shows what is left."),
    )
