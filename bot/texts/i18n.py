"""Languages: gettext catalogs, numbers, durations and prices as each language writes them.

It must not know any text: texts are in `bot.texts` and `bot/texts/locales`.
"""

from __future__ import annotations

import gettext
import io
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

from aiogram.utils.formatting import Text
from aiogram.utils.i18n import I18n
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

from bot.core.task import TaskKind
from bot.texts.audience import shows_money
from bot.texts.subject import subject
from bot.texts.zone import local

LANGUAGES = ("en", "ru")
LOCALES = Path(__file__).parent / "locales"

PICTURE = TaskKind.PICTURE.value
"""The context of messages about a picture (bot/texts/subject.py)."""

# Languages of countries where most people read Russian; everybody can choose another language.
_READ_RUSSIAN = frozenset({"ru", "be", "uk", "kk", "ky", "tg", "tt", "uz"})


def language_of(code: str | None) -> str:
    """Return the bot's language for a Telegram `language_code` ("pt-br", "ru" or None)."""
    return "ru" if code and code.lower().split("-")[0] in _READ_RUSSIAN else "en"


class Catalogs(I18n):
    """aiogram's I18n, reading the `.po` files directly: nothing has to be compiled."""

    def find_locales(self) -> dict[str, gettext.GNUTranslations]:
        found = {}
        for po in sorted(self.path.glob(f"*/LC_MESSAGES/{self.domain}.po")):
            locale = po.parent.parent.name
            mo = io.BytesIO()
            with po.open("rb") as file:
                write_mo(mo, read_po(file, locale=locale, abort_invalid=True))
            mo.seek(0)
            found[locale] = gettext.GNUTranslations(mo)
        return found


@cache
def catalogs() -> Catalogs:
    """Read the catalogs once per process."""
    return Catalogs(path=LOCALES)


def fill(template: str, **values: Any) -> Text:
    """Return `template` with its {fields} replaced by texts or by formatted pieces."""
    pieces: list[Any] = []
    for literal, field, _, _ in Formatter().parse(template):
        if literal:
            pieces.append(literal)
        if field is not None:
            pieces.append(values[field])
    return Text(*pieces)


class Words:
    """The texts of one language; the methods `_` and `plural` have the names that babel's
    extractor expects.
    """

    def __init__(self, lang: str) -> None:
        self.lang = lang if lang in LANGUAGES else LANGUAGES[0]

    def __call__(self, message: str) -> str:
        if subject() is TaskKind.PICTURE:
            # gettext returns the message itself when the context has no entry for it
            found = self._catalog.pgettext(PICTURE, message)
            if found != message:
                return found
        return catalogs().gettext(message, locale=self.lang)

    def plural(self, one: str, many: str, n: int) -> str:
        """Return the index of the plural form that this language uses with `n`."""
        if subject() is TaskKind.PICTURE:
            found = self._catalog.npgettext(PICTURE, one, many, n)
            if found not in (one, many):
                return found
        return catalogs().gettext(one, many, n, locale=self.lang)

    @property
    def _catalog(self) -> gettext.NullTranslations:
        return catalogs().locales[self.lang]

    @property
    def money(self) -> bool:
        """Whether the reader pays, and so is told about prices and money."""
        return shows_money()

    def price(self, roubles: Decimal) -> str:
        """17 ₽, 6.80 ₽; kopecks only when there are any."""
        pattern = "#,##0" if roubles == roubles.to_integral_value() else "#,##0.00"
        return f"{format_decimal(roubles, format=pattern, locale=self.lang)}\N{NO-BREAK SPACE}₽"

    def kopecks(self, roubles: Decimal) -> str:
        """17.00 ₽: always with kopecks, for sums to compare."""
        said = format_decimal(roubles, format="#,##0.00", locale=self.lang)
        return f"{said}\N{NO-BREAK SPACE}₽"

    def day(self, when: datetime) -> str:
        """12 May 2026; 12 мая 2026."""
        return format_date(local(when), "d MMMM y", locale=self.lang)

    def days(self, number: int) -> str:
        """90 days; 91 день."""
        return format_unit(number, "duration-day", length="long", locale=self.lang)

    def duration(self, seconds: float) -> str:
        """45 seconds; 1 minute 20 seconds; 2 hours 5 minutes; 3 days 4 hours, from two days on."""
        return _duration(self.lang, max(0, round(seconds)))


@lru_cache(maxsize=1000)
def _duration(lang: str, seconds: int) -> str:
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        parts = [("hour", hours), ("minute", minutes), ("second", 0 if hours else left)]
    else:
        parts = [("day", hours // 24), ("hour", hours % 24)]
    said = [
        format_unit(n, f"duration-{unit}", length="long", locale=lang) for unit, n in parts if n
    ]
    return " ".join(said) or format_unit(0, "duration-second", locale=lang)


@cache
def words(lang: str) -> Words:
    """Return the texts of `lang`, or English for an unknown language."""
    return Words(lang)
