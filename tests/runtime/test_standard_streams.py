"""Commands do their work and tell how it ended, although their output is closed, cut off, full, or
in an encoding without some letters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import with_tables

SHELL = ["/bin/sh", "-c"]
OPENS = """
import os
from bot.runtime import standard_streams
standard_streams.make_usable()
print("said"); import sys; sys.stderr.write("said")
os._exit(os.open("made", os.O_CREAT | os.O_WRONLY))
"""


def shell(folder: Path, words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]),
        "DATABASE_URL": with_tables(folder / "bot.db"), **settings,
    }  # fmt: skip
    return subprocess.run(
        [*SHELL, words.replace("BOT", f"'{sys.executable}' -m bot")], check=False, text=True,
        capture_output=True, cwd=folder, env=environment, errors="surrogateescape",
    )  # fmt: skip


@pytest.mark.parametrize("output", [">&-", "| true", ">/dev/full"])
def test_a_backup_nobody_reads_about_is_made_and_the_older_ones_go(
    tmp_path: Path, output: str
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "video-bot-20250101-000000.backup").touch()
    done = shell(tmp_path, f"(BOT backup --to kept --keep 1; echo $? >&2) {output}")
    assert done.stderr.splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    [made] = [file.name for file in folder.iterdir()]
    assert made > "video-bot-20260101"


def test_a_name_that_the_terminal_cannot_show_is_said_in_other_letters(tmp_path: Path) -> None:
    done = shell(tmp_path, "BOT backup фото.backup", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.startswith(r"ok    \u0444\u043e\u0442\u043e.backup: ")
    assert (tmp_path / "фото.backup").is_file()


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    """Otherwise a library that writes to standard error would write into that file."""
    (tmp_path / "opens.py").write_text(OPENS)
    done = shell(tmp_path, f"'{sys.executable}' opens.py {closed}")
    assert done.returncode > 2
    assert (tmp_path / "made").read_bytes() == b""


def test_a_bot_without_standard_error_starts(tmp_path: Path) -> None:
    done = shell(tmp_path, "BOT verify 2>&-")
    assert (done.returncode, done.stdout[:5]) == (0, "ok   ")
