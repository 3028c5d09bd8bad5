"""The arithmetic of docs/scale.md holds in the simulation, and the page tells its figures."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.bench.meters import quantile
from tests.bench.paper import Deployment, DurationDistribution, edits, off, simulate

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def distribution() -> DurationDistribution:
    return DurationDistribution(random.Random(7))


def test_a_sufficient_deployment_matches_the_arithmetic(
    distribution: DurationDistribution,
) -> None:
    deployment = Deployment("copes", 100_000, 2, 250)
    hour = simulate(deployment, distribution, random.Random(7), 1200.0)
    assert off(deployment, distribution, hour) < 0.08
    assert quantile(hour.telegram, 0.95) < 1


def test_calls_beyond_telegrams_rate_wait_longer_and_longer(
    distribution: DurationDistribution,
) -> None:
    deployment = Deployment("too much for one bot", 400_000, 8, 1000)
    short, long = (
        quantile(simulate(deployment, distribution, random.Random(7), seconds).telegram, 0.95)
        for seconds in (300.0, 900.0)
    )
    assert 60 < short < long


def test_too_few_slots_make_people_wait(distribution: DurationDistribution) -> None:
    enough, few = (
        quantile(
            simulate(
                Deployment("", 20_000, 1, slots), distribution, random.Random(7), 3600.0
            ).queued,
            0.95,
        )
        for slots in (60, 20)
    )
    assert enough < 5 < 60 < few


def test_status_edits_grow_rarer() -> None:
    times = list(edits(200.0))
    waits = [round(after - before, 6) for before, after in pairwise(times)]
    assert waits == sorted(waits)
    assert max(waits) <= 30


def test_the_page_has_the_figures_of_the_report() -> None:
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    report = json.loads((DOCS / "bench" / "paper.json").read_text(encoding="utf-8"))
    for row in report["rows"]:
        line = next(
            line for line in page.splitlines() if line.startswith(f"| {row['deployment']} |")
        )
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        assert cells == [
            f"{value:,}" if isinstance(value, int | float) else value
            for name, value in row.items()
            if name != "deployment"
        ]
