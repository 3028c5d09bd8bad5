"""The commands: `python -m bot` runs the bot, `python -m bot sandbox` runs a demo without a token.

Settings are read only here; each command imports only what it needs. Exit codes: 0 stopped as
asked, 1 failed, 2 wrong settings.
"""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot import __version__
from bot.runtime import standard_streams
from bot.runtime.stop_signals import stop_signals

if TYPE_CHECKING:
    from bot.settings import Settings

FAILED, WRONG_SETTINGS = 1, 2
OF_THE_DATABASE = ("migrate", "backup", "restore", "recover", "verify", "copy")
"""Commands that need DATABASE_URL alone."""

logger = logging.getLogger("bot")


class _Parser(argparse.ArgumentParser):
    """Takes no shortened flags: `check --o` would order videos, `restore --r` delete rows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    standard_streams.make_usable()
    parser = _Parser(prog="bot", description=__doc__.partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"bot {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the bot (the default)")
    commands.add_parser(
        "sandbox", help="the bot in the browser, without token, key or network", add_help=False
    )
    _add_commands(commands)
    # The sandbox has its own options.
    args, rest = parser.parse_known_args(argv)
    if args.command == "sandbox":
        from bot.sandbox.run import main as sandbox

        return sandbox(rest)
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if args.command == "backup" and args.keep and not args.to:
        parser.error("--keep needs --to FOLDER")
    if args.command in OF_THE_DATABASE:
        return _command(args, _read(database_only=True))
    settings: Settings | None = _read()
    if settings is not None and args.command in (None, "run"):
        return run(settings)
    return _command(args, settings)


def _command(args: argparse.Namespace, settings: Any) -> int:
    if settings is None:
        return WRONG_SETTINGS
    from bot.cli import commands as work
    from bot.runtime import logs

    logs.set_up(logging.WARNING, settings.secrets)
    return 0 if work.run(args, settings) else FAILED


def _add_commands(commands: Any) -> None:
    check = commands.add_parser(
        "check", help="check the token, key, balance, model, address, database… live"
    )
    check.add_argument(
        "--order", action="store_true", help="order two videos and compare; this costs money"
    )
    check.add_argument("--yes", action="store_true", help="with --order: do not ask")
    catalog = commands.add_parser("catalog", help="write a CATALOG_FILE from GPTunnel's models")
    catalog.add_argument("file", type=Path, nargs="?", help="by default CATALOG_FILE")
    catalog.add_argument("--replace", action="store_true", help="write an existing file anew")
    commands.add_parser("migrate", help="bring the database to this version (a start does too)")
    backup = commands.add_parser("backup", help="everything into one new file, also while it runs")
    where = backup.add_mutually_exclusive_group(required=True)
    where.add_argument("file", type=Path, nargs="?")
    where.add_argument("--to", type=Path, metavar="FOLDER", help="a dated file in this folder")
    backup.add_argument(
        "--keep", type=_number, metavar="N", help="with --to: delete all but the N newest"
    )
    restore = commands.add_parser("restore", help="a backup into DATABASE_URL; stop the bot first")
    restore.add_argument("file", type=Path)
    restore.add_argument(
        "--keep-version", action="store_true", help="leave it as it was, for an older program"
    )
    commands.add_parser(
        "recover", help="go on without the last changes, which were lost; stop the bot first"
    )
    commands.add_parser("verify", help="read every row and let the database check itself")
    copy = commands.add_parser("copy", help="copy all rows from one database to another")
    copy.add_argument("source", metavar="FROM", help="an address like DATABASE_URL")
    copy.add_argument("target", metavar="TO")
    for command in (restore, copy):
        command.add_argument(
            "--replace", action="store_true", help="delete the rows in the target first"
        )


def _number(text: str) -> int:
    """Return a number above 0; argparse names the argument of a ValueError."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


_number.__name__ = "number above 0"  # as argparse calls it


def _read(*, database_only: bool = False) -> Any:
    """Return the settings; None: they are wrong, and that was said."""
    from bot import settings

    try:
        return settings.read_database_settings() if database_only else settings.read_settings()
    except settings.SettingsError as exc:
        for line in exc.lines:
            print(line, file=sys.stderr)
        return None


def run(settings: Settings) -> int:
    """Run the bot until a signal."""
    # Before bot.app handles signals (importing it takes more than a second), nothing has started.
    for number in stop_signals():
        signal.signal(number, lambda *_: sys.exit(0))
    # Where developers' tools are installed, httpx and structlog import these for a command line
    # and for colours: 5 MB. None makes Python treat them as missing.
    for name in ("click", "rich"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from bot import setting_names
    from bot.runtime import logs

    logs.set_up(settings.log_level_number, settings.secrets, form=settings.log_format)
    logging.captureWarnings(True)
    for line in (*setting_names.renamed(), *setting_names.doubtful()):
        logger.warning("settings: %s", line)
    # aiogram would log the whole of an unknown update, including people's messages.
    warnings.filterwarnings("ignore", "Detected unknown update type", RuntimeWarning)
    if not (dsn := settings.sentry_dsn.get_secret_value()):
        return _serve(settings)
    from bot.runtime import sentry

    sentry.set_up(dsn, settings.secrets)
    try:
        return _serve(settings)
    finally:
        sentry.flush()


def _serve(settings: Settings) -> int:
    # Imported objects are never freed: scanning them for garbage would stop the loop for 150 ms.
    gc.disable()
    from bot.runtime.lazy_aiogram import import_aiogram

    import_aiogram()
    from bot.app import serve
    from bot.core.errors import BotError
    from bot.runtime import event_loop

    gc.enable()
    try:
        event_loop.run(serve(settings))
    except (BotError, OSError) as exc:
        logger.critical("cannot go on: %s", exc)
        return FAILED
    except Exception:
        logger.critical("cannot go on", exc_info=True)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
