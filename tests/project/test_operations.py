"""What docs/operations.md tells and compose.yaml starts is there, and is locked down."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.__main__ import WRONG_SETTINGS
from bot.core.alerts import AlertKind
from bot.runtime.supervisor import STOP_SECONDS
from bot.setting_names import OF_OTHERS
from bot.settings import ADMIN_PORT, Settings
from bot.telegram import webhook
from bot.texts.admin import BUTTONS
from bot.texts.alerts import ALERTS
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
        assert service["init"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_only_the_variables_that_it_needs(name: str) -> None:
    """.env as a whole is for the bot alone, without what is there for others."""
    service = SERVICES[name]
    given = service.get("environment", {})
    if "build" in service:
        assert service["env_file"] == ".env"
        assert {key for key, value in given.items() if value == ""} == OF_OTHERS - {"LEAN"}
        return
    assert "env_file" not in service
    used = set(re.findall(r"\$\{(\w+)", json.dumps(given)))
    assert used == {"postgres": {"POSTGRES_PASSWORD"}, "grafana": {"GRAFANA_PASSWORD"}}.get(
        name, set()
    )


@pytest.mark.parametrize(("word", "code"), [("", 1), ("secret", 0)])
def test_grafana_does_not_start_with_an_empty_password(
    word: str, code: int, tmp_path: Path
) -> None:
    [shell, option, script] = SERVICES["grafana"]["entrypoint"]
    script = script.replace("$$", "$").replace("exec /run.sh", "exec true")
    ran = subprocess.run(
        [shell, option, script],
        env={"GF_SECURITY_ADMIN_PASSWORD": word}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == code
    assert ("GRAFANA_PASSWORD" in ran.stderr) == bool(code)


def test_secrets_as_files_are_read_by_the_settings_that_are_made_for_them() -> None:
    text = (ROOT / "docs" / "ops" / "compose.secrets.yaml").read_text(encoding="utf-8")
    example = yaml.safe_load(text)
    for name, service in example["services"].items():
        assert "build" in SERVICES[name]
        for setting, path in service["environment"].items():
            assert setting.lower() in Settings.model_fields
            assert path.removeprefix("/run/secrets/") in service["secrets"]
        assert set(service["secrets"]) == set(example["secrets"])


def test_the_lowest_version_of_compose_is_said() -> None:
    for text in ((ROOT / "compose.yaml").read_text(encoding="utf-8"), *PAGES.values()):
        assert "2.20.2" in text  # where depends_on learnt `required`


# -- in front of the bot, and around it ----------------------------------------------------------


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_a_proxy_passes_only_frames_and_the_webhook(name: str) -> None:
    text = (ROOT / "docs" / "ops" / name).read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    paths = set(re.findall(r"(/[a-z]+)(?:/\*?)?(?= |$|\n)", "\n".join(
        line for line in text.splitlines() if "@public path" in line or "location" in line
    )))  # fmt: skip
    assert paths - {"/"} == {"/frames", webhook.PATH}
    assert "404" in text
    assert text.count("{") == text.count("}")


SYSTEMD = ROOT / "docs" / "ops" / "systemd"


@pytest.mark.parametrize("name", ["video-bot.service", "video-bot-backup.service"])
def test_a_unit_of_systemd_is_hardened(name: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: it comes with systemd")
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(SYSTEMD / name)],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_PAGER": "cat"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_units_start_with_the_machine_and_after_the_network() -> None:
    def unit(name: str) -> dict[str, str]:
        lines = (SYSTEMD / name).read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")

    bot, backup = unit("video-bot.service"), unit("video-bot-backup.service")
    assert bot["WantedBy"] == "multi-user.target"
    assert "network-online.target" in bot["After"].split()
    assert bot["Wants"] == "network-online.target"
    assert bot["ExecStart"].endswith("-m bot")
    assert int(bot["TimeoutStopSec"]) > STOP_SECONDS
    assert int(bot["RestartPreventExitStatus"]) == WRONG_SETTINGS
    assert unit("video-bot-backup.timer")["WantedBy"] == "timers.target"
    command = backup["ExecStart"].partition(" -m bot ")[2]
    assert f"python -m bot {command}" in PAGE  # the same as by hand


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
    assert SERVICES[name]["environment"]["ADMIN_HTTP_PORT"] == str(ADMIN_PORT)
    assert any(port.endswith(f":{ADMIN_PORT}") for port in SERVICES["bot"]["ports"])


def test_prometheus_scrapes_the_bot_under_the_name_that_the_rules_know() -> None:
    ops = ROOT / "docs" / "ops"
    config = yaml.safe_load((ops / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = config["scrape_configs"]
    [found] = job["dns_sd_configs"]
    # Every service that runs the bot, at the port that compose.yaml gives each.
    assert set(found["names"]) == {name for name, one in SERVICES.items() if "build" in one}
    for name in found["names"]:
        assert SERVICES[name]["environment"]["ADMIN_HTTP_PORT"] == str(found["port"])
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


KUBERNETES = list(
    yaml.safe_load_all((ROOT / "docs" / "ops" / "kubernetes.yml").read_text(encoding="utf-8"))
)


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in KUBERNETES if one["kind"] == kind]


def problems_of(manifest: dict[str, Any]) -> list[str]:
    """Compare with Kubernetes' own definitions, in which an unknown field is an error."""
    # Its import takes seconds, which every worker of pytest-xdist would wait for.
    import jsonschema  # type: ignore[import-untyped]

    schema = json.loads(
        Path(__file__).with_name("kubernetes.schema.json").read_text(encoding="utf-8")
    )
    root = {"$ref": f"#/$defs/{schema['kinds'][manifest['kind']]}"}
    checker = jsonschema.Draft202012Validator({**root, "$defs": schema["$defs"]})
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(manifest)]


def test_the_file_for_kubernetes_keeps_to_its_schema() -> None:
    assert [one["kind"] for one in KUBERNETES] == [
        "Secret", "Service", "Deployment", "Deployment"
    ]  # fmt: skip
    for manifest in KUBERNETES:
        assert problems_of(manifest) == []


def test_the_schema_notices_a_misspelt_field_and_a_wrong_type() -> None:
    wrong = copy.deepcopy(of_kind("Deployment")[0])
    wrong["spec"]["replicas"] = "one"
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    found = "\n".join(problems_of(wrong))
    assert "replicas" in found
    assert "livenesProbe" in found


def test_kubernetes_runs_one_deployment_for_each_role_with_one_secret() -> None:
    [secret] = of_kind("Secret")
    assert all(name.lower() in Settings.model_fields for name in secret["stringData"])
    roles = {}
    for deployment in of_kind("Deployment"):
        template = deployment["spec"]["template"]
        assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        [container] = template["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"]}
        assert all(name.lower() in Settings.model_fields for name in given)
        roles[given["ROLE"]] = template["metadata"]["labels"]
        assert container["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert str(ports["admin"]) == given["ADMIN_HTTP_PORT"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            [action] = [container[probe][kind] for kind in ("httpGet", "tcpSocket")
                        if kind in container[probe]]  # fmt: skip
            assert action["port"] == "admin"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert template["spec"]["terminationGracePeriodSeconds"] > STOP_SECONDS
    assert set(roles) == {"intake", "worker"}
    [service] = of_kind("Service")
    assert service["spec"]["selector"] == roles["intake"]
