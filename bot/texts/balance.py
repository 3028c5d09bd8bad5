"""The balance around an order whose answer was lost, in one line for an admin. See bot/texts.

It must not know where it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.core.alerts import Params
from bot.core.balance import Finding, Trail, params_of
from bot.texts.formatting import N_
from bot.texts.i18n import words

CONCLUSIONS: Mapping[Finding, str] = {
    Finding.READING: N_("it is being read again."),
    Finding.UNREAD: N_("it could not be read, so a person has to look."),
    Finding.SHARED: N_("other orders were sent meanwhile, so it proves nothing."),
    Finding.UNSTEADY: N_("it changed again a minute later, so it proves nothing."),
    Finding.SAME: N_("no change, so this order was probably not charged."),
    Finding.PRICE: N_("{less} less, which is this order's price."),
    Finding.OTHER: N_("{less} less; this order's price is {price}."),
}
MORE = N_("{more} more; this order's price is {price}.")


def line(lang: str, trail: Trail) -> str:
    """Before 1,234.00 ₽, after 1,217.00 ₽: 17.00 ₽ less, which is this order's price."""
    return of_params(lang, params_of(trail))


def of_params(lang: str, params: Params) -> str:
    """The same, from the parameters of an alert (bot.core.balance.params_of)."""
    _ = words(lang)
    before, after = _roubles(params["before"]), _roubles(params["after"])
    finding = Finding(str(params["finding"]))
    less = before - after if before is not None and after is not None else Decimal(0)
    says = MORE if finding is Finding.OTHER and less < 0 else CONCLUSIONS[finding]
    conclusion = _(says).format(
        less=_.kopecks(less), more=_.kopecks(-less), price=_.kopecks(Decimal(str(params["price"])))
    )
    if before is None and after is None:
        return _("💰 Balance: {conclusion}").format(conclusion=conclusion)
    return _("💰 Balance before the order {before}, after it {after}: {conclusion}").format(
        before="—" if before is None else _.kopecks(before),
        after="—" if after is None else _.kopecks(after),
        conclusion=conclusion,
    )


def _roubles(value: object) -> Decimal | None:
    return Decimal(str(value)) if value else None
