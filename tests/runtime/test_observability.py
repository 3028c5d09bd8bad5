"""What an operator sees from outside: metrics, readiness, log lines, Sentry. Never a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bot import __version__
from bot.core.errors import ProviderBusy, StorageUnavailable, TelegramLater
from bot.core.task import Reason, TaskState
from bot.operator.metrics_endpoint import MetricsEndpoint
from bot.runtime import logs, metrics, sentry
from bot.runtime.health import Health
from bot.runtime.http_server import HttpServer
from storage import IncomingUpdate, Storage, journal, open_storage
from tests.support.databases import with_tables
from tests.support.factories import task_in

ROOT = Path(__file__).parents[2]
OPS = ROOT / "docs" / "ops"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOKEN = "7100200300:AAcanary-token-0123456789abcdefghij"
WORD = 'canary "pass" \\ word'
PROMPT = "canary prompt of a person"


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


# -- metrics -------------------------------------------------------------------------------------


class Balance:
    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def __call__(self) -> Decimal:
        self.asked += 1
        if self.away:
            raise ProviderBusy("no connection")
        metrics.balance(77.5)
        return Decimal("77.5")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(with_tables(tmp_path / "bot.db")) as opened:
        yield opened


@pytest.fixture
def balance() -> Balance:
    return Balance()


async def serving(storage: Storage, balance: Balance, token: str) -> AsyncIterator[Any]:
    async def no_frame(token: str) -> None:
        return None

    health = Health(storage.database.writable)
    scrape = MetricsEndpoint(storage, balance, clock=lambda: NOON, token=token)
    server = HttpServer(
        "127.0.0.1", 0, frames=no_frame, health=health.report, routes=scrape.routes
    )
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client, health
    await server.stop()


@pytest.fixture
async def open_app_harness(storage: Storage, balance: Balance) -> AsyncIterator[Any]:
    async for served in serving(storage, balance, ""):
        yield served


@pytest.fixture
async def locked_harness(storage: Storage, balance: Balance) -> AsyncIterator[Any]:
    async for served in serving(storage, balance, "canary-metrics"):
        yield served


async def scraped(client: httpx.AsyncClient) -> dict[str, float]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    return {
        sample.name + "".join(f"|{v}" for v in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_metrics_show_the_current_rows(
    open_app_harness: Any, storage: Storage, balance: Balance
) -> None:
    client, _ = open_app_harness
    await task_in(storage, TaskState.GENERATING)
    for state in (TaskState.UNKNOWN, TaskState.UNKNOWN):
        await task_in(storage, state)
    await storage.inbox.add(
        [IncomingUpdate(update_id=1, chat_key="1", payload="{}")], now=NOON - timedelta(minutes=2)
    )
    found = await scraped(client)
    assert found["bot_tasks|generating"] == 1
    assert found["bot_tasks|unknown"] == 2
    assert found["bot_tasks|queued"] == 0
    assert found["bot_inbox_updates|pending"] == 1
    assert found["bot_inbox_lag_seconds"] == 120
    assert found["bot_database_up"] == 1
    assert found[f"bot_build_info|{__version__}"] == 1
    assert found["bot_balance_roubles"] == 77.5
    assert found["process_resident_memory_bytes"] > 1e6


def test_the_balance_does_not_exist_until_it_is_known() -> None:
    """In a process of its own: the registry is one for all tests."""
    told = (
        "from prometheus_client import generate_latest\n"
        "from bot.runtime import metrics\n"
        "print('bot_balance_roubles' in generate_latest(metrics.REGISTRY).decode())\n"
        "metrics.balance(0), metrics.balance(3)\n"
        "print('bot_balance_roubles 3.0' in generate_latest(metrics.REGISTRY).decode())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.split() == ["False", "True"]


async def test_the_provider_is_not_asked_at_every_scrape(
    open_app_harness: Any, balance: Balance
) -> None:
    balance.away = True
    for _ in range(5):
        await scraped(open_app_harness[0])
    assert balance.asked == 1


async def test_without_a_database_the_other_metrics_are_returned(
    open_app_harness: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_states: object) -> dict[TaskState, int]:
        raise StorageUnavailable("disk I/O error")

    monkeypatch.setattr(storage.tasks, "counts", away)
    found = await scraped(open_app_harness[0])
    assert found["bot_database_up"] == 0
    assert "bot_loop_lag_seconds_count" in found


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_metrics_are_refused_through_a_proxy(open_app_harness: Any, name: str) -> None:
    answer = await open_app_harness[0].get("/metrics", headers={name: "127.0.0.1"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (None, 404),
        ("Bearer canary-metrics", 200),
        ("Bearer canary-metric", 404),
        (b"Bearer \xff\xfe", 404),
    ],
)
async def test_a_configured_token_is_required(
    locked_harness: Any, shown: str | bytes | None, status: int
) -> None:
    headers = {} if shown is None else {"Authorization": shown}
    assert (await locked_harness[0].get("/metrics", headers=headers)).status_code == status


async def test_stages_and_money_are_counted_when_a_task_moves(storage: Storage) -> None:
    task = await task_in(storage, TaskState.GENERATING)
    before = replace(task, accepted_at=NOON, confirmed_at=NOON, reason=None)
    rendered = before.to(TaskState.RENDERED, run_at=NOON, rendered_at=NOON + timedelta(seconds=40))
    names = ("bot_task_stage_seconds_sum", "bot_task_stage_seconds_count")
    was = [value(name, stage="generate", kind="video") for name in names]
    moved = value("bot_task_transitions_total", state="rendered", reason="")
    metrics.moved(before, rendered, NOON)
    metrics.moved(rendered, rendered, NOON)
    assert [value(name, stage="generate", kind="video") for name in names] == [
        was[0] + 40,
        was[1] + 1,
    ]
    assert value("bot_task_transitions_total", state="rendered", reason="") == moved + 1
    spent = value("bot_spend_roubles_total", model="m")
    metrics.spent("m", Decimal("6.8"))
    assert value("bot_spend_roubles_total", model="m") == pytest.approx(spent + 6.8)


def test_calls_are_counted_by_how_they_ended() -> None:
    with metrics.provider_call("canary"):
        pass
    with pytest.raises(ProviderBusy), metrics.provider_call("canary"):
        raise ProviderBusy("later")
    with pytest.raises(TelegramLater), metrics.telegram_call("canaryMethod"):
        raise TelegramLater("flood")
    assert value("bot_provider_calls_total", call="canary", outcome="ok") == 1
    assert value("bot_provider_calls_total", call="canary", outcome="busy") == 1
    assert value("bot_telegram_calls_total", method="canaryMethod", outcome="later") == 1


def test_what_rules_count_is_there_before_the_first_event() -> None:
    """`increase()` does not see the first event of a series that begins with it."""
    metrics.show_zeros(states=TaskState, reasons=Reason, models=["m"], balance_alert=300)
    text = (OPS / "alerts.yml").read_text(encoding="utf-8")
    asked = re.findall(r"increase\(\s*(\w+)\{([^}]+)\}", text)
    assert len(asked) >= 4
    for name, labels in asked:
        wanted = dict(re.findall(r'(\w+)=~?"([^"]*)"', labels))
        for value_ in wanted.get("reason", "").split("|"):
            shown = wanted | ({"reason": value_} if value_ else {})
            if name == "bot_task_transitions_total":
                shown = {"reason": "", **shown}
            assert metrics.REGISTRY.get_sample_value(name, shown) is not None, shown
    assert value("bot_balance_alert_roubles") == 300


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bbot_[a-z_]+", text))


def told() -> set[str]:
    metrics.balance(1)
    text = generate_latest(metrics.REGISTRY).decode()
    names: set[str] = set()
    for family, kind in re.findall(r"^# TYPE (\S+) (\S+)", text, flags=re.MULTILINE):
        names |= {family, f"{family}_bucket"} if kind == "histogram" else {family}
    return names


def test_dashboard_and_alerts_use_only_existing_metrics() -> None:
    for file in ("grafana-dashboard.json", "alerts.yml"):
        asked = named_in((OPS / file).read_text(encoding="utf-8"))
        assert len(asked) > 8
        assert asked <= told(), file


def test_the_dashboard_and_the_alerts_are_valid() -> None:
    board = json.loads((OPS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    assert all(panel["targets"] for panel in board["panels"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 10
    [group] = yaml.safe_load((OPS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]:
        assert set(rule) >= {"alert", "expr", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


# -- readiness -----------------------------------------------------------------------------------


async def test_readyz_gives_the_reasons(open_app_harness: Any) -> None:
    client, health = open_app_harness
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        f"{part}: has not begun" for part in ("updates", "worker", "loop")
    ]
    for part in ("updates", "worker", "loop"):
        health.mark(part)
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": []})
    health.stop()
    assert (await client.get("/readyz")).json()["reasons"] == ["stopping"]
    assert (await client.get("/healthz")).status_code == 200


# -- log lines -----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def kept_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in (*logs.QUIET, *logs.OURS)}
    yield
    root.handlers[:], root.level = handlers, level
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def log_something() -> None:
    logger = logging.getLogger("canary")
    with logs.about(task=7, chat=-100), logs.about(update=9):
        logger.info("task %d: привет %s", 7, WORD)
        try:
            held_in_a_variable = PROMPT
            raise ValueError(f"{TOKEN} and {WORD}, {len(held_in_a_variable)}")
        except ValueError:
            logger.exception("failed")
    logger.warning("outside")


@pytest.mark.usefixtures("kept_logging")
def test_each_line_is_json_with_the_ids_that_it_is_about() -> None:
    out = io.StringIO()
    logs.set_up(logging.INFO, [TOKEN, WORD], out)
    log_something()
    first, second, third = map(json.loads, out.getvalue().splitlines())
    assert list(first)[:4] == ["timestamp", "level", "logger", "message"]
    assert (first["level"], first["message"]) == ("info", "task 7: привет ***")
    assert {name: first[name] for name in ("task", "chat", "update")} == {
        "task": 7, "chat": -100, "update": 9,
    }  # fmt: skip
    assert second["exception"].endswith(f"ValueError: *** and ***, {len(PROMPT)}")
    assert "task" not in third
    assert datetime.fromisoformat(first["timestamp"]).tzinfo is not None


@pytest.mark.usefixtures("kept_logging")
@pytest.mark.parametrize("out", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_no_secret_and_no_variable_is_in_a_line(out: io.StringIO) -> None:
    logs.set_up(logging.DEBUG, [TOKEN, WORD], out)
    log_something()
    text = out.getvalue()
    assert "ValueError" in text
    for canary in (TOKEN, WORD, json.dumps(WORD)[1:-1], PROMPT):
        assert canary not in text


async def test_each_event_is_one_line_with_fields_of_one_type_and_without_words(
    kept_logging: None, storage: Storage
) -> None:
    out = io.StringIO()
    logs.set_up(logging.DEBUG, [], out, form="json")
    delivered = await task_in(storage, TaskState.DELIVERED, prompt=PROMPT)
    await task_in(storage, TaskState.FAILED, prompt=PROMPT)
    unknown = await task_in(storage, TaskState.UNKNOWN, prompt=PROMPT)
    await storage.stars.purchase(
        user_id=7, payment_id="p", stars=50, credit=Decimal(100), now=NOON
    )
    await storage.stars.refund("p", now=NOON, admin=1)
    await storage.access.allow(7, by=1, now=NOON)
    await storage.operator.settle(unknown.id, charged=True, by=1, now=NOON)
    with suppress(RuntimeError):
        async with storage.database.transaction() as connection:
            journal.note(connection, "rolled back")
            raise RuntimeError
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert PROMPT not in out.getvalue()
    assert {line["logger"].partition(".")[0] for line in lines} <= set(logs.OURS)
    said = [line["message"] for line in lines if line["logger"] == "storage.journal"]
    starts = [
        f"task {delivered.id}: ordered: seedance-1-lite-480P-5s, 16.4 ₽",
        f"task {delivered.id}: accepted as p{delivered.id} after",
        f"task {delivered.id}: delivered after",
        "task 2: ordered", "task 2: failed after",
        "task 3: ordered",
        "ID 7: paid 50 Stars for 100 ₽",
        "ID 7: 50 Stars refunded", "admin 1: refund, ID 7",
        "ID 7: let in by admin 1", "admin 1: allow, ID 7",
        "task 3: failed after", f"admin 1: settle, ID {unknown.user_id}, task 3",
    ]  # fmt: skip
    assert [
        text for text, start in zip(said, starts, strict=True) if not text.startswith(start)
    ] == []
    kinds: dict[str, set[type]] = {}
    for line in lines:
        for name in journal.FIELDS:
            if name in line:
                kinds.setdefault(name, set()).add(type(line[name]))
    texts = {"model", "reason", "act"}
    assert set(kinds) == set(journal.FIELDS)
    for name, found in kinds.items():
        wanted = str if name in texts else float if name in ("roubles", "seconds") else int
        assert found == {wanted}, name


@pytest.mark.usefixtures("kept_logging")
@pytest.mark.parametrize(
    ("form", "out", "is_json"),
    [
        ("auto", Terminal(), False), ("auto", io.StringIO(), True),
        ("json", Terminal(), True), ("text", io.StringIO(), False),
    ],
)  # fmt: skip
def test_the_format_can_be_chosen(form: Any, out: io.StringIO, is_json: bool) -> None:
    logs.set_up(logging.INFO, [], out, form=form)
    logging.getLogger("bot.canary").info("привет")
    [line] = out.getvalue().splitlines()
    assert line.startswith("{") is is_json
    assert ("\x1b" in line) is (out.isatty() and not is_json)
    assert "привет" in line


@pytest.mark.usefixtures("kept_logging")
@pytest.mark.parametrize("form", ["json", "text"])
def test_what_others_wrote_forges_no_line_and_commands_no_terminal(form: Any) -> None:
    out = Terminal()
    logs.set_up(logging.INFO, [], out, form=form)
    words = "no\n2026-01-01 [info] order 7 delivered\r\x1b[2Jgone\x85\u2028\x9b31m"
    logging.getLogger("bot.canary").info("refused: %s", words)
    try:
        raise ValueError(words)
    except ValueError:
        logging.getLogger("bot.canary").exception("failed", extra={"journal": {"model": words}})
    text = re.sub(r"\x1b\[\d*m", "", out.getvalue())  # our own colours
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", text)
    assert "refused: no\\n2026" in text
    if form == "json":
        first, second = map(json.loads, text.splitlines())
        assert first["message"] == f"refused: {words}"
        assert second["model"] == words


@pytest.mark.usefixtures("kept_logging")
def test_only_our_own_lines_are_there_at_debug() -> None:
    out = io.StringIO()
    logs.set_up(logging.DEBUG, [], out)
    with metrics.provider_call("canary"):
        pass
    for name in ("aiosqlite", "asyncpg", "sqlalchemy.engine", "asyncio", "aiohttp.client"):
        logging.getLogger(name).debug("executing %s", PROMPT)
    [line] = map(json.loads, out.getvalue().splitlines())
    assert (line["logger"], line["level"]) == ("bot.runtime.metrics", "debug")
    assert line["message"].startswith("GPTunnel: canary: ok after")


# -- Sentry --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("kept_logging")
def test_sentry_events_contain_no_secret_and_no_personal_data() -> None:
    import sentry_sdk
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.transport import Transport

    sent: list[bytes] = []

    class KeptVideos(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope.serialize())

    logs.set_up(logging.INFO, [TOKEN, WORD], io.StringIO())
    sentry.set_up("https://key@sentry.invalid/1", [TOKEN, WORD], transport=KeptVideos)
    try:
        logging.getLogger("canary").warning("only a warning: %s", PROMPT)
        log_something()
        logging.getLogger("canary").error("a line of its own with %s", TOKEN)
        sentry_sdk.flush()
    finally:
        sentry_sdk.get_global_scope().set_client(None)
    assert len(sent) == 2
    text = b"".join(sent).decode()
    assert "ValueError" in text
    assert "log_something" in text
    for canary in (TOKEN, WORD, json.dumps(WORD)[1:-1], json.dumps(json.dumps(WORD))[2:-2]):
        assert canary not in text
    for word in (PROMPT, '"vars"', "server_name", "breadcrumbs"):
        assert word not in text
