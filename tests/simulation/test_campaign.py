"""A campaign sums up its lives, also when it is interrupted, and leaves no files behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation import campaign, life
from tests.simulation.campaign import Plan, Tally, kind_of, run
from tests.simulation.life import Result

PLAN = Plan(seed=21, jobs=1, orders=2, seconds=60.0, total=4)


def broken(*violations: str) -> Result:
    return Result(
        seed=1,
        orders=2,
        faults=("commit#3 kill", "net sendVideo#2 torn"),
        violations=violations,
        digest="",
        events=1,
        seconds=1.0,
        deliveries=1,
        doubts=0,
    )


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("commit#41 kill", "kill"),
        ("statement#7 i/o error", "i/o error"),
        ("net sendVideo#2 reset_after", "reset_after"),
        ("outage#1 of provider, page_before, 25 s", "outage of provider"),
        ("top-up#3", "top-up"),
        ("restart", "restart"),
    ],
)
def test_faults_are_counted_by_kind(fault: str, kind: str) -> None:
    assert kind_of(fault) == kind


def test_a_campaign_lives_until_it_has_its_orders_and_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(life, "ROOT", tmp_path)
    tally, is_whole = run(PLAN, lambda words: None)
    assert is_whole
    assert (tally.summary.lives, tally.summary.orders) == (2, 4)
    assert tally.summary.seconds > 0
    assert tally.peak > 0
    assert "charged twice: 0; lost: 0" in tally.text()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_campaign_tells_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Tally, result: Result, cpu: float, peak: int) -> None:
        add(self, result, cpu, peak)
        raise KeyboardInterrupt

    add = Tally.add
    monkeypatch.setattr(Tally, "add", interrupt)
    tally, is_whole = run(PLAN, lambda words: None)
    assert not is_whole
    assert tally.summary.lives == 1


def test_a_line_is_printed_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "REPORT_SECONDS", 0.0)
    said: list[str] = []
    run(PLAN, said.append)
    assert len(said) == 2
    assert "4 orders" in said[1]


def test_a_broken_life_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def live(seed: int, *, orders: int) -> Result:
        return replace(broken("order-1 was charged 2 times"), seed=seed)

    monkeypatch.setattr(campaign, "live", live)
    said: list[str] = []
    run(replace(PLAN, total=2), said.append)
    assert said == ["BROKEN: seed 21: order-1 was charged 2 times"]


def test_a_search_ends_with_the_first_life_that_is_broken_as_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def live(seed: int, *, orders: int) -> Result:
        return replace(broken("was lost" if seed < 23 else "was charged"), seed=seed)

    monkeypatch.setattr(campaign, "live", live)
    tally, is_whole = run(replace(PLAN, total=100, wanted="was charged"), lambda words: None)
    assert is_whole
    assert [one.seed for one in tally.summary.broken] == [21, 22, 23]


def test_lives_that_break_the_first_two_promises_are_counted() -> None:
    tally = Tally()
    tally.add(broken("order-1 was charged 2 times"), 1.0, 100)
    tally.add(broken("order-2 (text) has no card"), 1.0, 200)
    tally.add(broken(), 1.0, 150)
    assert "charged twice: 1; lost: 1" in tally.text()
    assert "3 kill, 3 torn" in tally.text()
    assert tally.peak == 200
    assert len(tally.summary.broken) == 2
