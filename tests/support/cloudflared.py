"""A stand-in for the program `cloudflared`: it prints what that prints, and passes requests on.

`install` puts it into a folder for the PATH. It gets the port from `--url`, listens on a free
port, and writes its process ID and its environment beside itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SCRIPT = """#!{python}
import asyncio, json, os, pathlib, sys, urllib.parse

folder = pathlib.Path(__file__).parent
assert sys.argv[1:4] == ["tunnel", "--no-autoupdate", "--url"], sys.argv
target = urllib.parse.urlsplit(sys.argv[4])

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass

async def visit(reader, writer):
    try:
        inward, outward = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(pump(reader, outward), pump(inward, writer))
    except OSError:
        pass
    writer.close()

def say(level, words):
    print(f"2026-07-01T00:00:00Z {{level}} {{words}}", file=sys.stderr, flush=True)

async def main():
    with (folder / "runs").open("a") as runs:
        runs.write(json.dumps({{"pid": os.getpid(), "environment": dict(os.environ)}}) + "\\n")
    say("INF", "Thank you for trying Cloudflare Tunnel. See (https://www.cloudflare.com/website-terms/)")
    say("INF", "following: https://developers.cloudflare.com/cloudflare-one/connections/connect-apps")
    if (folder / "refuses").exists():
        say("ERR", 'Error unmarshaling QuickTunnel response: error code: 1015')
        return 1
    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    say("INF", "+--------------------------------------------------------------------------+")
    say("INF", "|  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |")
    say("INF", f"|  http://127.0.0.1:{{port}}                                                    |")
    say("INF", "+--------------------------------------------------------------------------+")
    say("INF", f"Settings: map[no-autoupdate:true protocol:quic url:{{sys.argv[4]}}]")
    say("INF", "Starting metrics server on 127.0.0.1:20241/metrics")
    async with server:
        await server.serve_forever()

sys.exit(asyncio.run(main()))
"""  # noqa: E501 - as it is printed


class Cloudflared:
    """The stand-in in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def runs(self) -> list[dict[str, object]]:
        """`pid` and `environment` of each start."""
        file = self.folder / "runs"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def pid(self) -> int:
        """The process ID of the last start."""
        return int(str(self.runs[-1]["pid"]))

    def refuse(self, refuses: bool = True) -> None:
        """Refuse a tunnel, like a service that is asked too often."""
        file = self.folder / "refuses"
        file.touch() if refuses else file.unlink()


def install(folder: Path) -> Cloudflared:
    """Write the program into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "cloudflared"
    program.write_text(SCRIPT.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return Cloudflared(folder)
