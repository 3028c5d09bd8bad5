"""`bot backup` from cron: dated files, of which the newest stay; and what a backup leaves out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.runtime import private_files
from storage import open_storage
from tests.support.process_harness import KEY, TOKEN


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., list[str]]]:
    monkeypatch.chdir(tmp_path)
    for name, value in {"BOT_TOKEN": TOKEN, "GPTUNNEL_API_KEY": KEY, "ADMINS": "1"}.items():
        monkeypatch.setenv(name, value)

    async def make() -> None:
        async with open_storage("sqlite+aiosqlite:///data/bot.db"):
            pass

    asyncio.run(make())
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def command(*argv: str) -> list[str]:
        capsys.readouterr()
        code = main(argv)
        out, _ = capsys.readouterr()
        assert code == 0, out
        lines: list[str] = out.splitlines()
        return lines

    yield command
    root.handlers[:], root.level = before


def test_of_dated_backups_the_newest_stay_and_other_files_are_left_alone(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    private_files.make_folder(folder)
    old = [f"video-bot-2025010{day}-040000.backup" for day in range(1, 8)]
    others = ["monday.backup", "video-bot-20250101-040000.backup.txt", "notes"]
    for name in old + others:
        (folder / name).write_bytes(b"x")
    said = run("backup", "--to", "backups", "--keep", "3")
    names = {path.name for path in folder.iterdir()}
    assert set(others) <= names
    [made] = names - set(others) - set(old)
    assert names - set(others) == {made, *old[-2:]}
    assert said[0].startswith(f"ok    backups/{made}: ")
    assert said[1] == "ok    backups: the 3 newest are kept, 5 deleted"
    assert (folder / made).stat().st_mode & 0o777 == 0o600
    assert "rows restored" in run("restore", "--replace", f"backups/{made}")[0]


def test_without_keep_nothing_is_deleted_and_the_folder_is_made_private(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    [line] = run("backup", "--to", "a/b")
    assert line.endswith("everything is in it")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_kept_videos_are_said_not_to_be_in_it(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "data" / "videos").mkdir()
    for number in (1, 2):
        (tmp_path / "data" / "videos" / f"{number}.mp4").write_bytes(b"video")
    [line] = run("backup", "new.backup")
    assert line.endswith("; 2 videos kept in data/videos are not in it")


@pytest.mark.parametrize(
    "argv",
    [
        ["backup"],
        ["backup", "a.backup", "--to", "b"],
        ["backup", "a.backup", "--keep", "3"],
        ["backup", "--to", "b", "--keep", "0"],
        ["backup", "--to", "b", "--keep", "many"],
    ],
)
def test_arguments_that_do_not_go_together_are_named(
    argv: list[str], run: Callable[..., list[str]], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert not (tmp_path / "b").exists()


def test_a_backup_can_be_put_back_as_it_was(run: Callable[..., list[str]]) -> None:
    run("backup", "new.backup")
    said = run("restore", "--replace", "--keep-version", "new.backup")
    assert said[1].startswith("ok    version ")
    assert "start the program it is from" in said[1]
