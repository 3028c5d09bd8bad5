"""Other versions of the program, run as processes: one from git's history, and one to come.

It knows how a tree is made and run, and nothing of what it does.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from storage.migrate import HEAD
from tests.support.launcher import launching
from tests.support.process_harness import KEY, TOKEN

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "handlers", "storage")
NEXT = "9999"


class Version:
    """A tree of the program; `head` is the version of its tables."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        text = (tree / "storage" / "migrate.py").read_text(encoding="utf-8")
        [self.head] = re.findall(r'^HEAD = "(\w+)"', text, flags=re.MULTILINE)

    async def run(self, *argv: str, url: str, folder: Path) -> tuple[int, str]:
        """Run a command; return the exit code and what it printed."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.tree),
            "BOT_TOKEN": TOKEN,
            "GPTUNNEL_API_KEY": KEY,
            "ADMINS": "1",
            "DATABASE_URL": url,
        }
        async with launching(tree=self.tree) as launcher:
            code, out, err = await launcher.run(environment, folder, *argv, seconds=120)
        return code, out + err


def earlier_version(folder: Path) -> Version:
    """Unpack the newest commit whose tables are older than these."""
    try:
        added = _git(
            "log", "--diff-filter=A", "--no-renames", "--format=%H", "--",
            "storage/migrations/versions",
        ).split()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(
            "no git history here: a copy of the tree cannot be rolled back to an older one"
        )
    for commit in added:
        try:
            text = _git("show", f"{commit}^:storage/migrate.py")
        except subprocess.CalledProcessError:
            break
        if f'HEAD = "{HEAD}"' not in text:
            packed = subprocess.run(
                ["git", "archive", f"{commit}^", *PACKAGES],
                cwd=ROOT, check=True, capture_output=True,
            ).stdout  # fmt: skip
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(folder, filter="data")
            return Version(folder)
    pytest.fail("the history is cut off: fetch all of it (git fetch --unshallow)")


def next_version(folder: Path) -> Version:
    """Copy this tree and give it one migration more: a table that refers to ours, and a column."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    migrate = folder / "storage" / "migrate.py"
    text = migrate.read_text(encoding="utf-8")
    migrate.write_text(text.replace(f'HEAD = "{HEAD}"', f'HEAD = "{NEXT}"'), encoding="utf-8")
    with (folder / "storage" / "tables" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(
            "\nimport sqlalchemy as sa\n"
            "sa.Table('next_things', metadata, sa.Column('id', sa.Integer, primary_key=True),\n"
            "         sa.Column('task_id', sa.ForeignKey('tasks.id')))\n"
        )
    versions = folder / "storage" / "migrations" / "versions"
    (versions / f"{NEXT}_next.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '{NEXT}', '{HEAD}'\n"
        "branch_labels = depends_on = None\n"
        "def upgrade():\n"
        "    op.create_table('next_things', sa.Column('id', sa.Integer, primary_key=True),\n"
        "        sa.Column('task_id', sa.BigInteger, sa.ForeignKey('tasks.id')))\n"
        "    op.add_column('users', sa.Column('next', sa.Text))\n"
        "def downgrade():\n"
        "    op.drop_column('users', 'next')\n"
        "    op.drop_table('next_things')\n",
        encoding="utf-8",
    )
    return Version(folder)


def _git(*argv: str) -> str:
    return subprocess.run(
        ["git", *argv], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
