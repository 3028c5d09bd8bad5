"""How each command ends when the database or an address is wrong: few lines that name the thing.

What an operator reads at night: at most three lines, no traceback, no password, and what to do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from bot.__main__ import main
from bot.core.errors import StorageUnavailable
from storage import open_storage
from storage.address import parse
from storage.driver_errors import explain
from tests.support.databases import with_tables
from tests.support.launcher import Launcher, launching
from tests.support.postgres import PostgresServer, postgres
from tests.support.process_harness import KEY, TOKEN, free_port
from tests.support.tcp_proxy import open_tcp_proxy

pytestmark = pytest.mark.campaign

__all__ = ["postgres"]

PASSWORD = "s3cret-canary"
COMMANDS = {
    "check": ["check"],
    "migrate": ["migrate"],
    "backup": ["backup", "new.backup"],
    "restore": ["restore", "good.backup"],
    "verify": ["verify"],
    "copy": ["copy", "{url}", "sqlite+aiosqlite:///copied/bot.db"],
}


@dataclass
class Ended:
    """What a command printed, and its exit code."""

    code: int
    lines: list[str]

    @property
    def database(self) -> list[str]:
        """The lines about the database: of a check only that one."""
        checked = [line for line in self.lines if " database: " in line]
        return checked if any(" token: " in line for line in self.lines) else self.lines


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Run a command in this process, in an empty folder with a good backup."""
    monkeypatch.chdir(tmp_path)
    nowhere = f"http://127.0.0.1:{free_port()}"
    environment = {
        "BOT_TOKEN": TOKEN,
        "GPTUNNEL_API_KEY": KEY,
        "TELEGRAM_API_URL": nowhere,
        "GPTUNNEL_BASE_URL": nowhere,
        "ADMINS": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with_tables(tmp_path / "made" / "bot.db")
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///made/bot.db")
    assert main(["backup", "good.backup"]) == 0

    def command(*argv: str, **settings: str) -> Ended:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = main([*argv])
        out, err = capsys.readouterr()
        return Ended(code, (out + err).splitlines())

    yield command
    root.handlers[:], root.level = before


async def _tables(url: str) -> None:
    async with open_storage(url):
        pass


def _no_database(folder: Path) -> str:
    (folder / "bot.db").write_bytes(b"no database at all, " * 200)
    return "bot.db"


def _damaged(folder: Path) -> str:
    shutil.copy(folder / "made" / "bot.db", folder / "bot.db")
    content = bytearray((folder / "bot.db").read_bytes())
    content[150:] = bytes(len(content) - 150)
    (folder / "bot.db").write_bytes(content)
    return "bot.db"


def _a_folder(folder: Path) -> str:
    (folder / "bot.db").mkdir()
    return "bot.db"


def _of_another_program(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "bot.db")) as database:
        database.execute("CREATE TABLE tasks (id INTEGER)")
        database.execute("CREATE TABLE users (id INTEGER)")
        database.commit()
    return "bot.db"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", [_no_database, _damaged, _a_folder])
def test_a_file_that_cannot_be_used_is_named_in_one_line(
    make: Callable[[Path], str], command: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    named = make(tmp_path)
    url = f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    ended = run(*(word.format(url=url) for word in COMMANDS[command]), DATABASE_URL=url)
    assert ended.code == 1
    assert 1 <= len(ended.database) <= 3
    assert named in ended.database[0]
    assert ended.database[0].startswith("FAIL")
    assert ".copy-" not in ended.database[0]


@pytest.mark.parametrize("command", ["migrate", "restore"])
def test_the_file_of_another_program_is_left_alone_in_one_line(
    command: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    _of_another_program(tmp_path)
    url = f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    ended = run(*(word.format(url=url) for word in COMMANDS[command]), DATABASE_URL=url)
    assert ended.code == 1
    [line] = ended.lines
    assert "bot.db: its tables are not those of this program" in line


def test_a_backup_that_is_damaged_is_named_and_the_database_kept(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    shutil.copy(tmp_path / "made" / "bot.db", tmp_path / "kept.db")
    _damaged(tmp_path)
    [line] = run("restore", "bot.db", DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/kept.db").lines
    assert line.startswith("FAIL  bot.db: ")


def test_hundreds_of_problems_are_three_lines(run: Callable[..., Ended], tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "made" / "bot.db")) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for number in range(300):
            database.execute(
                "INSERT INTO task_events (task_id, state, at) VALUES (?, 'draft', '2026-01-01')",
                [number + 1],
            )
        database.commit()
    ended = run("verify")
    assert ended.code == 1
    assert len(ended.lines) == 3
    assert ended.lines[-1].startswith("FAIL  298 more problems")


def _prepend(file: Path, line: str) -> None:
    file.write_text(line + file.read_text(encoding="utf-8"), encoding="utf-8")


@pytest.fixture
async def guest(postgres: PostgresServer) -> str:
    """An address of a user who may connect with a password, and make no tables."""
    url = await postgres.create()
    admin = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        name = await admin.fetchval("SELECT current_database()")
        if not await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'guest'"):
            await admin.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
            rules = await admin.fetchval("SHOW hba_file")
            await asyncio.to_thread(_prepend, Path(rules), "local all guest scram-sha-256\n")
            await admin.execute("SELECT pg_reload_conf()")
        await admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    finally:
        await admin.close()
    folder = url.partition("host=")[2]
    return f"postgresql+asyncpg://guest:{PASSWORD}@/{name}?host={folder}"


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "password": (
        lambda url: url.replace(PASSWORD, "s3cret-wrong"),
        "check the user and the passw",
    ),
    "database": (lambda url: re.sub(r"/test_\d+", "/nowhere", url), "CREATE DATABASE nowhere"),
    "socket": (lambda url: f"{url}/gone", "nothing listens there"),
    "port": (lambda _: f"postgresql://u:s3cret@127.0.0.1:{free_port()}/b", "nothing listens"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_does_not_let_in_is_one_line(
    command: str, wrong: str, guest: str, run: Callable[..., Ended]
) -> None:
    spoil, words = WRONG[wrong]
    url = spoil(guest)
    ended = run(*(word.format(url=url) for word in COMMANDS[command]), DATABASE_URL=url)
    assert ended.code == 1
    [line] = ended.database
    assert words in line
    assert "PostgreSQL at " in line
    assert "s3cret" not in line


@pytest.mark.parametrize("command", ["check", "migrate", "restore"])
def test_no_right_to_make_tables_is_one_line_that_names_the_grant(
    command: str, guest: str, run: Callable[..., Ended]
) -> None:
    ended = run(*COMMANDS[command], DATABASE_URL=guest)
    assert ended.code == 1
    [line] = ended.database
    assert "GRANT ALL ON SCHEMA public TO" in line


def refused_address(run: Callable[..., Ended], address: str) -> str:
    """Run a command with this DATABASE_URL, which it refuses; return its one line of output."""
    ended = run("verify", DATABASE_URL=address)
    assert ended.code == 2
    [line] = ended.lines
    assert line.startswith("DATABASE_URL: ")
    return line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("?channel_binding=require", "should be without `channel_binding`"),
        ("?connect_timeout=3&sslmode=require", "should be without `connect_timeout`"),
        ("?s3cret-canary=1", "should be without options"),
    ],
)
def test_an_option_that_is_not_understood_is_named_with_those_that_are(
    options: str, words: str, run: Callable[..., Ended]
) -> None:
    line = refused_address(run, f"postgresql+asyncpg://u:p@127.0.0.1/b{options}")
    assert words in line
    assert "sslmode" in line
    assert "canary" not in line


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1/b?sslmode=yes", "sslmode should be one of disable, allow"),
        ("127.0.0.1/b?ssl=true", "ssl should be one of disable, allow"),
        ("127.0.0.1:99999/b", "between 1 and 65535"),
        ("127.0.0.1,127.0.0.2:99999/b", "between 1 and 65535"),
        ("/b?host=127.0.0.1&port=s3cret", "a number as its port"),
        ("/b?host=127.0.0.1&port=1,2", "a number as its port"),
        (f"{'x' * 64}.example/b", "whose name can exist"),
        ("pg..example/b?target_session_attrs=any", "whose name can exist"),
    ],
)
def test_a_value_that_no_server_can_have_is_named(
    address: str, words: str, run: Callable[..., Ended]
) -> None:
    line = refused_address(run, f"postgresql+asyncpg://u:s3cret@{address}")
    assert words in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("sslmode=verify-full", "root certificate file"),
        ("sslmode=require&ssl_min_protocol_version=9", "TLS version"),
        ("sslmode=verify-full&sslrootcert=/nowhere/root.crt", "the file of sslrootcert"),
        ("sslmode=require&sslcert=/nowhere/bot.crt", "the file of sslcert"),
        ("sslmode=require&sslcert=/&target_session_attrs=any", "the file of sslcert"),
    ],
)
def test_a_file_or_option_of_tls_that_is_wrong_is_not_called_a_server_that_is_away(
    options: str, words: str, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = run("verify", DATABASE_URL=f"postgresql://u:s3cret@127.0.0.1:1/b?{options}")
    assert ended.code == 1
    [line] = ended.lines
    assert line.startswith("FAIL  PostgreSQL at 127.0.0.1:1, database b: ")
    assert words in line
    assert "s3cret" not in line


def test_a_home_that_this_user_may_not_read_is_named(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under supervisord, which keeps root's HOME, and under systemd's ProtectHome."""

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("HOME", "/home/of-others")
    usual = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda self: refuse(self) if "of-others" in str(self) else usual(self)
    )
    ended = run("verify", DATABASE_URL="postgresql://u:s3cret@127.0.0.1:1/b")
    [line] = ended.lines
    assert "set HOME" in line


async def test_a_database_that_lets_nobody_in_is_waited_for(postgres: PostgresServer) -> None:
    url = await postgres.create()
    name = url.partition("@/")[2].partition("?")[0]
    await postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    with pytest.raises(StorageUnavailable, match="not currently accepting connections"):
        await _tables(url)


async def test_sslmode_in_the_address_is_understood(postgres: PostgresServer) -> None:
    async with open_tcp_proxy(await postgres.create()) as proxy:
        for mode in ("disable", "prefer"):
            await _tables(f"{proxy.url}?sslmode={mode}")
        with pytest.raises(Exception, match="sslmode") as caught:
            await _tables(f"{proxy.url}?sslmode=require")
        assert str(caught.value).startswith("PostgreSQL at 127.0.0.1")


async def test_a_kind_of_session_is_understood_for_one_server(postgres: PostgresServer) -> None:
    async with open_tcp_proxy(await postgres.create()) as proxy:
        for kind in ("any", "read-write", "primary"):
            await _tables(f"{proxy.url}?target_session_attrs={kind}")
        with pytest.raises(StorageUnavailable, match="is not standby"):
            await _tables(f"{proxy.url}?target_session_attrs=standby")


def test_a_host_that_nobody_knows_is_named() -> None:
    url = parse("postgresql://bot:s3cret@pg.example.org:6432/videos")
    said = str(explain(socket.gaierror(-2, "Name or service not known"), url))
    assert said.startswith("PostgreSQL at pg.example.org:6432, database videos: no host has this")
    assert "s3cret" not in said


def test_a_backup_without_its_folder_and_a_copy_without_an_address_are_named(
    run: Callable[..., Ended],
) -> None:
    for argv, named in (
        (("backup", "nowhere/new.backup"), "nowhere"),
        (("backup", "good.backup"), "good.backup"),
        (("restore", "gone.backup"), "gone.backup"),
        (("copy", "mysql://a/b", "sqlite+aiosqlite:///x.db"), "FROM: "),
        (("copy", "sqlite+aiosqlite:///x.db", "x.db"), "TO: "),
        (("catalog", "nowhere/catalog.toml"), "127.0.0.1"),
    ):
        ended = run(*argv)
        assert ended.code == 1, argv
        assert len(ended.lines) == 1, argv
        assert named in ended.lines[0], argv


async def _process(
    launcher: Launcher, folder: Path, command: str, *, prepare: str = "", **settings: str
) -> Ended:
    environment = {
        "PATH": os.environ["PATH"],
        "BOT_TOKEN": TOKEN,
        "GPTUNNEL_API_KEY": KEY,
        "TELEGRAM_API_URL": f"http://127.0.0.1:{free_port()}",
        "GPTUNNEL_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "ADMINS": "1",
        "HTTP_PORT": "0",
        **settings,
    }
    log = folder / f"{secrets.token_hex(4)}.log"
    life = await launcher.start(environment, folder, log, argv=[command], prepare=prepare)
    async with asyncio.timeout(120):
        code = await asyncio.shield(life.ended)
    return Ended(code, life.lines.splitlines())


async def test_a_read_only_file_is_no_writable_one(tmp_path: Path) -> None:
    await _tables(f"sqlite+aiosqlite:///{tmp_path}/bot.db")
    (tmp_path / "bot.db").chmod(0o400)
    (tmp_path / "made").mkdir(mode=0o500)
    obey = "tests.support.rights:obey_file_modes"
    here, there = "sqlite+aiosqlite:///bot.db", "sqlite+aiosqlite:///made/bot.db"
    async with launching() as launcher:
        start = partial(_process, launcher, tmp_path, prepare=obey)
        checked, ran, new = await asyncio.gather(
            start("check", DATABASE_URL=here),
            start("run", DATABASE_URL=here),
            start("check", DATABASE_URL=there),
        )
    assert checked.database == ["FAIL  database: sqlite: this user cannot write bot.db"]
    assert new.database == ["FAIL  database: sqlite: this user cannot write made"]
    assert ran.code == 1
    assert len(ran.lines) <= 3, ran.lines
    assert "bot.db" in ran.lines[-1]
    assert "must be able to write the file" in ran.lines[-1]


async def test_a_bot_that_cannot_start_says_why_in_its_last_line(
    tmp_path: Path, guest: str
) -> None:
    _no_database(tmp_path)
    await _tables(f"sqlite+aiosqlite:///{tmp_path}/made/bot.db")
    (tmp_path / "broken").mkdir()
    shutil.copy(tmp_path / "made" / "bot.db", tmp_path / "broken" / "bot.db")
    with (tmp_path / "broken" / "bot.db").open("r+b") as file:
        file.seek(150)
        file.write(bytes(40_000))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases: list[tuple[dict[str, str], str]] = [
            ({"DATABASE_URL": "sqlite+aiosqlite:///bot.db"}, "bot.db: is no SQLite database"),
            ({"DATABASE_URL": "sqlite+aiosqlite:///broken/bot.db"}, "broken/bot.db: the file is"),
            ({"DATABASE_URL": guest}, "GRANT ALL ON SCHEMA"),
            (
                {"DATABASE_URL": guest.replace(PASSWORD, "wrong")},
                "check the user and the password",
            ),
            ({"HTTP_PORT": port}, f"HTTP_PORT={port}"),
            ({"HTTP_HOST": "x" * 64}, f"HTTP_HOST={'x' * 64}"),
        ]
        async with launching() as launcher:
            start = partial(_process, launcher, tmp_path, "run")
            found = await asyncio.gather(*(start(**settings) for settings, _ in cases))
        for (settings, named), ended in zip(cases, found, strict=True):
            assert ended.code == 1, settings
            assert len(ended.lines) <= 3, ended.lines
            assert "cannot go on: " in ended.lines[-1]
            assert named in ended.lines[-1], ended.lines
            assert PASSWORD not in ended.lines[-1]


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "--o", "--y"],
        ["check", "--ord"],
        ["restore", "x", "--rep"],
        ["copy", "a", "b", "--r"],
    ],
)
def test_a_shortened_flag_is_unknown(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert f"unknown arguments: {argv[-1] if argv[0] != 'check' else ' '.join(argv[1:])}" in (
        capsys.readouterr().err
    )
