"""Send errors to Sentry when SENTRY_DSN is set: lines of level ERROR with their tracebacks.

Values of variables, people's messages and addresses of requests are not sent; secrets are removed
from the rest. The library is imported only when it is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from bot.runtime.logs import Secrets

FLUSH_SECONDS = 1.0
_DROPPED = ("request", "user", "server_name", "breadcrumbs", "modules")


def set_up(dsn: str, secrets: Iterable[str], **options: Any) -> None:
    """Start the client; `options` are passed to sentry_sdk; tests pass a transport."""
    import sentry_sdk
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.types import Event, Hint

    clean = Secrets(secrets)

    def scrubbed(event: Event, hint: Hint) -> Event | None:
        kept: Any = {key: value for key, value in event.items() if key not in _DROPPED}
        return _through(kept, clean)  # type: ignore[no-any-return]

    sentry_sdk.init(
        dsn=dsn,
        before_send=scrubbed,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
        ],
        data_collection={"user_info": False, "http_bodies": [], "stack_frame_variables": False},
        max_breadcrumbs=0,
        auto_session_tracking=False,
        **options,
    )


def flush() -> None:
    """Send the events that still wait, before the process ends."""
    import sentry_sdk

    sentry_sdk.flush(FLUSH_SECONDS)


def _through(value: Any, clean: Secrets) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {_through(key, clean): _through(held, clean) for key, held in value.items()}
        case list() | tuple():
            return [_through(held, clean) for held in value]
        case _:
            return value
