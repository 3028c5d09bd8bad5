"""Several processes on one PostgreSQL: killed, suspended and disconnected while people order.

In addition to the checks of every campaign: no row is leased to two at once, and all processes
together keep to the provider's concurrency and to Telegram's rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bot.settings import Settings
from bot.telegram.rate_limits import RateLimiter
from storage import open_storage
from tests.crash import campaign
from tests.crash.claims import Claims
from tests.crash.environment import Environment
from tests.crash.processes import Launcher

ROLES = ("intake", "intake", "worker", "worker")
WINDOW_SECONDS = 30.0
PACED = ("send", "edit", "copy", "forward", "delete")  # and sendChatAction, which is no message


def plan(seed: int, *, kills: int, orders: int, updates: str = "polling") -> campaign.Plan:
    """The plan of `make scale`, with so many kills and orders."""
    return campaign.Plan(
        seed=seed,
        kills=kills,
        orders=orders,
        people=max(orders // 12, 6),
        roles=ROLES,
        updates=updates,
        stops=0.08,
        life_seconds=(1.0, 8.0),
        cut_seconds=2.0,
        lease_seconds=6.0,
    )


@dataclass
class Report:
    """The result; the campaign passed if `violations` is empty."""

    campaign: campaign.Report
    claims: int
    doubles: list[str]
    at_provider: int
    in_window: int
    violations: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people, a few lines."""
        return "\n".join(
            [
                self.campaign.text(),
                f"{self.claims} claims, {len(self.doubles)} of them double; at most "
                f"{self.at_provider} videos at the provider at once, {self.in_window} calls of "
                f"{', '.join(PACED)}… to Telegram in {WINDOW_SECONDS:.0f} s",
                *(f"  BROKEN: {one}" for one in self.violations if one not in self._known),
            ]
        )

    @property
    def _known(self) -> list[str]:
        return self.campaign.violations


async def run(
    wanted: campaign.Plan, launcher: Launcher, folder: Path, *, database_url: str
) -> Report:
    """One campaign on an empty PostgreSQL."""
    async with open_storage(database_url):
        pass  # the tables are there
    claims = Claims(database_url)
    await claims.watch()
    seen: list[Environment] = []
    done = await campaign.run(
        wanted, launcher, folder, database_url=database_url, judged=seen.append
    )
    [environment] = seen
    report = Report(
        done,
        await claims.seen(),
        await claims.doubles(),
        most_at_once(
            (job.created_at, job.ready_at) for job in environment.provider.tasks.values()
        ),
        most_at_once(
            (call.started, call.started + WINDOW_SECONDS)
            for call in environment.telegram.calls
            if call.method.startswith(PACED) and call.method != "sendChatAction"
        ),
        list(done.violations),
    )
    # An unknown order may be at the provider, but uses no slot here.
    slots = Settings.model_fields["provider_concurrency"].default + done.numbers.unknown
    each, burst = RateLimiter.SHARED
    calls = (WINDOW_SECONDS + burst) / each * 1.1  # their way takes its time, too
    wrong = (
        (bool(report.doubles), f"leased to two at once: {report.doubles[:3]}"),
        (report.at_provider > slots, f"{report.at_provider} at the provider at once"),
        (report.in_window > calls, f"{report.in_window} calls in {WINDOW_SECONDS:.0f} s"),
    )
    report.violations += [words for holds, words in wrong if holds]
    return report


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return the largest number of spans that overlap at one time."""
    steps = sorted(
        step for begins, ends in spans for step in ((begins, 1), (max(ends, begins), -1))
    )
    most = now = 0
    for _, change in steps:
        now += change
        most = max(most, now)
    return most
