"""A real file system that is small, without rights on this machine where it can be had so.

The mount is in a namespace of its own and ends with the process in it: as root by `unshare -m`,
otherwise by `unshare -rm`. Where neither is allowed, the bot's files get a limit instead
(RLIMIT_FSIZE): writes past it fail with EFBIG instead of ENOSPC. Reports say which way was used.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SIZE = 24_000_000
WAY = "SMALL_DISK_WAY"
"""Is set in the process that may mount: the name of the way."""
LIMIT = "RLIMIT_FSIZE"
_WAYS = {"mount namespace": ("unshare", "-m"), "user and mount namespace": ("unshare", "-rm")}


@cache
def way() -> str:
    """Return how a small disk is made here: a key of _WAYS, or LIMIT."""
    if WAY in os.environ:
        return os.environ[WAY]
    with tempfile.TemporaryDirectory() as folder:
        for name, prefix in _WAYS.items():
            command = (*prefix, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
            try:
                done = subprocess.run(command, capture_output=True, check=False, timeout=20)
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0:
                return name
    return LIMIT


def command(module: str, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return how to run a module where it may mount, and its environment."""
    chosen = way()
    return (
        [*_WAYS.get(chosen, ()), sys.executable, "-m", module, *argv],
        {**os.environ, WAY: chosen},
    )


@dataclass
class SmallDisk:
    """A folder on a small file system; with LIMIT an ordinary folder."""

    folder: Path

    def mount(self) -> None:
        """Mount it, in a process that `command` started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if way() != LIMIT:
            _run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(self.folder))

    def unmount(self) -> None:
        """Unmount it; what was on it is gone."""
        if way() != LIMIT:
            _run("umount", "-l", str(self.folder))

    def fill(self, left: int, pid: int, longest: Path) -> None:
        """Leave so many bytes. With LIMIT: for files longer than `longest`, of this process."""
        if way() == LIMIT:
            size = longest.stat().st_size if longest.exists() else 0
            _limit(pid, size + left)
            return
        with self._filler.open("wb") as file:
            for _ in range(50):  # the bot writes meanwhile
                free = os.statvfs(self.folder)
                size = max(free.f_bavail * free.f_frsize - left, 1)
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), 0, size)
                    return

    def free(self, pid: int) -> None:
        """Make room again."""
        if way() == LIMIT:
            _limit(pid, resource.RLIM_INFINITY)
        self._filler.unlink(missing_ok=True)

    def remount(self, *, read_only: bool) -> None:
        """Let it be written to or not; with LIMIT the folder's rights stand for it."""
        if way() != LIMIT:
            _run("mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(self.folder))
            return
        for one in (*self.folder.rglob("*"), self.folder):
            one.chmod((0o500 if one.is_dir() else 0o400) if read_only else 0o700)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


def _limit(pid: int, size: int) -> None:
    with suppress(ProcessLookupError):  # it was killed meanwhile
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr.decode()}"
