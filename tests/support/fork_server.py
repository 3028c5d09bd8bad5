"""Start the bot many times for the price of one import: import everything once, then fork.

A separate process of tests/support/launcher.py. It reads orders (JSON with one descriptor, a
socket) from standard input. A child runs `bot.__main__.main()` unchanged; what a campaign changes
is changed by the function that the order names, before the bot runs. The child's number and then
its exit code are written to the order's socket, one a line; whoever closes that socket kills the
child.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import json
import os
import selectors
import signal
import socket
import ssl
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import certifi

ROOT = Path(__file__).parents[2]
ORDER_BYTES = 1 << 17
MODELS = {
    "aiogram.methods": (
        "AnswerCallbackQuery", "DeleteMessage", "DeleteWebhook", "EditMessageCaption",
        "EditMessageReplyMarkup", "EditMessageText", "GetFile", "GetMe", "GetMyCommands",
        "GetMyDescription", "GetMyShortDescription", "GetUpdates", "GetWebhookInfo", "Response",
        "SendChatAction", "SendMediaGroup", "SendMessage", "SendPhoto", "SendVideo",
        "SetMyCommands", "SetMyDescription", "SetMyShortDescription",
    ),
    "aiogram.types": (
        "BotCommand", "BotCommandScopeAllGroupChats", "BotCommandScopeDefault", "CopyTextButton",
        "InlineKeyboardButton", "InlineKeyboardMarkup", "InputMediaVideo", "MessageEntity",
        "ReplyParameters",
    ),
    "bot.telegram.client": ("GetRawUpdates",),
}  # fmt: skip
"""What every bot sends; built once, instead of once in each child."""


def main() -> None:
    """Serve orders until standard input ends; then kill every child."""
    try:
        _import_everything()
        if Path.cwd() == ROOT:
            _compile_statements()
    except (ImportError, AttributeError):
        if Path.cwd() == ROOT:
            raise
        # Another version of the program has other modules; its children import what they need.
    gc.collect()
    gc.freeze()
    line, selector = socket.socket(fileno=0), selectors.DefaultSelector()
    children: set[int] = set()
    selector.register(line, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not line:
                key.data()
                continue
            order, descriptors, *_ = socket.recv_fds(line, ORDER_BYTES, 1)
            if not order:
                for pid in children:
                    _kill(pid)
                return
            pid = os.fork()
            if pid == 0:
                selector.close()
                _live(json.loads(order))
            _watch(selector, children, pid, socket.socket(fileno=descriptors[0]))


def share_certificates() -> None:
    """Read the list of trusted certificates once: each of aiogram's sessions would read it."""
    read = ssl.create_default_context
    shared = functools.cache(lambda: read(cafile=certifi.where()))

    def create(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        same = not args and kwargs == {"cafile": certifi.where()}
        return shared() if same else read(*args, **kwargs)

    ssl.create_default_context = create


def _import_everything() -> None:
    from bot.runtime.lazy_aiogram import import_aiogram

    import_aiogram()
    for name in (
        "bot.app",
        "bot.runtime.logs",
        "alembic.command",
        "aiosqlite",
        "asyncpg",
        "uvloop",
    ):
        import_module(name)
    for package, names in MODELS.items():
        for name in names:
            getattr(import_module(package), name).model_rebuild()
    import_module("bot.texts.i18n").catalogs()
    share_certificates()
    ssl.create_default_context(cafile=certifi.where())
    import_module("tests.support.shared_caches").share_signatures()
    import_module("handlers").build_router()


def _compile_statements() -> None:
    """Run a short simulated life, so that SQL statements are compiled here and not in each child.

    Compiling them took a third of the CPU time of a start.
    """
    import_module("tests.support.shared_caches").share_statements()
    import_module("tests.simulation.life").live(0, orders=2)


def _watch(
    selector: selectors.BaseSelector, children: set[int], pid: int, owner: socket.socket
) -> None:
    """Tell the owner when the child starts and ends; kill it when the owner is gone."""
    children.add(pid)
    handle = os.pidfd_open(pid)

    def owner_left() -> None:
        selector.unregister(owner)
        _kill(pid)

    def ended() -> None:
        children.discard(pid)
        selector.unregister(handle)
        os.close(handle)
        with contextlib.suppress(KeyError):
            selector.unregister(owner)
        _, status = os.waitpid(pid, 0)
        _say(owner, os.waitstatus_to_exitcode(status))
        owner.close()

    watched: list[tuple[Any, Callable[[], None]]] = [(handle, ended), (owner, owner_left)]
    for file, react in watched:
        selector.register(file, selectors.EVENT_READ, react)
    _say(owner, pid)


def _say(owner: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):
        owner.sendall(f"{number}\n".encode())


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _live(order: dict[str, Any]) -> None:
    """Be the child; never return."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it dies with this process
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        # It is ignored if a shell started the tests in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        log, errors = (
            os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for name in ("log", "errors")
        )
        null = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((null, 0), (log, 1), (errors, 2)):
            os.dup2(old, new)
        os.closerange(3, 4096)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        tempfile.tempdir = None
        from bot.__main__ import main as run_bot

        if order["prepare"]:
            module, _, function = order["prepare"].partition(":")
            getattr(import_module(module), function)(order["wish"])
        code = run_bot(order["argv"])
    except SystemExit as exc:  # asked to end before it had begun
        code = int(exc.code or 0)
    except BaseException:
        traceback.print_exc()  # into the log: nobody else hears of it
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
