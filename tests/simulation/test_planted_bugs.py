"""The simulation finds what is wrong: a check that cannot fail proves nothing.

`make simulate ARGS=selftest` plants all of them; here are those of each kind that take seconds.
"""

from __future__ import annotations

import itertools

import pytest

from bot.jobs.steps.submit import Submit
from storage.breaker import BreakerStore
from tests.crash import seeded_bugs
from tests.simulation.bugs import BUGS, FOUND_AS, OF_CAMPAIGN, planted
from tests.simulation.search import breaks, search, shrink

pytestmark = pytest.mark.campaign

CPU_SECONDS = 60.0


@pytest.mark.parametrize(
    ("bug", "first_seed"),
    [
        ("no-breaker", 1),
        ("repost", 1),
        ("probe-costs-money", 1),
        ("confirmed-unsaved", 1),
        ("gate-without-back-off", 1),
        ("questions-without-back-off", 12),
        ("every-task-asks", 44),
    ],
)
def test_a_planted_bug_is_found_within_a_minute(bug: str, first_seed: int) -> None:
    with planted(bug):
        seen = search(itertools.count(first_seed), seconds=CPU_SECONDS, wanted=FOUND_AS[bug])
    assert any(breaks(life, FOUND_AS[bug]) for life in seen.broken), seen.text()


def test_a_broken_life_shrinks_to_few_orders_and_faults() -> None:
    words = FOUND_AS["repost"]
    with planted("repost"):
        # The life of seed 2 is broken only by four faults together.
        seen = search(itertools.count(3), seconds=CPU_SECONDS, orders=16, wanted=words)
        found = next(life for life in seen.broken if breaks(life, words))
        short = shrink(found, words, tries=25)
    assert breaks(short, words)
    assert short.seed == found.seed
    assert set(short.faults) <= set(found.faults)
    assert (short.orders, len(short.faults)) <= (found.orders, len(found.faults))
    assert len(short.faults) <= 3


def test_every_bug_of_the_campaign_is_planted_here_but_that_of_postgresql() -> None:
    assert set(seeded_bugs.BUGS) - set(OF_CAMPAIGN) == {"no-skip-locked"}
    assert set(FOUND_AS) == set(BUGS)


def test_a_planted_bug_is_taken_out_again() -> None:
    before = BreakerStore.open, Submit._create
    for bug in BUGS:
        with planted(bug):
            pass
    assert (BreakerStore.open, Submit._create) == before
