"""The operator's commands in the terminal: one line of output each, and an exit code.

They contain no rules: storage and the connections do the work. Messages go to standard output.
Progress goes to standard error, only on a terminal.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from bot.core.clock import utc_now
from bot.core.errors import StorageError
from bot.runtime.private_files import make_folder
from bot.runtime.standard_streams import print_line
from bot.settings import DatabaseSettings, Settings
from storage import backup as backups
from storage import lost_commits, open_storage
from storage.address import parse, sqlite_file

PROBLEMS = 2
"""How many problems of a database `verify` shows: one broken page makes hundreds."""

_DATED = re.compile(r"video-bot-\d{8}-\d{6}\.backup")

Say = Callable[[str], None]


class ProgressBars:
    """A progress bar for each long operation, drawn only on a terminal."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._bars: dict[str, tqdm[Any]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """See storage.backup.Progress."""
        if what not in self._bars:
            self._bars[what] = self._stack.enter_context(
                tqdm(desc=what, total=total, file=sys.stderr, leave=False, disable=None)
            )
        bar = self._bars[what]
        bar.total = total
        bar.update(done - bar.n)


async def check(settings: Settings, say: Say) -> bool:
    """Check everything that the bot needs; return whether all of it works."""
    from bot.runtime.lazy_aiogram import import_aiogram

    import_aiogram()
    from bot.cli import checks  # imports the whole bot, which no other command needs

    well = True
    async with AsyncExitStack() as stack:
        for finding in await checks.run_all(settings, stack):
            say(finding.line)
            well = well and not finding.is_failure
    return well


async def check_order(settings: Settings, say: Say, *, yes: bool) -> bool:
    """Order two videos and compare the provider with its documents; see bot/cli/order_check.py."""
    from bot.runtime.lazy_aiogram import import_aiogram

    import_aiogram()
    from bot.cli import order_check

    def confirm(question: str) -> bool:
        say(f"note  {question}")
        if yes:
            return True
        if not sys.stdin.isatty():
            raise ValueError("there is no terminal to ask on: add --yes")
        return _answer("Order? [y/N] ").strip().lower() in ("y", "yes", "д", "да")

    return await order_check.run(settings, say, confirm)


async def catalog(settings: Settings, file: Path | None, say: Say, *, replace: bool) -> bool:
    """Write a CATALOG_FILE from the provider's list of models."""
    from bot.core import catalog_file
    from bot.core.errors import ProviderError
    from bot.provider.client import Gptunnel

    path = file or settings.catalog_file or settings.data_dir / "catalog.toml"
    provider = Gptunnel.connect(
        settings.gptunnel_base_url,
        settings.gptunnel_api_key.get_secret_value(),
        proxy_url=settings.provider_proxy,
    )
    try:
        listed = await provider.prices()
    except ProviderError as exc:
        host = urlsplit(settings.gptunnel_base_url).hostname
        say(f"FAIL  GPTUNNEL_BASE_URL, {host}: {exc}; nothing was written")
        return False
    finally:
        await provider.close()
    made = await asyncio.to_thread(catalog_file.write, path, listed, replace=replace)
    rest = len(made.hidden)
    hidden = f"{rest} in comments" if path.suffix.lower() == ".toml" else f"{rest} left out"
    say(f"ok    {path}: {len(made.offered)} models on offer, {hidden}")
    if path != settings.catalog_file:
        say(f"note  set CATALOG_FILE={path} and restart the bot")
    else:
        say("note  restart the bot to offer them")
    return True


def _answer(question: str) -> str:
    """Ask on the terminal; Ctrl-C counts as "no", which asyncio's own signal handler would
    prevent.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(question)
    except (EOFError, KeyboardInterrupt):
        return ""
    finally:
        signal.signal(signal.SIGINT, usual)


async def migrate(url: str, say: Say) -> bool:
    """Migrate the tables to this version of the program."""
    async with open_storage(url):
        say("ok    database: at the version of this program")
    return True


async def backup(url: str, file: Path, say: Say) -> bool:
    """See storage.backup.backup."""
    with ExitStack() as stack:
        await backups.backup(url, file, progress=ProgressBars(stack))
    size = await asyncio.to_thread(file.stat)
    say(f"ok    {file}: {size.st_size / 1e6:.1f} MB; {await asyncio.to_thread(_kept_videos, url)}")
    return True


async def backup_to(url: str, folder: Path, keep: int | None, say: Say) -> bool:
    """Make a dated backup in a folder, and delete all but the newest; only dated ones count."""
    await asyncio.to_thread(make_folder, folder)
    name = f"video-bot-{utc_now():%Y%m%d-%H%M%S}.backup"
    await backup(url, folder / name, say)
    gone = await asyncio.to_thread(_rotate, folder, keep) if keep else []
    if gone:
        say(f"ok    {folder}: the {keep} newest are kept, {len(gone)} deleted")
    return True


def _rotate(folder: Path, keep: int) -> list[Path]:
    # The names sort by time.
    dated = sorted(path for path in folder.iterdir() if _DATED.fullmatch(path.name))
    for path in (gone := dated[:-keep]):
        path.unlink(missing_ok=True)
    return gone


def _kept_videos(url: str) -> str:
    """Tell about videos that wait for their chat: files beside the database."""
    file = sqlite_file(url)
    folder = (file.parent if file else Path("data")) / "videos"
    number = len(list(folder.glob("*.mp4")))
    return f"{number} videos kept in {folder} are not in it" if number else "everything is in it"


async def restore(
    file: Path, url: str, say: Say, *, replace: bool, keep_version: bool = False
) -> bool:
    """See storage.backup.restore."""
    with ExitStack() as stack:
        restored = await backups.restore(
            file, url, progress=ProgressBars(stack), replace=replace, keep_version=keep_version
        )
    say(f"ok    {restored.rows} rows restored")
    if keep_version:
        say(f"ok    version {restored.version}, as in the backup: start the program it is from")
        return True
    if waiting := await backups.waiting(url):
        say(
            f"note  {_orders(waiting)} in it; if the bot has run since the backup, this may be "
            "made and paid for already: run `bot recover` before you start it"
        )
    return await verify(url, say)


def _orders(number: int) -> str:
    return "1 order that waited" if number == 1 else f"{number} orders that waited"


async def recover(url: str, say: Say) -> bool:
    """See storage.lost_commits.recover."""
    doubted = await lost_commits.recover(url, utc_now())
    if doubted:
        say(
            f"ok    {_orders(doubted)} may be made and paid for already: nothing is made again, "
            "and at the next start people are told"
        )
    else:
        say("ok    no order waited, so nothing can be paid for twice")
    return await verify(url, say)


async def copy(source: str, target: str, say: Say, *, replace: bool) -> bool:
    """See storage.backup.copy."""
    for name, address in (("FROM", source), ("TO", target)):
        try:
            parse(address)
        except ValueError as exc:
            raise ValueError(f"{name}: {exc}") from None
    with ExitStack() as stack:
        rows = await backups.copy(source, target, progress=ProgressBars(stack), replace=replace)
    say(f"ok    {rows} rows copied")
    return await verify(target, say)


async def verify(url: str, say: Say) -> bool:
    """See storage.backup.verify."""
    with ExitStack() as stack:
        report = await backups.verify(url, progress=ProgressBars(stack))
    for problem in report.problems[:PROBLEMS]:
        say(f"FAIL  {problem}")
    if (more := len(report.problems) - PROBLEMS) > 0:
        say(f"FAIL  {more} more problems: restore the latest backup that verifies")
    if not report.problems:
        filled = ", ".join(f"{name} {count}" for name, count in report.rows.items() if count)
        say(f"ok    version {report.version}, every row can be read: {filled or 'no rows'}")
    return not report.problems


def work_of(args: Namespace, settings: Settings | DatabaseSettings, say: Say) -> Awaitable[bool]:
    """The parsed arguments of the command line."""
    if isinstance(settings, DatabaseSettings):
        return _on_database(args, settings.database_url, say)
    match args.command:
        case "check" if args.order:
            return check_order(settings, say, yes=args.yes)
        case "check":
            return check(settings, say)
        case "catalog":
            return catalog(settings, args.file, say, replace=args.replace)
        case other:
            raise AssertionError(other)


def _on_database(args: Namespace, url: str, say: Say) -> Awaitable[bool]:
    match args.command:
        case "migrate":
            return migrate(url, say)
        case "backup" if args.to:
            return backup_to(url, args.to, args.keep, say)
        case "backup":
            return backup(url, args.file, say)
        case "restore":
            return restore(
                args.file, url, say, replace=args.replace, keep_version=args.keep_version
            )
        case "recover":
            return recover(url, say)
        case "verify":
            return verify(url, say)
        case "copy":
            return copy(args.source, args.target, say, replace=args.replace)
        case other:
            raise AssertionError(other)


def run(args: Namespace, settings: Settings | DatabaseSettings) -> bool:
    """Run a command; return whether it worked, after printing one line when it did not."""

    async def work() -> bool:
        return await work_of(args, settings, print_line)

    try:
        return asyncio.run(work())
    except (StorageError, ValueError, OSError) as exc:
        print_line(f"FAIL  {exc}")
        return False
    except KeyboardInterrupt:
        # The order check has already printed what was ordered.
        ordered = args.command == "check" and args.order
        print_line("FAIL  interrupted" if ordered else "FAIL  interrupted; nothing was changed")
        return False
