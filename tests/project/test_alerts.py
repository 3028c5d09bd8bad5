"""The rules of Prometheus do what they say, tried by Prometheus's own tool."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OPS = ROOT / "docs" / "ops"
CASES = Path(__file__).with_name("alerts_test.yml")


def promtool(*argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run promtool from the PATH, or from where `make promtool` puts it."""
    program = shutil.which("promtool") or shutil.which(
        "promtool", path=str(Path(sys.executable).parent)
    )
    if program is None:
        pytest.skip("promtool is not here: `make promtool`, or install the package `prometheus`")
    return subprocess.run(
        [program, *argv], cwd=folder, capture_output=True, text=True, check=False
    )


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((OPS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_promtool_agrees_with_every_case(tmp_path: Path) -> None:
    for file in (CASES, OPS / "alerts.yml"):
        shutil.copy(file, tmp_path)
    ran = promtool("test", "rules", CASES.name, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_rule_has_a_case_with_an_alert_and_one_without() -> None:
    cases = [
        case
        for test in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == names


def test_prometheus_accepts_the_configuration(tmp_path: Path) -> None:
    text = (OPS / "prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(
        text.replace("/etc/prometheus/alerts.yml", "alerts.yml"), encoding="utf-8"
    )
    shutil.copy(OPS / "alerts.yml", tmp_path)
    ran = promtool("check", "config", "prometheus.yml", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


UNITS = {
    "roubles": {"currencyRUB"},
    "bytes": {"bytes"},
    "cpu_seconds": {"percentunit"},
    "_seconds": {"s"},
    "rate(": {"reqps", "percentunit", "s"},
}
"""A part of a query, and the units that its panel may have; the first that fits decides."""


def panels() -> list[dict[str, Any]]:
    board = json.loads((OPS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = board["panels"]
    return found


def test_every_panel_has_the_unit_of_what_it_shows() -> None:
    for panel in panels():
        unit = panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            allowed = next(
                (units for part, units in UNITS.items() if part in target["expr"]), {"short"}
            )
            assert unit in allowed, panel["title"]


def test_failures_and_spend_are_beside_each_other_and_no_panels_overlap() -> None:
    places = {panel["title"]: panel["gridPos"] for panel in panels()}
    [failures] = [place for title, place in places.items() if title.startswith("Failures an hour")]
    [spend] = [place for title, place in places.items() if title.startswith("Spend an hour")]
    assert failures["y"] == spend["y"]
    assert {failures["x"], spend["x"]} == {0, 12}
    cells = [
        (x, y)
        for place in places.values()
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
