"""The public address of the HTTP server, set by the operator or by a tunnel.

It must not know who uses the address or how a tunnel works.
"""

from __future__ import annotations

import asyncio


class PublicAddress:
    """`url` is "" while there is no address; with `changes`, a tunnel sets it, possibly many
    times.
    """

    def __init__(self, url: str = "", *, changes: bool = False) -> None:
        self.url = url.rstrip("/")
        self.changes = changes
        self.changed = asyncio.Event()
        """An event, set with each new address; its only reader clears it."""
        self.state = ""
        """The state of the tunnel as one line for the operator; "" without a tunnel."""

    @property
    def is_awaited(self) -> bool:
        """Whether there is no address now, but a tunnel will set one."""
        return self.changes and not self.url

    def leads(self, link: str) -> bool:
        """Whether a link was made with the current address."""
        return bool(self.url) and link.startswith(f"{self.url}/")

    def set(self, url: str, state: str) -> None:
        """Use this address from now on; "" means no address."""
        self.state = state
        url = url.rstrip("/")
        if url != self.url:
            self.url = url
            self.changed.set()
