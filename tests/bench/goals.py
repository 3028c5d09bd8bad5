"""The table of all goals in docs/performance.md, from the reports in docs/bench.

    python -m tests.bench.goals      writes it anew; `make bench` does at its end

It must not know what was measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.bench.report import OUT

PAGE = OUT.parent / "performance.md"
BEGIN, END = "<!-- goals: begin -->\n", "<!-- goals: end -->\n"


def table() -> str:
    """Return a row for each goal of each report, with the command that measures it."""
    rows = [
        "| figure | ours | limit | met | command | date |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted(OUT.glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        rows += [_row(path, report, goal) for goal in report.get("goals", ())]
    return "\n".join(rows) + "\n"


def _row(path: Path, report: dict[str, Any], goal: dict[str, Any]) -> str:
    sign, unit = "≥" if goal["least"] else "≤", goal["unit"]
    met = "yes" if goal["met"] else "**no**"
    return (
        f"| {goal['what']} | {goal['value']:.6g}{unit} | {sign} {goal['bound']:g} | {met} "
        f"| `{path.stem}` | {report['date']} |"
    )


def page() -> str:
    """Return the text of docs/performance.md with the current table."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
