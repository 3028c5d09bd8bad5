"""One life is the same life whenever and wherever it is lived."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.life import live

pytestmark = pytest.mark.campaign

ROOT = Path(__file__).parents[2]

_PRINT = """
from bot.runtime.lazy_aiogram import import_aiogram
import_aiogram()
from tests.simulation.life import live
for seed in (17, 18):
    print(live(seed, orders=5).digest)
"""


def test_a_seed_replays_the_same_life_to_the_last_event() -> None:
    first, again = live(12, orders=4), live(12, orders=4)
    assert first.events > 100
    assert again == first
    assert live(13, orders=4).digest != first.digest


def test_a_seed_replays_the_same_life_in_another_process() -> None:
    # The order of a set of strings differs between processes. These lives once depended on it.
    first, again = _digests(hash_seed=1), _digests(hash_seed=2)
    assert first == again
    assert len(set(first)) == 2


def _digests(*, hash_seed: int) -> list[str]:
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
    there = subprocess.run(
        [sys.executable, "-c", _PRINT], env=environment, capture_output=True, text=True, check=True
    )
    return there.stdout.split()
