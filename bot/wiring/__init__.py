"""The composition root: one `wire` function per package creates its components and connects them.

Nothing is started here; bot/app.py runs the components. It must not know what they exchange.
"""

from __future__ import annotations

from bot.wiring.edges import (
    Edges,
    connect_provider,
    connect_storyteller,
    connect_telegram,
    connect_transcriber,
    connect_translator,
    connect_viewer,
    open_bucket,
    shared_limiter,
    wire_downloads,
)
from bot.wiring.parts import Parts, build
from bot.wiring.runtime import wire_tunnel

__all__ = [
    "Edges",
    "Parts",
    "build",
    "connect_provider",
    "connect_storyteller",
    "connect_telegram",
    "connect_transcriber",
    "connect_translator",
    "connect_viewer",
    "open_bucket",
    "shared_limiter",
    "wire_downloads",
    "wire_tunnel",
]
