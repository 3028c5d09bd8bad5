"""The report of a benchmark: a table on the terminal, JSON and a picture in docs/bench.

It must not know what was measured.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

OUT = Path(__file__).parents[2] / "docs" / "bench"

Row = Mapping[str, object]
"""One line of a table: what each column says."""


@dataclass(frozen=True)
class Goal:
    """A figure, and what it should not be above (`least`: not below)."""

    what: str
    value: float
    bound: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.least else self.value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.least else "≤"
        verdict = "met" if self.met else "NOT MET"
        return f"{verdict:8} {self.what}: {self.value:g}{self.unit} ({sign} {self.bound:g})"


def table(rows: Sequence[Row]) -> str:
    """Text on the left, numbers on the right."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[name.replace("_", " ") for name in columns]]
    cells += [[_cell(row.get(name, "")) for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    right = [any(isinstance(row.get(name), int | float) for row in rows) for name in columns]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_the_right else text.ljust(width)
            for text, width, to_the_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )


def publish(
    name: str,
    rows: Sequence[Row],
    *,
    goals: Sequence[Goal] = (),
    picture: str = "",
    **facts: object,
) -> None:
    """Prints the table and the goals; writes NAME.json and, if there is one, NAME.svg."""
    print(table(rows))
    for goal in goals:
        print(goal)
    report = {
        "command": " ".join(["python -m tests.bench." + name, *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        **facts,
        "rows": list(rows),
    }
    if goals:
        report["goals"] = [asdict(goal) | {"met": goal.met} for goal in goals]
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    if picture:
        (OUT / f"{name}.svg").write_text(picture, encoding="utf-8")


def bars(title: str, values: Mapping[str, float], *, ours: str = "ours") -> str:
    """A picture of one bar each; those whose name begins with `ours` stand out."""
    longest, height = max(values.values()), 46 + 30 * len(values)
    lines = "".join(
        f'<text x="330" y="{62 + 30 * i}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="340" y="{46 + 30 * i}" width="{max(520 * value / longest, 1):.0f}" height="22"'
        f' fill="{"#c2410c" if name.startswith(ours) else "#64748b"}"/>'
        f'<text x="{348 + 520 * value / longest:.0f}" y="{62 + 30 * i}">{value:,.6g}</text>'
        for i, (name, value) in enumerate(values.items())
    )
    return svg(960, height, f'<text x="16" y="26">{escape(title)}</text>{lines}')


def svg(width: int, height: int, inside: str) -> str:
    """A picture on white, with the letters of all our pictures."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="14"'
        f' font-family="sans-serif"><rect width="{width}" height="{height}" fill="#fff"/>'
        f"{inside}</svg>\n"
    )


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
