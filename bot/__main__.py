"""The commands: `python -m bot` runs the bot, `python -m bot sandbox` shows it without a token.

Settings are read here and nowhere else; each command imports only what it needs. Exit codes:
0 stopped as asked, 1 failed, 2 wrong settings.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Sequence

FAILED, WRONG_SETTINGS = 1, 2

logger = logging.getLogger("bot")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit code."""
    parser = argparse.ArgumentParser(prog="bot", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the bot (the default)")
    commands.add_parser(
        "sandbox", help="the bot in the browser, without token, key or network", add_help=False
    )
    # The sandbox has options of its own.
    args, rest = parser.parse_known_args(argv)
    if args.command == "sandbox":
        from bot.sandbox.run import main as sandbox

        return sandbox(rest)
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return run()


def run() -> int:
    """The bot itself, until a signal."""
    from bot import logs
    from bot.settings import SettingsError, read_settings

    try:
        settings = read_settings()
    except SettingsError as exc:
        for line in exc.lines:
            print(line, file=sys.stderr)
        return WRONG_SETTINGS
    logs.set_up(settings.log_level_number, settings.secrets)
    if dsn := settings.sentry_dsn.get_secret_value():
        from bot import sentry

        sentry.set_up(dsn, settings.secrets)
    # What is imported stays: a look through it for garbage would stop the loop for 150 ms.
    gc.disable()
    from bot.lean import import_aiogram

    import_aiogram()
    from bot.app import serve
    from bot.errors import BotError

    gc.freeze()
    gc.enable()

    try:
        asyncio.run(serve(settings))
    except (BotError, OSError) as exc:
        logger.critical("cannot go on: %s", exc)
        return FAILED
    except Exception:
        logger.critical("cannot go on", exc_info=True)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
