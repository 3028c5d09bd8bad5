"""The promises that must hold after a campaign, read from the emulators' records.

It knows the promises (docs/reliability.md) and the two public APIs; only observer.py reads the
database.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Any

from bot import texts
from bot.sandbox.gptunnel.records import Charge
from bot.sandbox.telegram.calls import Call
from bot.texts.audience import reader
from tests.crash.actors import AGAIN, GO_ON, PICK, PICK_FILM, Kind, Order
from tests.crash.environment import Environment, signature
from tests.crash.processes import Wish
from tests.support import canaries

AFTER = 2.0
"""Seconds from an answer to the commit of what it says; on a machine that is so busy that a start
takes longer than this, as long as a start."""
SENDS = ("sendMessage", "sendPhoto", "sendVideo", "sendMediaGroup")


@dataclass
class Disturbances:
    """Times at which processes were killed, suspended or disconnected, in Unix seconds."""

    kills: list[float] = field(default_factory=list)
    stops: list[tuple[float, float]] = field(default_factory=list)  # from SIGSTOP to SIGCONT
    cuts: list[float] = field(default_factory=list)  # of connections to the database
    after: float = AFTER
    lease_seconds: float = Wish.lease_seconds

    @property
    def asleep(self) -> float:
        """Seconds for which a suspended worker may act on outdated data."""
        return self.lease_seconds + 3 * self.after

    @property
    def count(self) -> int:
        """Kills and stops."""
        return len(self.kills) + len(self.stops)

    def explain(self, first: Call, second: Call) -> bool:
        """Whether the second message may repeat the first: its process was killed or disconnected
        before it recorded the first, or one of the two was sent by a process suspended past its
        lease, or a fault dropped the answer.
        """
        if first.fault is not None:
            return True
        noted = (first.ended or first.started) + self.after
        last = max(noted, second.ended or second.started)
        interrupted = (*self.kills, *self.cuts)
        return any(first.started <= moment <= noted for moment in interrupted) or any(
            first.started - self.asleep <= woken and stopped <= last
            for stopped, woken in self.stops
        )

    def slept(self, at: float) -> bool:
        """Whether a process was suspended while it handled a press of this moment, which may have
        waited for a restart: the time for the answer may have run out before it was sent."""
        return any(
            stopped - self.asleep <= at <= woken + self.after for stopped, woken in self.stops
        )


@dataclass
class Numbers:
    """The numbers of a campaign."""

    orders: int = 0
    confirmed: int = 0
    charges: int = 0
    videos: int = 0
    duplicate_videos: int = 0
    duplicate_cards: int = 0
    unknown: int = 0
    again: int = 0
    cancelled: int = 0
    calls: int = 0
    interrupted_creates: int = 0  # creates that were open when a process was killed or suspended


class Verdict:
    """Judges when it is created; `violations` is empty when every promise was kept."""

    def __init__(
        self, environment: Environment, orders: list[Order], disturbances: Disturbances
    ) -> None:
        self._environment = environment
        self._disturbances = disturbances
        # Of several starts the middle one: the first makes the tables as well.
        starts = [seconds for life in environment.lives if (seconds := life.seconds_to_come_up)]
        disturbances.after = max(AFTER, median(starts) if starts else 0.0)
        self.violations: list[str] = []
        self.numbers = Numbers(orders=len(orders), calls=len(environment.telegram.calls))
        self._replies = _replies(environment.telegram.calls)
        self._charges = self._charges_by_mark(orders)
        for order in orders:
            self._judge(order)
        if environment.telegram.world.pending:
            self._wrong(f"{len(environment.telegram.world.pending)} updates were never taken")
        self._count_interrupted_creates()
        spoilt = sum(call.fault is not None for call in environment.telegram.calls)
        if self.numbers.duplicate_videos > self._most_repeats(disturbances) + spoilt:
            self._wrong(
                f"{self.numbers.duplicate_videos} videos came twice in {disturbances.count} kills"
            )
        self._logs()
        self._leaks()

    def _most_repeats(self, disturbances: Disturbances) -> int:
        """Return how many videos the disturbances explain that came twice."""
        return disturbances.count

    def _wrong(self, words: str) -> None:
        self.violations.append(words)

    def _charges_by_mark(self, orders: list[Order]) -> dict[str, list[Charge]]:
        charges = defaultdict(list)
        provider = self._environment.provider
        self.numbers.charges = len(provider.charges)
        known = {order.mark for order in orders}
        for charge in provider.charges:
            found = re.search(r"order-\d+-\d+", provider.tasks[charge.task_id].prompt)
            if found is None or found[0] not in known:
                self._wrong(f"{charge} is for nobody's order")
            else:
                charges[found[0]].append(charge)
        return charges

    def _judge(self, order: Order) -> None:
        calls = [
            call
            for message in order.messages
            for call in self._replies.get((order.person.id, message), [])
        ]
        self._judge_cards(order, calls)
        self._judge_presses(order)
        charges = self._charges[order.mark]
        told = self._judge_notices(order, calls)
        videos = self._judge_videos(order, calls)
        cancelled = self._said_cancelled(order)
        if order.agains - told:
            raise AssertionError("a button was pressed that no notice has")
        self.numbers.again += len(order.agains)
        # going on with a film orders no part again but the one whose fate was unknown
        wanted = (order.videos if order.picks else 0) + len(order.agains) + order.goes_on
        if len(charges) > wanted:
            self._wrong(f"{order.mark} was charged {len(charges)} times, ordered {wanted}")
        if len(videos) + len(told) < len(charges):
            self._wrong(
                f"{order.mark} was charged {len(charges)} times; {len(videos)} videos came and "
                f"{len(told)} were told as unknown"
            )
        if order.picks:
            self.numbers.confirmed += 1
            # a part whose fate is unknown stops its film
            stopped = order.kind is Kind.FILM and bool(
                told or order.stops or any(_stops_film(call) for call in calls)
            )
            if len(videos) + len(told) < order.videos and not (cancelled or stopped):
                words = [call.params.get("text", "")[:200] for call in calls]
                self._wrong(
                    f"{order.mark} ({order.kind}) was ordered and {len(videos)} came: {words}"
                )
        if order.kind is Kind.FILM:
            self._judge_film(order, charges)
        if cancelled:
            self.numbers.cancelled += 1
            if charges and not order.goes_on:
                self._wrong(f"{order.mark} was said to be cancelled, and charged")

    def _judge_film(self, order: Order, charges: list[Charge]) -> None:
        """A film never has a part twice or out of order, as the provider saw it. An unknown part
        that the person ordered again, alone or by going on, is the only one that may come twice.
        One that was ordered again alone may come at any time, also after the film.
        """
        tasks = [self._environment.provider.tasks[charge.task_id] for charge in charges]
        made = sorted(tasks, key=lambda one: one.created_at)
        places = [int(one.prompt.removeprefix("Place ")[0]) for one in made]
        twice = len(places) - len(set(places))
        misplaced = len(places) - longest_in_order(places)
        if misplaced > len(order.agains) or twice > len(order.agains) + order.goes_on:
            self._wrong(f"{order.mark}: its parts were made in the order {places}")
        if sorted(set(places)) != list(range(1, len(set(places)) + 1)) and not order.agains:
            self._wrong(f"{order.mark}: a part is missing among {places}")
        if any(
            (one.image is None) is not (place == 1)
            for one, place in zip(made, places, strict=True)
        ):
            self._wrong(f"{order.mark}: a part does not start from the one before it: {places}")

    def _count_interrupted_creates(self) -> None:
        """Creates are sent one by one: each killed process leaves at most one `unknown`."""
        creates = [call for call in self._environment.provider.calls if call.is_order]
        spoilt = sum(call.outcome.count(", ") for call in creates)
        moments = [
            *self._disturbances.kills,
            *(stopped for stopped, _ in self._disturbances.stops),
        ]
        self.numbers.interrupted_creates = sum(
            any(call.at <= moment <= (call.ended or call.at) for moment in moments)
            for call in creates
        )
        if self.numbers.unknown > self._disturbances.count + spoilt:
            self._wrong(
                f"{self.numbers.unknown} orders are unknown after {self._disturbances.count} "
                f"kills and stops, and {spoilt} creates that a fault met"
            )

    def _judge_cards(self, order: Order, calls: list[Call]) -> None:
        cards: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            tasks = {
                one.split("|")[1] for one in _buttons(call) if one.startswith((PICK, PICK_FILM))
            }
            for task in tasks:
                cards[task].append(call)
        if len(cards) > 1:
            self._wrong(f"{order.mark} became {len(cards)} tasks: {sorted(cards)}")
        if not cards:
            self._wrong(f"{order.mark} ({order.kind}) has no card")
        for id_ in order.messages:
            if not self._replies.get((order.person.id, id_)):
                self._wrong(f"message {id_} of {order.mark} ({order.kind}) has no answer")
        for shown in cards.values():
            self.numbers.duplicate_cards += len(shown) - 1
            self._explain(f"{order.mark}: its card", shown)
        if order.kind is Kind.PHOTO_FIRST:
            asked = self._replies.get((order.person.id, order.messages[0]), [])
            self._explain(f"{order.mark}: the question for its words", asked)

    def _judge_presses(self, order: Order) -> None:
        answered = self._environment.telegram.calls_of
        for query in order.presses:
            if not (
                answered("answerCallbackQuery", callback_query_id=query.id)
                or self._disturbances.slept(query.at)
            ):
                self._wrong(f"a press on {order.mark} has no answer")

    def _judge_notices(self, order: Order, calls: list[Call]) -> set[str]:
        """The buttons of the unknown tasks that the person was told of."""
        told: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            for one in _buttons(call):
                if one.startswith(AGAIN):
                    told[one].append(call)
        for same in told.values():
            self._explain(f"{order.mark}: that it is unknown", same)
        self.numbers.unknown += len(told)
        return set(told)

    def _judge_videos(self, order: Order, calls: list[Call]) -> Counter[str]:
        """How often each video of the order came."""
        sends: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            if call.method != "sendVideo" or _is_whole_film(call):
                continue
            signed = self._signature(call)
            sends[signed].append(call)
            if order.mark not in signed:
                self._wrong(f"{order.mark} was answered with the video {signed!r}")
        for signed, same in sends.items():
            self._explain(f"{order.mark}: its video {signed[-6:]}", same)
        self.numbers.videos += len(sends)
        # One call that is repeated repeats all videos of an album.
        repeats = {call.number for same in sends.values() for call in same[1:]}
        self.numbers.duplicate_videos += len(repeats)
        return Counter({signed: len(same) for signed, same in sends.items()})

    def _signature(self, call: Call) -> str:
        files = self._environment.telegram.world.files
        for kind in ("video", "document", "animation"):
            if kind in call.result and (stored := files.get(call.result[kind]["file_id"])):
                return signature(stored.path.read_bytes())
        return ""

    def _explain(self, what: str, same: list[Call]) -> None:
        """A repeat is allowed by "at least once", but only if a process was killed meanwhile."""
        for first, second in pairwise(same):
            if not self._disturbances.explain(first, second):
                then = [at for at in self._disturbances.kills if at >= first.started]
                after = f"{min(then) - first.started:.1f} s after it" if then else "before it"
                self._wrong(
                    f"{what} was sent twice although nothing was killed meanwhile: again after "
                    f"{second.started - first.started:.1f} s, the next kill {after}"
                )

    def _said_cancelled(self, order: Order) -> bool:
        """Recognised by the text of the answer to a press; the press itself may be too old for an
        answer.
        """
        said = set()
        for pays in (True, False):
            with reader(pays=pays):
                said.add(texts.statuses.press_cancelled("en"))
        return any(
            call.params.get("text") in said
            for query in order.cancels
            for call in self._environment.telegram.calls_of(
                "answerCallbackQuery", callback_query_id=query.id
            )
        )

    def _logs(self) -> None:
        for life in self._environment.lives:
            lines = life.lines
            traces = lines.count("Traceback (most recent call last)")
            if traces:
                last = re.findall(r"\\n([\w.]+(?:Error|Group)[^\\\"]*)", lines)
                self._wrong(f"{life.log.name}: {traces} tracebacks, {last[-1:]}")
            if "database is locked" in lines and not self._disturbances.stops:
                self._wrong(f"{life.log.name}: database is locked")

    def _leaks(self) -> None:
        """No secret and no location of a photo may be anywhere, including the logs."""
        self.violations += [
            *canaries.leaks_to_telegram(self._environment.telegram),
            *canaries.leaks_to_provider(self._environment.provider),
            *canaries.leaks_on_disk(self._environment.folder),
        ]


def longest_in_order(places: Sequence[int]) -> int:
    """Return the length of the longest subsequence whose numbers never decrease."""
    ends: list[int] = []  # for each length, the lowest number that ends such a subsequence
    for place in places:
        at = bisect_right(ends, place)
        ends[at : at + 1] = [place]
    return len(ends)


def _replies(calls: list[Call]) -> dict[tuple[int, int], list[Call]]:
    """Return the sent messages, answered calls or not, by chat and replied-to message."""
    found: dict[tuple[int, int], list[Call]] = defaultdict(list)
    for call in calls:
        if call.method not in SENDS or not call.ok:
            continue
        reply = call.params.get("reply_parameters") or {}
        answers = found[call.params["chat_id"], reply.get("message_id", 0)]
        if call.method == "sendMediaGroup":
            answers += (replace(call, method="sendVideo", result=one) for one in call.result)
        else:
            answers.append(call)
    return found


def _stops_film(call: Call) -> bool:
    """Return whether this message says that a film stopped, by its button "Go on from here"."""
    return any(one.startswith(GO_ON) for one in _buttons(call))


def _is_whole_film(call: Call) -> bool:
    """Whether the video is a film joined from its parts, which costs nothing."""
    return str(call.params.get("caption") or "").startswith("🎞 ")


def _buttons(call: Call) -> list[str]:
    markup: dict[str, Any] = call.params.get("reply_markup") or {}
    return [
        button.get("callback_data", "")
        for row in markup.get("inline_keyboard", [])
        for button in row
    ]
