"""What an operator writes into the environment and `.env`, and what they read when it is wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from bot import setting_names
from bot.settings import Settings, SettingsError, read_database_settings, read_settings
from tests.support import cloudflared

TOKEN = "7100200300:AAcanary-token-0123456789abcdefghij"
NEEDED = {"BOT_TOKEN": TOKEN, "GPTUNNEL_API_KEY": "canary-key"}


@pytest.fixture(autouse=True)
def nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of an environment with these values beside the ones that are needed."""

    def read(**environment: str) -> Settings:
        for name, value in (NEEDED | environment).items():
            monkeypatch.setenv(name, value)
        return read_settings()

    return read


def lines_of(given: Any, **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        given(**environment)
    assert "canary" not in str(caught.value)
    return caught.value.lines


def test_an_empty_value_is_not_set(given: Any) -> None:
    names = {name.upper(): "" for name in Settings.model_fields}
    assert given(**(names | NEEDED)) == given()


def test_a_secret_file_works_like_the_environment(given: Any) -> None:
    Path(".env").write_bytes(
        b"\xef\xbb\xbf# first\r\nexport ADMINS='1, 2'\r\nACCESS=open\r\nPUBLIC_URL=\r\n"
        b"DATABASE_URL=postgresql+asyncpg://u:a$b#c@h/d\r\nCAP_USER_PER_DAY=7\r\n"
    )
    settings = given(CAP_USER_PER_DAY="8", PUBLIC_URL="")
    assert settings.admins == {1, 2}
    assert (settings.access, settings.public_url, settings.cap_user_per_day) == ("open", "", 8)
    assert settings.database_url == "postgresql+asyncpg://u:a$b#c@h/d"


def test_a_file_in_another_encoding_is_one_error(given: Any) -> None:
    Path(".env").write_bytes("# кто\n".encode("cp1251"))
    assert lines_of(given) == [".env: should be text in UTF-8"]


def test_a_line_that_would_be_left_out_with_its_setting_is_one_error(
    given: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without its line a cap would not apply, and without DATABASE_URL a command would use another
    file."""
    Path(".env").write_text("ACCESS=open\nCAP_USER_PER_DAY='5\nADMINS=1\n")
    line = ".env: line 2 cannot be read; should be NAME=value, with each quote closed"
    assert lines_of(given) == [line]
    with pytest.raises(SettingsError) as caught:
        read_database_settings()
    assert caught.value.lines == [line]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_may_not_be_read_and_a_folder_are_one_error(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").mkdir()
    assert lines_of(given) == [".env: cannot be read (IsADirectoryError)"]

    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # of another user, mode 0600
    assert lines_of(given) == [".env: cannot be read (PermissionError)"]
    with pytest.raises(SettingsError, match="PermissionError"):
        read_database_settings()


@pytest.mark.parametrize(
    ("written", "people"),
    [("1001", {1001}), ("1,2", {1, 2}), (" 1, 2 ,", {1, 2}), ("1 2\t3", {1, 2, 3}), (" ", set())],
)
def test_user_ids_are_separated_by_commas_or_spaces(
    given: Any, written: str, people: set[int]
) -> None:
    settings = given(ADMINS=written, ALLOWED_USERS=written)
    assert (settings.admins, settings.allowed_users) == (people, people)


@pytest.mark.parametrize("written", ["canary", "1;2", "-5", "[1]", "9" * 40, "1.5", "١"])
def test_anything_else_is_not_a_user_id(given: Any, written: str) -> None:
    [line] = lines_of(given, ADMINS=written)
    assert line.startswith("ADMINS: should be Telegram user IDs")


def test_spaces_around_a_value_do_not_count(given: Any) -> None:
    """A shell that reads a file with CRLF leaves the CR in each value."""
    meant = {
        "ACCESS": "open",
        "DATABASE_URL": "sqlite+aiosqlite:///data/other.db",
        "GPTUNNEL_BASE_URL": "https://gptunnel.test/v1",
        "HTTP_HOST": "0.0.0.0",
        "HTTP_PORT": "8082",
        "LOG_LEVEL": "DEBUG",
        "METRICS_TOKEN": "canary-metrics",
        "MODEL": "seedance-1-lite-480P-10s",
        "PUBLIC_URL": "https://bot.test",
        "TELEGRAM_LOCAL": "true",
        **NEEDED,
    }
    assert given(**{name: f" {value}\r" for name, value in meant.items()}) == given(**meant)


@pytest.mark.parametrize(
    "address",
    [
        "https://gptunnel..ru/v1",
        f"https://{'a' * 64}.ru/v1",
        "https://.ru/v1",
        "https://gptunnel.ru/v1#x",
        "https://gptunnel.ru /v1",
    ],
)
def test_an_address_that_could_never_be_called_is_refused(given: Any, address: str) -> None:
    [line] = lines_of(given, GPTUNNEL_BASE_URL=address)
    assert line.startswith("GPTUNNEL_BASE_URL: should be an http(s) address")


@pytest.mark.parametrize("key", ['"canary-key"', "'canary-key'"])
def test_a_key_in_quotes_is_refused(given: Any, key: str) -> None:
    """`docker --env-file` keeps the quotes."""
    [line] = lines_of(given, GPTUNNEL_API_KEY=key)
    assert "quotes" in line


def test_a_secret_file_of_a_windows_editor_is_read(given: Any) -> None:
    Path("token").write_bytes(b"\xef\xbb\xbf" + TOKEN.encode() + b"\r\n")
    assert given(BOT_TOKEN="", BOT_TOKEN_FILE="token ").bot_token.get_secret_value() == TOKEN


def test_secrets_are_read_from_files_and_a_value_overrides_its_file(given: Any) -> None:
    Path("token").write_text(f"{TOKEN}\n")
    files = {"BOT_TOKEN_FILE": "token", "GPTUNNEL_API_KEY_FILE": "not there"}
    settings = given(BOT_TOKEN="", **files)
    assert settings.bot_token.get_secret_value() == TOKEN
    assert settings.gptunnel_api_key.get_secret_value() == "canary-key"


def test_each_unreadable_file_has_its_own_error(given: Any) -> None:
    Path("bytes").write_bytes(b"\xff\xfe")
    assert lines_of(
        given,
        BOT_TOKEN="",
        BOT_TOKEN_FILE="not-there",
        GPTUNNEL_API_KEY="",
        GPTUNNEL_API_KEY_FILE="bytes",
        HTTP_PORT="canary",
    ) == [
        "BOT_TOKEN_FILE: cannot be read (FileNotFoundError)",
        "GPTUNNEL_API_KEY_FILE: cannot be read (UnicodeDecodeError)",
        "HTTP_PORT: should be a whole number, without a unit",
    ]


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("BALANCE_ALERT", "100 ₽", "should be a whole number, without a unit"),
        ("BALANCE_ALERT", "100.5", "should be a whole number, without a unit"),
        ("CAP_USER_PER_DAY", "-1", "should be 0 or more"),
        ("CAP_USER_PER_DAY", "9" * 20, "should be 1000000000 or less"),
        ("CAP_USER_PER_DAY", "9" * 5000, "should be a smaller number"),
        ("TASK_DEADLINE_SECONDS", "15m", "should be a whole number, without a unit"),
        ("TASK_DEADLINE_SECONDS", "9" * 12, "should be 1000000000 or less"),
        ("ADMIN_CHAT", "-" + "9" * 19, "should be a Telegram ID"),
        ("SETTLE_BY_BALANCE", "maybe", "should be true or false"),
        ("ROLE", "workers", "should be 'all', 'intake' or 'worker'"),
        ("PUBLIC_URL", "bot.example.org",
         "should begin with https:// or http:// and a host, without quotes"),
        ("GPTUNNEL_BASE_URL", '"https://gptunnel.ru/v1"',
         "should begin with https:// or http:// and a host, without quotes"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_answered_with_the_form_that_is_expected(
    given: Any, name: str, value: str, advice: str
) -> None:
    assert lines_of(given, **{name: value}) == [f"{name}: {advice}"]


def test_each_missing_dependency_of_a_setting_has_its_own_error(given: Any) -> None:
    lines = lines_of(given, UPDATES="WEBHOOK", FRAMES_S3_BUCKET="canary", FRAMES_S3_ENDPOINT="")
    assert [line.partition(":")[0] for line in lines] == [
        "FRAMES_S3_ENDPOINT", "FRAMES_S3_ACCESS_KEY", "FRAMES_S3_SECRET_KEY", "PUBLIC_URL",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "word"),
    [("p%40ss%23w%2Frd", "p@ss#w/rd"), ("a#b/c?d:e", "a#b/c?d:e"), ("a[b", "a[b"), ("", "")],
)
def test_a_password_with_special_characters_is_kept_out_of_the_log_as_written_and_as_meant(
    given: Any, written: str, word: str
) -> None:
    settings = given(DATABASE_URL=f"postgresql+asyncpg://user:{written}@host/db")
    assert {written, word} <= set(settings.secrets)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://canary@host/db", "should begin with"),
        ("canary", "should look like"),
        ("postgresql+asyncpg://u:canary@host:port/db", "should look like"),
        ("postgresql+asyncpg://u:can@ary@host/db", "%40"),
        ("sqlite+aiosqlite://", "should name a file"),
        ("sqlite+aiosqlite:///:memory:", "should name a file"),
        ("sqlite+aiosqlite://data/bot.db", "three slashes"),
        ("sqlite://localhost/bot.db", "three slashes"),
        ("sqlite+aiosqlite:///~/bot.db", "in full"),
        ("sqlite+aiosqlite:///data/a?b.db", "%3F"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_before_anything_starts(
    given: Any, url: str, words: str
) -> None:
    [line] = lines_of(given, DATABASE_URL=url)
    assert line.startswith("DATABASE_URL: ")
    assert words in line


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite+aiosqlite:///a/b/bot.db", "a/b"),
        ("sqlite+aiosqlite:////var/lib/bot.db", "/var/lib"),
        ("sqlite:///bot.db", "."),
        ("postgres://u:p@h/d", "data"),
    ],
)
def test_files_lie_beside_the_database_when_it_is_one(given: Any, url: str, folder: str) -> None:
    assert given(DATABASE_URL=url).data_dir == Path(folder)


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8080", "http://127.0.0.1", "http://10.0.0.7", "http://192.168.1.5",
     "http://169.254.1.1", "http://mybot", "http://bot.local", "http://[::1]:8080"],
)  # fmt: skip
def test_an_address_that_the_provider_cannot_reach_is_refused(given: Any, address: str) -> None:
    [line] = lines_of(given, PUBLIC_URL=address)
    assert line.startswith("PUBLIC_URL: the provider cannot reach this address")


def test_a_local_address_is_fine_for_a_provider_on_the_same_machine(given: Any) -> None:
    known = given(PUBLIC_URL="http://127.0.0.1:8080", GPTUNNEL_BASE_URL="http://127.0.0.1:9/v1")
    assert known.photos_on


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloudflared.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    "value",
    ["canary", "ssh", "ssh://canary.example", "ssh://user:canary@host", "ssh://user@", "ssh://@host",
     "ssh://user@host:canary", "ssh://user@host:70000", "ssh://user@host:0", "ssh://user@host/canary",
     "https://canary.example", "cloudflared://canary", "Cloudflared"],
)  # fmt: skip
def test_a_wrong_tunnel_names_the_setting(given: Any, value: str) -> None:
    [line] = lines_of(given, PUBLIC_TUNNEL=value)
    assert line == (
        "PUBLIC_TUNNEL: should be `cloudflared` or ssh://user@host:port, without a password"
    )


@pytest.mark.usefixtures("program")
def test_a_tunnel_enables_photos_and_a_listener_for_the_operator(given: Any) -> None:
    known = given(PUBLIC_TUNNEL="cloudflared")
    assert (known.photos_on, known.admin_port, known.needs_tunnel) == (True, 8081, True)
    assert known.tunnel_owner == "Cloudflare"
    assert given(PUBLIC_TUNNEL="cloudflared", UPDATES="webhook").needs_tunnel
    known = given(PUBLIC_TUNNEL="ssh://nokey@localhost.run", ADMIN_HTTP_PORT="9000")
    assert (known.tunnel_owner, known.admin_port) == ("localhost.run", 9000)
    assert given(PUBLIC_TUNNEL="ssh://me@[2001:db8::7]:2222").photos_on
    plain = given(PUBLIC_TUNNEL="", ADMIN_HTTP_PORT="", UPDATES="")
    assert (plain.admin_port, plain.needs_tunnel, plain.tunnel_owner) == (None, False, "")


@pytest.mark.usefixtures("program")
def test_a_quick_tunnel_has_its_own_address(given: Any) -> None:
    [line] = lines_of(given, PUBLIC_TUNNEL="cloudflared", PUBLIC_URL="https://bot.example")
    assert line.startswith("PUBLIC_URL: leave it empty with PUBLIC_TUNNEL=cloudflared")
    own = given(PUBLIC_TUNNEL="ssh://me@bot.example", PUBLIC_URL="https://bot.example")
    assert own.photos_on


def test_a_missing_program_is_named(
    given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [line] = lines_of(given, PUBLIC_TUNNEL="cloudflared")
    assert line.startswith("PUBLIC_TUNNEL: the program `cloudflared` is not on the PATH")


@pytest.mark.parametrize(
    "ports",
    [{"HTTP_PORT": "9000", "ADMIN_HTTP_PORT": "9000"},
     {"HTTP_PORT": "8081", "PUBLIC_TUNNEL": "ssh://me@host"}],
)  # fmt: skip
def test_two_listeners_need_two_ports(given: Any, ports: dict[str, str]) -> None:
    [line] = lines_of(given, **ports)
    assert line == "ADMIN_HTTP_PORT: should be another port than HTTP_PORT"


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("[::1]", "::1"), ("[::]", "::"), ("0:0:0:0:0:0:0:0", "::"), ("::0", "::"),
        ("FD00::7", "fd00::7"), ("10.0.0.7", "10.0.0.7"), ("localhost", "localhost"),
    ],
)  # fmt: skip
def test_a_listening_address_is_known_in_every_spelling(
    given: Any, written: str, host: str
) -> None:
    assert given(HTTP_HOST=written).http_host == host


@pytest.mark.parametrize(
    "written", ["127.0.0.1:8080", "[::1]:8080", "http://localhost", "0.0.0.0,::", "[::1", "*"]
)
def test_a_listening_address_with_anything_else_is_explained(given: Any, written: str) -> None:
    [line] = lines_of(given, HTTP_HOST=written)
    assert line == "HTTP_HOST: should be one address without a port, like 0.0.0.0 or ::"


@pytest.mark.usefixtures("program")
def test_a_bucket_needs_no_tunnel_for_photos(given: Any) -> None:
    bucket = {
        "FRAMES_S3_ENDPOINT": "https://s3.example", "FRAMES_S3_BUCKET": "b",
        "FRAMES_S3_ACCESS_KEY": "k", "FRAMES_S3_SECRET_KEY": "s",
    }  # fmt: skip
    known = given(PUBLIC_TUNNEL="cloudflared", ADMINS="7", **bucket)
    assert (known.needs_tunnel, known.tunnel_owner) == (False, "")
    assert known.warnings == ("PUBLIC_TUNNEL is not used: first frames are in the bucket",)


def test_probable_mistakes_are_reported(given: Any) -> None:
    assert given(ADMINS="7").warnings == ()
    assert "anybody can spend" in given(ACCESS="open").warnings[0]
    assert given(ACCESS="open", CAP_USER_PER_DAY="5").warnings == ()
    assert "SUPPORT_CONTACT" in given(ADMINS="7", STARS_PACKAGES="100:170").warnings[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ADMIN", "ADMINS"), ("ACESS", "ACCESS"), ("CAP_USER_DAY", "CAP_USER_PER_DAY")],
)
def test_a_misspelt_name_ends_the_start_and_names_the_setting(
    given: Any, name: str, meant: str
) -> None:
    [line] = lines_of(given, **{name: "5"})
    assert line == f"{name}: not a setting; did you mean {meant}?"


def test_variables_of_other_programs_are_ignored(given: Any) -> None:
    given(HTTP_PROXY="http://x:1", TELEGRAM_API_ID="1", COMPOSE_PROJECT_NAME="x", PATH="/bin")


def test_an_old_name_still_works_and_is_reported(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given(PROVIDER_PLACES="7").provider_concurrency == 7
    monkeypatch.setenv("PROVIDER_PLACES", "7")
    assert setting_names.renamed(None) == ["PROVIDER_PLACES is now called PROVIDER_CONCURRENCY"]


def test_an_unknown_name_in_env_is_refused_and_composes_own_are_known(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("CAP_USER_DAY=5\nSOMETHING=1\nPOSTGRES_PASSWORD=x\nGRAFANA_PASSWORD=y\n")
    lines = setting_names.unknown(Settings.model_fields, env)
    assert lines == [
        "CAP_USER_DAY: not a setting; did you mean CAP_USER_PER_DAY?",
        "SOMETHING: not a setting",
    ]


def test_a_time_zone_is_one(given: Any) -> None:
    assert given().order_rules().zone.key == "UTC"
    assert given(DAY_TIMEZONE="Europe/Moscow").order_rules().zone.key == "Europe/Moscow"
    for wrong in ("canary/Zone", "../etc/passwd", "+03:00"):
        [line] = lines_of(given, DAY_TIMEZONE=wrong)
        assert line == "DAY_TIMEZONE: should be a time zone, like Europe/Moscow"


def test_what_compose_reads_is_known() -> None:
    compose = (Path(__file__).parents[2] / "compose.yaml").read_text(encoding="utf-8")
    ours = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"\$\{(\w+)", compose)) <= setting_names.OF_OTHERS | ours


@pytest.mark.parametrize(
    ("in_file", "in_environment", "model"),
    [
        (None, None, "auto"),
        ("", None, ""),
        (None, "", ""),
        ("gpt-4o", None, "gpt-4o"),
        ("", "gpt-4o", "gpt-4o"),
        ("gpt-4o", "", "gpt-4o"),
    ],
)
def test_an_empty_translate_model_is_off_and_none_is_auto(
    given: Any, in_file: str | None, in_environment: str | None, model: str
) -> None:
    if in_file is not None:
        Path(".env").write_text(f"TRANSLATE_MODEL={in_file}\n")
    environment = {} if in_environment is None else {"TRANSLATE_MODEL": in_environment}
    assert given(**environment).translate_model == model


def test_people_who_pay_see_prices(given: Any) -> None:
    [line] = lines_of(given, SHOW_PRICES="never", STARS_PACKAGES="100:170")
    assert line.startswith("SHOW_PRICES: people who pay have to see prices")
    view = given(ADMINS="7", SHOW_PRICES="", STARS_PACKAGES="").price_view(frozenset({7}))
    assert (view.seen_by(7), view.seen_by(8), view.for_everybody) == (True, False, False)
    assert given(STARS_PACKAGES="100:170").price_view().for_everybody
    assert given(STARS_PACKAGES="", SHOW_PRICES="Always").price_view().seen_by(8)
    assert not given(STARS_PACKAGES="", SHOW_PRICES="never").price_view(frozenset({7})).seen_by(7)


CURLY = "\u201c{}\u201d"


@pytest.mark.parametrize("quotes", ['"{}"', "'{}'", CURLY, "{} # mine"])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HTTP_PORT", "8090", "whole number"),
        ("ACCESS", "open", "'closed' or 'open'"),
        ("ADMINS", "1001", "Telegram user IDs"),
        ("PUBLIC_URL", "https://bot.example.org", "http"),
        ("SETTLE_BY_BALANCE", "true", "true or false"),
        ("DAY_TIMEZONE", "Europe/Moscow", "time zone"),
        ("BOT_TOKEN", TOKEN, "as @BotFather gives it"),
        ("GPTUNNEL_API_KEY", "canary-key", "bare key"),
        ("PUBLIC_TUNNEL", "ssh://u@h", "ssh://user@host"),
        ("ADMIN_CHAT", "-100123", "-1001234567890"),
    ],
)
def test_quotes_and_comments_that_docker_keeps_are_named(
    given: Any, quotes: str, name: str, value: str, expected: str
) -> None:
    [line] = lines_of(given, **{name: quotes.format(value)})
    assert line.startswith(f"{name}: should")
    assert expected in line
    assert "quotes" in line or "comment" in line


@pytest.mark.parametrize(
    "token",
    ["123456789:AAE...", f"{TOKEN}#mine", TOKEN.replace("A", "\u0410"), f"bot{TOKEN}", TOKEN[:11]],
)
def test_a_token_that_telegram_cannot_have_given_is_refused(given: Any, token: str) -> None:
    [line] = lines_of(given, BOT_TOKEN=token)
    assert line.startswith("BOT_TOKEN: should look like")


def test_a_wrong_secret_in_a_file_names_the_file(given: Any) -> None:
    Path("token").write_text("")
    Path("key").write_text("Bearer canary")
    lines = lines_of(
        given, BOT_TOKEN="", BOT_TOKEN_FILE="token",
        GPTUNNEL_API_KEY="", GPTUNNEL_API_KEY_FILE="key",
    )  # fmt: skip
    assert [line.partition(" ")[0] for line in lines] == [
        "BOT_TOKEN_FILE:", "GPTUNNEL_API_KEY_FILE:",
    ]  # fmt: skip


def test_a_setting_with_two_values_is_told_at_the_start(given: Any) -> None:
    Path(".env").write_text("CAP_USER_PER_DAY=5\n# more\ncap_user_per_day=7\nADMINS=1\n")
    given(BOT_TOKEN_FILE="token")
    assert setting_names.doubtful() == [
        "BOT_TOKEN_FILE is not read: BOT_TOKEN is set as well",
        "CAP_USER_PER_DAY is in .env more than once (lines 1, 3): the last one counts",
    ]


def test_a_public_address_with_a_password_is_refused(given: Any) -> None:
    [line] = lines_of(given, PUBLIC_URL="https://me:canary@bot.example.org")
    assert line == "PUBLIC_URL: should have no user and password, since it is sent to others"


@pytest.mark.parametrize("line", ["ACCESS : open", "ACCESS open", "set ACCESS=open", 'X="open'])
def test_a_line_that_is_no_setting_says_how_one_looks(given: Any, line: str) -> None:
    Path(".env").write_text(f"HTTP_PORT=8090\n{line}\n")
    assert lines_of(given) == [
        ".env: line 2 cannot be read; should be NAME=value, with each quote closed"
    ]
