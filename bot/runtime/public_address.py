"""The address under which others reach the HTTP server: set by the operator, or by a tunnel.

It must not know who uses it, nor how a tunnel works.
"""

from __future__ import annotations

import asyncio


class PublicAddress:
    """`url` is "" while there is none; with `changes` a tunnel sets it, again and again."""

    def __init__(self, url: str = "", *, changes: bool = False) -> None:
        self.url = url.rstrip("/")
        self.changes = changes
        self.changed = asyncio.Event()
        """Set with each new address; its one reader clears it."""
        self.state = ""
        """One line for an operator about the tunnel; "" without one."""

    @property
    def is_awaited(self) -> bool:
        """Whether there is none now, and a tunnel is about to bring one."""
        return self.changes and not self.url

    def leads(self, link: str) -> bool:
        """Whether a link was made with the present address."""
        return bool(self.url) and link.startswith(f"{self.url}/")

    def set(self, url: str, state: str) -> None:
        """Use this address from now on; "": there is none."""
        self.state = state
        url = url.rstrip("/")
        if url != self.url:
            self.url = url
            self.changed.set()
