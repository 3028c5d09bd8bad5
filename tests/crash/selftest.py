"""Run the campaign against seeded bugs: each must make it fail, with the matching message.

A check that cannot fail proves nothing. Each bug gets a plan that can trigger it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.crash import campaign, scale, steps
from tests.crash.processes import Launcher
from tests.support.postgres import PostgresServer

JOURNEYS = ("photo", "unknown")
TRIES = 3
"""A bug that needs two workers to meet may need another seed."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One bug, a plan that triggers it, and the message that must appear."""

    bug: str
    words: str
    plan: campaign.Plan | None = None  # None: kills at named steps instead
    like: str = ""  # words in the names of those steps
    database: str = "sqlite"
    watches_leases: bool = False


def _plan(**changes: object) -> campaign.Plan:
    # Some bugs lose cards: nobody has to wait for those to the end.
    usual: dict[str, object] = {"seed": 0, "kills": 20, "orders": 30, "card_seconds": 60.0}
    return campaign.Plan(**usual | changes)  # type: ignore[arg-type]


_MEETINGS = {"kills": 0, "orders": 60, "workers": 2, "stops": 0.0, "idle_seconds": 0.01}
"""Two workers that check for work all the time, without kills."""

TRIALS = (
    Trial(bug="no-intent", words="was charged", plan=_plan()),
    Trial(bug="repost", words="was charged", plan=_plan()),
    Trial(bug="early-done", words="no card|no answer|came to nothing", plan=_plan()),
    Trial(bug="confirmed-unsaved", words="no card|no answer|came to nothing", plan=_plan()),
    Trial(
        bug="no-begin",
        words="does not lead to its state|came to nothing|is not sent",
        like="between",
    ),
    Trial(
        bug="no-fence",
        # a resumed process writes RENDERED over a task that another has delivered
        words="was sent twice although|tracebacks",
        # Generation takes so long that both hold the task after the suspended process resumes.
        plan=_plan(kills=5, orders=40, people=40, stops=1.0, video_seconds=(12.0, 18.0)),
    ),
    Trial(bug="no-begin-immediate", words="database is locked", plan=_plan(**_MEETINGS)),
    Trial(
        bug="no-skip-locked",
        # fences prevent harm: only the triggers on the leases notice it
        words="leased to two at once",
        plan=_plan(**_MEETINGS),
        database="postgres",
        watches_leases=True,
    ),
)


@dataclass
class Outcome:
    """The outcome of one trial."""

    trial: Trial
    found: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people, in a line."""
        if self.found:
            return f"{self.trial.bug}: noticed with seed {self.seeds[-1]}: {self.found[0]}"
        return f"{self.trial.bug}: NOT NOTICED with seeds {self.seeds}; {self.others[:3]}"


async def run(
    trial: Trial,
    launcher: Launcher,
    folder: Path,
    server: PostgresServer | None,
) -> Outcome:
    """Run until the bug is noticed, with up to TRIES seeds."""
    assert server is not None
    outcome = Outcome(trial)
    for seed in range(1, TRIES + 1):
        place = folder / f"{trial.bug}-{seed}"
        if trial.plan is None:
            results = await steps.run(
                launcher, place, seed=seed, journeys=JOURNEYS, like=trial.like, bug=trial.bug
            )
            said = results.violations
        else:
            plan = replace(trial.plan, seed=seed, bug=trial.bug)
            url = await server.create() if trial.database == "postgres" else ""
            run_it = scale.run if trial.watches_leases else campaign.run
            report = await run_it(plan, launcher, place, database_url=url)
            said = report.violations
        outcome.seeds.append(seed)
        outcome.found = [one for one in said if re.search(trial.words, one)]
        outcome.others = said
        if outcome.found:
            break
    return outcome
