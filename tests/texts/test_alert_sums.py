"""Sums in alerts have the format of the reader's language."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot import texts
from bot.core.alerts import AlertKind
from bot.core.balance import Finding


@pytest.mark.parametrize(
    ("lang", "sum_"), [("en", "1,012.50"), ("ru", "1\N{NO-BREAK SPACE}012,50")]
)
@pytest.mark.parametrize("kind", [AlertKind.LOW_BALANCE, AlertKind.CHARGED_FAILURES])
def test_roubles_of_an_alert_are_written_as_the_language_does(
    lang: str, sum_: str, kind: AlertKind
) -> None:
    params = {"alert": kind.value, "roubles": "1012.50", "threshold": 100, "count": 5}
    day = texts.admin.Today(
        ordered=0, delivered=0, failed=0, unknown=0, undeliverable=0, queued=0, making=0,
        spent=Decimal(0), stars=0, asked=0, alerts=[(kind, params)], held=[],
    )  # fmt: skip
    for text in (texts.alerts.alert(lang, params), texts.admin.today(lang, day)):
        said, _ = text.render()
        assert f"{sum_} ₽" in said


@pytest.mark.parametrize("finding", [Finding.READING, Finding.UNREAD])
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_a_balance_that_was_never_read_has_no_dashes(lang: str, finding: Finding) -> None:
    params = {"before": "", "after": "", "finding": finding.value, "price": "17"}
    said = texts.balance.of_params(lang, params)
    assert "—" not in said
    assert said.startswith("💰")
