"""The judge of a life: the promises of the campaign, and what an outage may cost.

It reads the emulators' books and what went over the wires, never what the bot says about itself.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from bot import texts
from bot.core.breaker import NEEDED
from bot.core.gate import TASKS
from bot.sandbox.telegram.calls import Call
from tests.crash.actors import Order
from tests.crash.environment import Environment
from tests.crash.verdict import Disturbances, Verdict
from tests.simulation.films import Film, marks
from tests.simulation.network import CREATE_SECONDS, Act, Outage
from tests.simulation.world import Create, World

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTICE_SECONDS, HANG_SECONDS = 10.0, 40.0
"""Seconds from the first failed question of a process until it knows of an outage. A call that
hangs takes 30 s."""
MOST_QUESTIONS = 8
"""The largest number of questions of one process in the rest of an outage of two minutes. Its
waits grow from 2 to 60 s. In 120 lives there were at most 4. If each of five tasks asked on its
own, there would be at least 14."""
SLACK = 0.5
"""Seconds from a lost answer to the commit that stops other creates."""


class Judge(Verdict):
    """Judges when it is created."""

    def __init__(
        self, world: World, orders: list[Order], films: Sequence[Film], found: Sequence[str]
    ) -> None:
        self._world = world
        self.films = 0
        self._came: Counter[str] = Counter()
        super().__init__(cast(Environment, world), orders, world.disturbances)
        self.violations += found
        for film in films:
            self._judge_whole_film(film)
        for order in orders:
            self._stays_stopped(order)
        self._settled_by_balance()
        self._ledger()
        self._creates_stop()
        self._questions_back_off()

    def _judge_videos(self, order: Order, calls: list[Call]) -> Counter[str]:
        videos = super()._judge_videos(order, calls)
        self._came[order.mark] = len(videos)
        return videos

    def _settled_by_balance(self) -> None:
        """Who is told that an order was paid was charged for it: the video never came."""
        said = Counter(prompt.rpartition(" ")[2] for prompt in self._world.said_to_be_charged())
        for mark, count in said.items():
            charges = len(self._charges[mark])
            if charges < count + self._came[mark]:
                self._wrong(f"{mark} was settled as paid, and was charged {charges} times")

    def _ledger(self) -> None:
        """With nothing open, what was reserved and not returned is what the provider charged."""
        prices = {charge.task_id: charge.price * 100 for charge in self._world.provider.charges}
        for id_, state, provider_id, reserved, returned, charged in self._world.money():
            kept = reserved - returned
            if kept != charged and not (state == "unknown" and not charged):
                self._wrong(
                    f"task {id_} ({state}): {kept} kopecks are kept, {charged} were charged"
                )
            if provider_id is not None and charged != prices.get(provider_id, 0):
                self._wrong(
                    f"task {id_} ({state}): the ledger says {charged} kopecks, the provider "
                    f"charged {prices.get(provider_id, 0)}"
                )

    def _stays_stopped(self, order: Order) -> None:
        """After the answer to a stop the provider is asked for no more parts."""
        if order.goes_on or order.agains:
            return
        for query in order.stops:
            for call in self._world.telegram.calls_of(
                "answerCallbackQuery", callback_query_id=query
            ):
                if call.params.get("text") != texts.storyboards.press_stopped("en"):
                    continue
                late = [
                    charge
                    for charge in self._charges[order.mark]
                    if charge.at > call.started + CREATE_SECONDS[1]
                ]
                if late and not self._disturbances.stops:
                    self._wrong(f"{order.mark} was stopped, and {len(late)} parts were made later")

    def _most_repeats(self, disturbances: Disturbances) -> int:
        """A process may be about to send all orders of a life when it is suspended."""
        return len(disturbances.kills) + len(disturbances.cuts) + 20 * len(disturbances.stops)

    def _judge_whole_film(self, film: Film) -> None:
        """It comes for a request, whole, with its parts in order, and not more often."""
        telegram = self._world.telegram
        for query in film.requests:
            if not telegram.calls_of("answerCallbackQuery", callback_query_id=query.id):
                self._wrong("a press for a whole film has no answer")
        # A video whose answer was lost is there before its part: that press is told to wait.
        early = texts.films.press_one_part("en")
        requests = [
            query
            for query in film.requests
            if not telegram.calls_of("answerCallbackQuery", callback_query_id=query.id, text=early)
        ]
        if not requests:
            return
        sent = [
            call
            for call in self._replies.get((film.person.id, film.asked_at), [])
            if call.method == "sendVideo"
        ]
        if not sent:
            self._wrong(f"the film of {film.parts} was asked for and never came")
        for call in sent:
            stored = telegram.world.files.get(call.result["video"]["file_id"])
            joined = marks(stored.path.read_bytes()) if stored else []
            if joined != film.parts:
                self._wrong(f"the film of {film.parts} was joined from {joined}")
        if len(requests) == 1:
            self._explain("a film", sent)
        self.films += bool(sent)

    def _creates_stop(self) -> None:
        """After a lost create nothing is sent until free questions were answered; then one."""
        creates = self._world.creates
        for lost in creates:
            if not lost.paid or not lost.lost or lost.known_at is None:
                continue
            known = lost.known_at
            if self._was_struck(lost.sent_at, known + SLACK):
                continue
            later = [one for one in creates if one.paid and one.sent_at > known + SLACK]
            if not later:
                continue
            first = later[0]
            since = [one for one in creates if known < (one.known_at or 0) <= first.sent_at]
            if any(one.paid and one.accepted for one in since):
                continue  # one that was out before says that the provider is there
            good = sum(not one.paid and one.answered for one in since)
            if good < NEEDED:
                self._wrong(
                    f"a create went out {first.sent_at - known:.1f} s after one was lost, "
                    f"and {good} free questions had been answered"
                )
            elif first.known_at is not None:
                self._one_goes_first(first, later[1:])

    def _one_goes_first(self, first: Create, rest: Sequence[Create]) -> None:
        assert first.known_at is not None
        early = [one for one in rest if one.sent_at < first.known_at]
        if early and not self._was_struck(first.sent_at, first.known_at):
            self._wrong(f"{len(early)} creates went out before the first one was answered")

    def _was_struck(self, start: float, end: float) -> bool:
        """Whether a process died, slept or lost its disk meanwhile."""
        disturbances, zero = self._world.disturbances, self._world.unix() - self._world.loop.now
        moments = [at - zero for at in (*disturbances.kills, *disturbances.cuts)]
        return any(start <= at <= end for at in moments) or any(
            stopped - zero <= end and start <= woken - zero
            for stopped, woken in disturbances.stops
        )

    def _questions_back_off(self) -> None:
        """In an outage each task is asked about more and more rarely."""
        zero = self._world.unix() - self._world.loop.now
        for outage in self._world.weather.outages:
            if outage.side != "provider":
                continue
            asked = Counter(
                call.body.get("task_id")
                for call in self._world.provider.calls
                if call.name == "result" and outage.start <= call.at - zero < outage.end
            )
            began = sum(one.started_at < outage.end for one in self._world.processes)
            most = (8 + (outage.end - outage.start) / 20) * began
            for task, count in asked.items():
                if count > most:
                    self._wrong(f"{task} was asked for {count} times in {outage}")
            self._one_in_turn_asks(outage)

    def _one_in_turn_asks(self, outage: Outage) -> None:
        """Once a process knows of an outage, it asks rarely, however many tasks are open."""
        notices = HANG_SECONDS if outage.act is Act.HANG_BEFORE else NOTICE_SECONDS
        for name, questions in self._world.questions.items():
            asked = [one for one in questions if outage.start <= one[0] < outage.end]
            since = {task: at for at, task in reversed(asked)}
            if len(since) < TASKS:
                continue  # it cannot know of the outage by so few
            knows = sorted(since.values())[TASKS - 1] + notices
            late = [task for at, task in asked if at >= knows]
            if len(late) > MOST_QUESTIONS:
                self._wrong(
                    f"{name} asked {len(late)} questions about {len(set(late))} tasks in {outage}"
                )

    def _logs(self) -> None:
        spoken = self._world.spoken
        self.violations += [f"a traceback: {line}" for line in spoken.tracebacks]
        if spoken.locked and not self._disturbances.stops:
            self._wrong("database is locked")

    def _leaks(self) -> None:
        """Secrets are looked for where there is HTTP: in the campaign and in tests/faults."""
