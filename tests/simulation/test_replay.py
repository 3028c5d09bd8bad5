"""One life is the same life whenever and wherever it is lived."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.life import live

ROOT = Path(__file__).parents[2]

_PRINT = """
from bot.runtime.lazy_aiogram import import_aiogram
import_aiogram()
from tests.simulation.life import live
print(live({seed}, orders={orders}).digest)
"""


def test_a_seed_replays_the_same_life_to_the_last_event() -> None:
    first, again = live(12, orders=4), live(12, orders=4)
    assert first.events > 100
    assert again == first
    assert live(13, orders=4).digest != first.digest


def test_a_seed_replays_the_same_life_in_another_process() -> None:
    here = live(14, orders=3)
    code = _PRINT.format(seed=14, orders=3)
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    there = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here.digest
