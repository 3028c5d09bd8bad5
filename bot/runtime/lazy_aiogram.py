"""Import aiogram so that its models are built when they are first used.

`import aiogram` builds some 600 pydantic models, of which a bot uses few; this takes three
quarters of the import's time and memory. This must run before anything else imports aiogram, and
must not know the bot.

Only public interfaces are used: pydantic's `defer_build` and `model_rebuild`, with the argument
that aiogram itself passes. If anything unexpected happens, aiogram is imported normally: slower,
otherwise the same. LEAN=0 in the environment forces that; tests use it to compare the two.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict

KNOWN = {"aiogram": "3.31.", "pydantic": "2.13."}
"""Versions whose way of building models this module knows."""

logger = logging.getLogger(__name__)


def import_aiogram() -> bool:
    """Import aiogram; return whether its models are built lazily."""
    if "aiogram" in sys.modules or os.environ.get("LEAN") == "0":
        return False
    try:
        _import_deferred()
    except Exception as exc:
        logger.warning("aiogram is imported without lazy models, which takes longer: %r", exc)
        for name in [name for name in sys.modules if name.partition(".")[0] == "aiogram"]:
            del sys.modules[name]
        return False
    return True


def _import_deferred() -> None:
    for name, known in KNOWN.items():
        if not (found := version(name)).startswith(known):
            raise RuntimeError(f"{name} {found} is not {known}x")
    names: dict[str, Any] = {}
    build, config = BaseModel.__dict__["model_rebuild"], BaseModel.model_config

    def remember(cls: type[BaseModel], *, _types_namespace: dict[str, Any]) -> None:
        names.update(_types_namespace)

    def rebuild(
        cls: type[BaseModel],
        *,
        force: bool = False,
        raise_errors: bool = True,
        _parent_namespace_depth: int = 2,
        _types_namespace: dict[str, Any] | None = None,
    ) -> bool | None:
        # aiogram's types refer to each other by names that only this namespace defines.
        done: bool | None = build.__func__(
            cls,
            force=force,
            raise_errors=raise_errors,
            _types_namespace=names | dict(_types_namespace or {}),
        )
        return done

    BaseModel.model_rebuild = classmethod(remember)  # type: ignore[assignment, method-assign]
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        import_module("aiogram")
    finally:
        BaseModel.model_rebuild = build  # type: ignore[method-assign]
        BaseModel.model_config = config
    types, methods = import_module("aiogram.types"), import_module("aiogram.methods")
    for base in (types.TelegramObject, methods.TelegramMethod, methods.Request, methods.Response):
        base.model_rebuild = classmethod(rebuild)
    # Every bot needs these two models, and through them nearly all types, so an incompatibility
    # shows here. The first is part of the second and of most answers.
    for model in (types.Message, types.Update):
        if not model.model_rebuild():
            raise RuntimeError(f"{model.__name__} was built at import")
