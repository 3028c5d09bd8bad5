"""What one life consists of: the emulators, a database, the weather, and the books about it.

The emulators' records are the truth, as in tests/crash. It must not know who orders, when a
process starts, or what is asserted.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bot.sandbox.gptunnel.models import Model
from bot.sandbox.gptunnel.records import Made
from bot.sandbox.gptunnel.server import GptunnelEmulator
from bot.sandbox.gptunnel.studio import Studio
from bot.sandbox.telegram.emulator import TelegramEmulator
from bot.sandbox.telegram.files import FileStore, StoredFile
from bot.settings import Settings
from tests.crash.environment import sign
from tests.crash.verdict import Disturbances
from tests.simulation.fate import EventLog, Fate
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import KINDS, OUTAGES, Act, Outage
from tests.support.process_harness import KEY, TOKEN
from tests.support.virtual_clock import NOON

if TYPE_CHECKING:
    from tests.simulation.process import Process

OPERATOR = 5_559_000_000
"""Is told of alerts, and answers none."""
LEASE_SECONDS = 30.0
DISK_FAULTS = {
    "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "i/o error": (sqlite3.SQLITE_IOERR, "disk I/O error"),
}
ALL = frozenset({"kill", "freeze", *DISK_FAULTS})
KILL = frozenset({"kill"})
STRIKES, FREEZES = 6, 2
"""Kills and freezes in one life, at most: more is poison, which is another promise."""
TOP_UPS = 8
OUTAGE_SECONDS = (1.0, 25.0, 25.0, 60.0, 120.0)
HEAVY = ("create", "sendVideo", "sendMediaGroup", "sendMessage", "sendPhoto", "download")
VIDEO_SECONDS = (2.0, 10.0)
SLOW, SLOW_SECONDS = 0.05, 60.0
"""The share of videos that take longer, and how long at most."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """How often something goes wrong in a life, as shares of the places where it may."""

    kills: float
    freezes: float
    disk: float
    network: float
    outages: tuple[Outage, ...]
    workers: int
    restarts: bool
    settles: bool  # SETTLE_BY_BALANCE
    top_ups: int  # of the account at the provider: what makes its balance ambiguous

    @classmethod
    def drawn(cls, fate: Fate) -> Weather:
        """Draw the weather of a life; calm ones are among them."""
        dice = fate.dice("weather")
        kills = dice.choice((0.0, 0.0005, 0.001, 0.002))
        freezes = dice.choice((0.0, 0.0, 0.0003, 0.0006))
        disk = dice.choice((0.0, 0.0, 0.001, 0.004))
        network = dice.choice((0.0, 0.005, 0.02, 0.05))
        workers = dice.choice((1, 1, 2))
        restarts = dice.random() < 0.3
        outages = []
        for number in range(dice.choice((0, 1, 2, 3))):
            side = dice.choice(("provider", "provider", "provider", "telegram", "storage"))
            start = dice.uniform(1.0, 40.0)
            outage = Outage(
                side,
                start,
                start + dice.choice((1.0, 25.0, 25.0, 60.0, 120.0)),
                dice.choice(OUTAGES),
            )
            if fate.allow(f"outage#{number} of {side}, {outage.act}, {outage.end - start:.0f} s"):
                outages.append(outage)
        settles = dice.random() < 0.5
        top_ups = dice.choice((0, TOP_UPS)) if settles else 0
        return cls(
            kills=kills,
            freezes=freezes,
            disk=disk,
            network=network,
            outages=tuple(outages),
            workers=workers,
            restarts=restarts,
            settles=settles,
            top_ups=top_ups,
        )


@dataclass
class Create:
    """One create or free question on its wire, as the process saw it; seconds of the life.

    `known_at`: when the process knew how it came back; None: it was killed before, or asked to
    end.
    """

    process: str
    paid: bool
    sent_at: float
    known_at: float | None = None
    act: Act | None = None  # None: it gave up waiting
    accepted: bool = False

    @property
    def cut_off(self) -> bool:
        """Whether the process was killed before the answer, or ended."""
        return self.paid and self.act is None and self.known_at is None

    @property
    def lost(self) -> bool:
        """Whether nobody can know if it was accepted."""
        return self.act not in (Act.WELL, Act.LATE, Act.REFUSED, Act.BUSY)

    @property
    def answered(self) -> bool:
        """Whether the provider answered in its own form."""
        return self.act in (Act.WELL, Act.LATE)


class World:
    """Everything outside of the processes; `violations` grows when something is wrong."""

    def __init__(
        self, loop: VirtualLoop, fate: Fate, log: EventLog, settings: Settings, folder: Path
    ) -> None:
        self.loop = loop
        self.fate = fate
        self.log = log
        self.folder = folder
        self.path = folder / "bot.db"
        self.weather = Weather.drawn(fate)
        self.settings = settings.model_copy(update={"settle_by_balance": self.weather.settles})
        self.disturbances = Disturbances(lease_seconds=LEASE_SECONDS)
        self.violations: list[str] = []
        self.creates: list[Create] = []
        self.questions: dict[str, list[tuple[float, str]]] = {}  # by process: when, about what
        self.processes: list[Process] = []
        self.living = 0  # processes
        self.freeing: Process | None = None  # frees the leases of dead processes
        self.lives: list[Any] = []  # of tests.crash.environment.Environment: logs of processes
        self.tasks: list[asyncio.Task[Any]] = []
        self.sleepers: asyncio.Queue[Process] = asyncio.Queue()
        self.spoken = _Lines()
        self._shares: dict[tuple[str, float], list[tuple[str, float]]] = {}
        self._struck: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self.telegram = TelegramEmulator(token=TOKEN, clock=self.unix)
        self.telegram.world.files = _Files(folder)
        self.telegram.add_person("Operator", id=OPERATOR)
        videos = fate.dice("videos")
        self.provider = GptunnelEmulator(
            api_key=KEY,
            balance=Decimal(10**7),
            clock=self.unix,
            delay=lambda: videos.uniform(
                VIDEO_SECONDS[0], SLOW_SECONDS if videos.random() < SLOW else VIDEO_SECONDS[1]
            ),
            studio=_Studio(self),
        )
        self.provider.origin = "https://storage.test"
        self._books = sqlite3.connect(self.path, isolation_level=None)

    # --- time and tasks ----------------------------------------------------------------------

    def clock(self) -> datetime:
        """bot.core.clock.Clock"""
        return NOON + timedelta(seconds=self.loop.now)

    def unix(self) -> float:
        """Unix time, as the emulators write it down."""
        return NOON.timestamp() + self.loop.now

    def spawn(self, work: Coroutine[Any, Any, Any], context: Context) -> asyncio.Task[Any]:
        """Run something beside; its process, or the world, owns it."""
        task = self.loop.create_task(work, context=context)
        self.tasks.append(task)
        return task

    # --- chance ------------------------------------------------------------------------------

    def act(self, side: str, name: str) -> Act:
        """Decide what becomes of the next call."""
        now = self.loop.now
        for outage in self.weather.outages:
            if outage.side == side and outage.start <= now < outage.end:
                return outage.act
        share = self.weather.network / len(KINDS)
        kind = self.fate.fault(f"net {name}", [(act.value, share) for act in KINDS])
        return Act.WELL if kind is None else Act(kind)

    def fault(self, point: str, weight: float, kinds: frozenset[str] = ALL) -> str | None:
        """Draw the fault of a process at a point; a larger `weight` makes deaths more likely."""
        key = point, weight
        shares = self._shares.get(key)
        if shares is None:
            shares = self._shares[key] = self._drawn_at(point, weight, kinds)
        kind = self.fate.fault(point, shares)
        if kind is not None:
            self._struck[kind] += 1
            self._shares.clear()
        return kind

    def _drawn_at(
        self, point: str, weight: float, kinds: frozenset[str]
    ) -> list[tuple[str, float]]:
        """Return the faults that may happen at a point, with their probabilities."""
        weather, struck = self.weather, self._struck
        shares = {"kill": weather.kills * weight, "freeze": weather.freezes * weight}
        if point in ("statement", "commit"):
            shares |= dict.fromkeys(DISK_FAULTS, weather.disk)
        if struck["kill"] + struck["freeze"] >= STRIKES:
            del shares["kill"], shares["freeze"]
        elif struck["freeze"] >= FREEZES:
            del shares["freeze"]
        return [(kind, share) for kind, share in shares.items() if kind in kinds]

    def weight(self, name: str) -> float:
        """Return how much likelier a process dies at this call: few calls matter much."""
        return 12.0 if name in HEAVY else 1.0

    @property
    def is_shared(self) -> bool:
        """Whether two processes are on the database."""
        return self.living > 1

    def froze(self, process: Process) -> None:
        """Hand a frozen process to whoever wakes it."""
        self.sleepers.put_nowait(process)

    # --- books -------------------------------------------------------------------------------

    def wrong(self, words: str) -> None:
        """Note a broken promise."""
        self.violations.append(words)

    def begin_create(self, process: Process, *, paid: bool) -> Create:
        """Note that a create or a free question goes out."""
        self.creates.append(Create(process.name, paid, self.loop.now))
        return self.creates[-1]

    def said_to_be_charged(self) -> list[str]:
        """Return the prompts of the orders that were settled by the balance, as paid ones."""
        rows = self._books.execute(
            "SELECT prompt FROM audit JOIN tasks ON tasks.id = audit.task_id"
            " WHERE act = 'settle by balance' AND json_extract(details, '$.charged')"
        )
        return [prompt for (prompt,) in rows.fetchall()]

    def money(self) -> list[tuple[int, str, str | None, int, int, int]]:
        """Return of every order its state, the provider's id, and its kopecks in the ledger:
        reserved, returned, charged.
        """
        sums = ", ".join(
            f"coalesce(sum(CASE WHEN ledger.kind = '{kind}' THEN ledger.kopecks END), 0)"
            for kind in ("reservation", "return", "charge")
        )
        rows = self._books.execute(
            f"SELECT tasks.id, state, provider_id, {sums}"  # noqa: S608
            " FROM tasks LEFT JOIN ledger ON ledger.task_id = tasks.id GROUP BY tasks.id"
        )
        return rows.fetchall()

    def awaited(self) -> list[str]:
        """Return the open work that is no task: requested films that are not joined yet, and
        doubts that the balance may still settle. A settled doubt can queue its order again."""
        films = self._books.execute("SELECT id FROM films WHERE run_at IS NOT NULL").fetchall()
        doubts = self._books.execute(
            "SELECT task_id FROM balance_trails WHERE verdict IS NULL"
        ).fetchall()
        return [
            *(f"film {number} is not joined" for (number,) in films),
            *(f"the doubt about task {number} is not settled" for (number,) in doubts),
        ]

    def frame(self, link: str) -> bytes | None:
        """Return the first frame behind a link, as long as the bot shows it."""
        token = link.rpartition("/")[2].removesuffix(".jpg")
        row = self._books.execute("SELECT jpeg FROM frames WHERE token = ?", (token,))
        found = row.fetchone()
        return bytes(found[0]) if found else None

    def close(self) -> None:
        """Close the books."""
        self._books.close()
        self.telegram._folder.cleanup()


class _Studio(Studio):
    """Makes videos at once: a signature, without pictures."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._made = itertools.count(1)

    def order(
        self, model: Model, prompt: str, ratio: str | None, image: str | None
    ) -> asyncio.Future[Made]:
        """Fetch the first frame while the order is accepted."""
        future: asyncio.Future[Made] = self._world.loop.create_future()
        frame = self._world.frame(image) if image else None
        if image and frame is None:
            future.set_result(Made(None, None, "image link cannot be read"))
        else:
            future.set_result(Made(sign(b"", f"{prompt}#{next(self._made)}"), frame))
        return future


class _Files(FileStore):
    """Files that are taken at their word; a picture is scaled once, whoever sends it."""

    _scaled: ClassVar[dict[bytes, list[tuple[bytes, dict[str, Any]]]]] = {}

    def video(
        self, source: bytes | Path, kind: str, *, thumbnail: StoredFile | None, **given: Any
    ) -> StoredFile:
        shape = {key: given.get(key) or 1 for key in ("width", "height", "duration")}
        return self.add(kind, source, name="video.mp4", mime_type="video/mp4", shape=shape)

    def photo(self, data: bytes) -> StoredFile:
        if data not in self._scaled:
            made = super().photo(data)
            self._scaled[data] = [(one.path.read_bytes(), one.shape) for one in made.sizes]
            return made
        sizes = [
            self.add("photo", content, shape=shape, mime_type="image/jpeg")
            for content, shape in self._scaled[data]
        ]
        sizes[-1].sizes = sizes
        return sizes[-1]


class _Lines(logging.Handler):
    """What the program logs that it must not: tracebacks, and locks that nobody explains."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.tracebacks: list[str] = []
        self.locked = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        if record.exc_info:
            self.tracebacks.append(f"{record.getMessage()}: {record.exc_info[1]!r}")
        elif "locked" in record.getMessage():
            self.locked += 1


@contextmanager
def listening(lines: _Lines) -> Iterator[None]:
    """Hear what the program logs, and nothing else."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [lines]
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
