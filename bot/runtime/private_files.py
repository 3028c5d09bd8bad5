"""Files and folders that only the bot's own user may read: they hold people's data.

It must not know what is in them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def make_folder(folder: Path) -> None:
    """Make a folder and its parents for this user alone; an existing folder is not changed."""
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def make_file(file: Path, *companions: str) -> None:
    """Make an empty file for this user alone, or take others' rights from the one that exists.

    The same with `companions`, the endings of files beside it. A file that exists is not opened:
    closing any handle of it would release SQLite's locks. Raises OSError.
    """
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    except FileExistsError:
        for path in (file, *(file.with_name(file.name + ending) for ending in companions)):
            # Not possible with another user's file or on some file systems; the bot works anyway.
            with suppress(OSError):
                if path.is_file() and path.stat().st_mode & 0o077:
                    path.chmod(FILE_MODE)
