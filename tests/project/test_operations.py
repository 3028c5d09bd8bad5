"""What docs/operations.md tells and compose.yaml starts is there, and is locked down."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core.alerts import AlertKind
from bot.settings import ADMIN_PORT
from bot.texts.admin import ALERTS, BUTTONS
from bot.texts.i18n import words

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RUSSIAN = (ROOT / "docs" / "operations.ru.md").read_text(encoding="utf-8")
PAGES = {"en": PAGE, "ru": RUSSIAN}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_down_limited_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert int(service["user"].split(":")[0]) > 0
    assert service["healthcheck"]["test"][0] == "CMD"
    for limit in ("mem_limit", "cpus", "pids_limit", "stop_grace_period", "restart"):
        assert service[limit], limit


def test_only_the_bot_starts_without_a_profile_and_waits_for_no_other() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["bot"]
    assert {name: s["profiles"] for name, s in SERVICES.items() if "profiles" in s} == {
        "worker": ["workers"],
        "postgres": ["postgres"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }
    assert SERVICES["bot"]["depends_on"]["postgres"]["required"] is False


def test_the_bot_has_one_volume_and_no_port_is_open_to_the_world() -> None:
    assert SERVICES["bot"]["volumes"] == ["data:/data"]
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_image_has_a_version_and_every_mounted_file_is_there() -> None:
    for service in SERVICES.values():
        if image := service.get("image"):
            assert re.search(r":v?\d", image)
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source
                assert volume.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", ["bot", "worker"])
def test_with_a_tunnel_health_has_a_separate_port(name: str) -> None:
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert SERVICES[name]["healthcheck"]["test"][-1] in image  # where it is tested
    assert f"127.0.0.1:{ADMIN_PORT}:{ADMIN_PORT}" in SERVICES["bot"]["ports"]


def test_prometheus_scrapes_the_bot_under_the_name_that_the_rules_know() -> None:
    ops = ROOT / "docs" / "ops"
    config = yaml.safe_load((ops / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = config["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["bot:8080"]
    rules = (ops / "alerts.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'job="([^"]+)"', rules)) == {job["job_name"]}
    mounted = [volume.split(":")[1] for volume in SERVICES["prometheus"]["volumes"]]
    assert set(config["rule_files"]) <= set(mounted)


def test_grafana_finds_its_dashboard_and_its_source() -> None:
    ops = ROOT / "docs" / "ops"
    dashboard = json.loads((ops / "grafana-dashboard.json").read_text(encoding="utf-8"))
    assert dashboard["panels"]
    provider = yaml.safe_load((ops / "grafana" / "dashboards.yml").read_text(encoding="utf-8"))
    folder = provider["providers"][0]["options"]["path"]
    assert any(f":{folder}/" in volume for volume in SERVICES["grafana"]["volumes"])
    source = yaml.safe_load((ops / "grafana" / "datasource.yml").read_text(encoding="utf-8"))
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


@pytest.mark.parametrize("lang", PAGES)
@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_that_the_bot_sends_is_explained(kind: AlertKind, lang: str) -> None:
    title = words(lang)(ALERTS[kind][0]).partition("{")[0].strip(" :")
    assert title in PAGES[lang]


def test_every_rule_of_prometheus_is_explained() -> None:
    rules = (ROOT / "docs" / "ops" / "alerts.yml").read_text(encoding="utf-8")
    names = re.findall(r"- alert: (\w+)", rules)
    assert names
    assert [name for name in names if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("lang", PAGES)
def test_every_command_and_button_that_the_page_names_exists(lang: str) -> None:
    source = (ROOT / "bot" / "__main__.py").read_text(encoding="utf-8")
    for command in set(re.findall(r"python -m bot (\w+)", PAGES[lang])):
        assert f'"{command}"' in source, command
    said = {words(lang)(text) for text in BUTTONS.values()}
    for button in re.findall(r"\*\*([^*]+)\*\*", PAGES[lang]):
        assert any(button in text for text in said), button
