"""A worker process for the tests: claims until nothing is left and prints what it got."""

from __future__ import annotations

import asyncio
import sys

from storage import Database, Storage
from tests.support.factories import MINUTE, NOON


async def main(url: str, owner: str) -> None:
    database = await Database.open(url)
    try:
        tasks = Storage.over(database).tasks
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        while claimed := await tasks.claim_due(
            owner=owner, now=NOON, lease_for=MINUTE, limit=10, slots=None
        ):
            sys.stdout.writelines(f"{task.id}\n" for task in claimed)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
