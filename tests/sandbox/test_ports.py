"""A port that is held for a server that starts later."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bot.sandbox.run import hold_port


async def test_a_held_port_is_kept_for_the_server_that_names_it() -> None:
    with hold_port() as held:
        address = held.getsockname()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        # The kernel makes the same check before it chooses a free port for somebody.
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)

        server = await asyncio.start_server(lambda _reader, writer: writer.close(), *address)
        async with server:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
