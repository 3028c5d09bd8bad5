"""The status messages of waiting people: position, elapsed time, limited edits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast

import pytest
from aiogram.utils.formatting import Text

from bot.core.errors import TelegramLater, TelegramRejected
from bot.core.schedule import PRIOR, DurationDistribution
from bot.core.task import AspectRatio, Chat, Frame, Task, TaskState
from bot.jobs.progress import Progress
from bot.telegram.messenger import Messenger

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAW = DurationDistribution(early=20, median=40, late=80, last=100, known=True)
S = TaskState


class Stop(Exception):
    """The end of a test's time."""


@dataclass
class FakeMessenger:
    """Keeps what was shown."""

    edits: list[tuple[float, int, str]] = field(default_factory=list)
    actions: list[tuple[float, str]] = field(default_factory=list)
    drafts: list[tuple[float, int, str]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    takes_actions: bool = True
    takes_drafts: bool = True
    is_busy: bool = False
    errors: list[Exception] = field(default_factory=list)
    now: float = 0.0

    async def edit(self, chat: Chat, message_id: int, text: Text, **_: Any) -> None:
        self.edits.append((self.now, message_id, text.render()[0]))
        if self.errors:
            raise self.errors.pop(0)

    async def action(self, chat: Chat, action: str) -> bool:
        self.actions.append((self.now, action))
        return self.takes_actions

    async def draft(self, chat: Chat, draft_id: int, text: Text) -> bool:
        self.drafts.append((self.now, draft_id, text.render()[0]))
        return self.takes_drafts

    async def delete(self, chat: Chat, message_id: int) -> None:
        self.deleted.append(message_id)

    def busy(self, chat: Chat) -> bool:
        return self.is_busy


@dataclass
class Screen:
    """A chat that is watched while the clock is moved."""

    messenger: FakeMessenger
    progress: Progress
    start: datetime
    clock: list[datetime]

    async def watch(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.until = self.clock[0] + timedelta(seconds=seconds)
        running = asyncio.create_task(self.progress.run())  # noqa: TID251 - ended below
        looked_at: datetime | None = None
        # With nothing to show, it does not read the clock.
        while not running.done() and looked_at != self.clock[0]:
            looked_at = self.clock[0]
            for _ in range(20):
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises((Stop, asyncio.CancelledError)):
            await running
        self.clock[0] = max(self.clock[0], self.until)


@pytest.fixture
def screen() -> Screen:
    clock, messenger = [NOON], FakeMessenger()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        clock[0] += timedelta(seconds=seconds)
        messenger.now = (clock[0] - NOON).total_seconds()
        if clock[0] >= made.until:
            raise Stop

    progress = Progress(cast(Messenger, messenger), clock=lambda: clock[0], sleep=sleep)
    made = Screen(messenger, progress, NOON, clock)
    return made


def task(state: TaskState = S.QUEUED, chat_id: int = 7, **changes: Any) -> Task:
    made = Task(
        id=1, user_id=7, chat=Chat(chat_id=chat_id), message_id=4, lang="en",
        model="seedance-1-lite-480P-5s", price=Decimal(17), state=state, run_at=NOON,
        created_at=NOON, prompt="A cat", aspect_ratio=AspectRatio.WIDE, card_message_id=50,
        confirmed_at=NOON,
    )  # fmt: skip
    return replace(made, **changes)


async def test_the_position_is_shown_again_only_when_it_changes(screen: Screen) -> None:
    screen.progress.queue([(task(), 3)], held=False)
    await screen.watch(30)
    [(_, message, first)] = screen.messenger.edits
    assert message == 50
    assert "number 3 in the queue" in first
    screen.progress.queue([(task(), 2)], held=False)
    await screen.watch(30)
    assert "number 2 in the queue" in screen.messenger.edits[1][2]
    assert len(screen.messenger.edits) == 2


async def test_queued_photos_show_that_they_wait_for_the_tunnel(screen: Screen) -> None:
    photo = task(frame=Frame(file_id="x", kind="photo"))
    words = task(id=2, card_message_id=51)
    screen.progress.queue([(photo, 1), (words, 2)], held=False, no_address=True)
    await screen.watch(10)
    screen.progress.forget(photo.id)  # a worker looked, and put it off
    screen.progress.queue([(photo, 1), (words, 2)], held=False, no_address=True)
    await screen.watch(60)
    said = {message: text for _, message, text in screen.messenger.edits}
    assert len(screen.messenger.edits) == 2
    assert "waits for its connection" in said[50]
    assert "number 2 in the queue" in said[51]


async def test_a_photo_that_cannot_be_fetched_is_not_told_as_a_busy_service(
    screen: Screen,
) -> None:
    photo = task(frame=Frame(file_id="x", kind="photo"), attempts=1, detail="the photo: flood")
    screen.progress.queue([(photo, 1)], held=False)
    await screen.watch(10)
    screen.progress.forget(photo.id)
    screen.progress.show(photo, PRIOR, waiting=True)
    await screen.watch(10)
    [(_, _, text)] = screen.messenger.edits
    assert "Photos cannot be passed on" in text
    screen.progress.leave(replace(photo, attempts=2, detail="code 6"), PRIOR, held=False)
    await screen.watch(10)
    assert "very busy" in screen.messenger.edits[-1][2]


async def test_a_task_that_waits_between_two_tries_is_not_edited_with_the_same_text(
    screen: Screen,
) -> None:
    waits = task(attempts=1)
    for _ in range(3):
        screen.progress.leave(waits, PRIOR, held=False)
        await screen.watch(10)
        screen.progress.queue([(waits, 1)], held=False)
        await screen.watch(60)
    [(_, message, text)] = screen.messenger.edits
    assert message == 50
    assert "very busy" in text
    screen.progress.queue([(replace(waits, card_message_id=51), 1)], held=False)
    await screen.watch(60)
    assert [message for _, message, _ in screen.messenger.edits] == [50, 51]


async def test_a_task_that_left_the_queue_shows_no_position(screen: Screen) -> None:
    screen.progress.queue([(task(), 3)], held=False)
    screen.progress.queue([], held=False)
    await screen.watch(60)
    assert screen.messenger.edits == []


async def test_the_workers_status_overrides_the_queues(screen: Screen) -> None:
    screen.progress.queue([(task(), 1)], held=False)
    generating = task(S.GENERATING, accepted_at=NOON)
    screen.progress.show(generating, LAW)
    screen.progress.queue([(task(), 1)], held=False)  # read before the worker had it
    screen.progress.queue([], held=False)
    await screen.watch(10)
    assert "Making your video" in screen.messenger.edits[0][2]


async def test_a_held_queue_is_shown_at_once(screen: Screen) -> None:
    screen.progress.queue([(task(), 1)], held=False)
    await screen.watch(20)
    screen.progress.queue([(task(), 1)], held=True)
    await screen.watch(2)
    assert "A problem on our side" in screen.messenger.edits[-1][2]
    screen.progress.queue([(task(attempts=2), 1)], held=False)
    await screen.watch(2)
    assert "very busy" in screen.messenger.edits[-1][2]


async def test_a_video_that_arrives_at_once_is_not_announced(screen: Screen) -> None:
    screen.progress.show(task(S.GENERATING, accepted_at=NOON), LAW)
    await screen.watch(3.5)
    screen.progress.show(task(S.RENDERED, accepted_at=NOON), LAW)  # the next edit is almost due
    await screen.watch(0.9)
    assert len(screen.messenger.edits) == 1
    await screen.watch(2)
    assert "Sending it" in screen.messenger.edits[-1][2]


async def test_edits_come_at_growing_intervals(screen: Screen) -> None:
    screen.progress.show(task(S.GENERATING, accepted_at=NOON), LAW)
    await screen.watch(200)
    times = [at for at, _, _ in screen.messenger.edits]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) > 5
    assert gaps == sorted(gaps)
    assert gaps[0] >= 4
    assert gaps[-1] >= 25


async def test_a_group_is_edited_more_slowly(screen: Screen) -> None:
    screen.progress.show(task(S.GENERATING, chat_id=-7, accepted_at=NOON), LAW)
    await screen.watch(100)
    times = [at for at, _, _ in screen.messenger.edits]
    assert all(later - at >= 15 for at, later in pairwise(times))
    acts = [at for at, _ in screen.messenger.actions]
    assert all(later - at >= 15 for at, later in pairwise(acts))


async def test_a_duration_beyond_the_90th_percentile_is_shown(screen: Screen) -> None:
    screen.progress.show(task(S.GENERATING, accepted_at=NOON), LAW)
    await screen.watch(70)
    assert not any("longer than usual" in text for _, _, text in screen.messenger.edits)
    assert all("Usually: 20–80 seconds" in text for _, _, text in screen.messenger.edits)
    await screen.watch(60)
    assert "longer than usual" in screen.messenger.edits[-1][2]


async def test_the_chat_action_is_recording_while_a_video_is_made(screen: Screen) -> None:
    screen.progress.show(task(S.GENERATING, accepted_at=NOON), PRIOR)
    await screen.watch(21)
    assert [action for _, action in screen.messenger.actions] == 5 * ["record_video"]
    screen.progress.forget(1)
    await screen.watch(20)
    assert len(screen.messenger.actions) == 5


async def test_a_place_that_takes_no_action_is_not_asked_again(screen: Screen) -> None:
    screen.messenger.takes_actions = False
    screen.progress.show(task(S.GENERATING, chat_id=-7, accepted_at=NOON), PRIOR)
    await screen.watch(600)
    assert len(screen.messenger.actions) == 1


async def test_nothing_is_shown_where_it_would_delay_a_result(screen: Screen) -> None:
    screen.messenger.is_busy = True
    screen.progress.show(task(S.GENERATING, accepted_at=NOON), PRIOR)
    screen.progress.queue([(task(id=2), 1)], held=False)
    await screen.watch(30)
    assert screen.messenger.edits == []
    assert screen.messenger.actions == []
    assert screen.messenger.drafts == []


async def test_a_stop_button_is_shown_with_the_position_while_it_is_free(screen: Screen) -> None:
    screen.progress.queue([(task(), 3)], held=False)
    await screen.watch(70)
    times = [at for at, _, _ in screen.messenger.drafts]
    assert {draft for _, draft, _ in screen.messenger.drafts} == {1}
    assert "number 3" in screen.messenger.drafts[0][2]
    assert len(times) >= 3
    screen.progress.show(task(S.GENERATING, accepted_at=NOON), PRIOR)
    await screen.watch(70)
    assert len(screen.messenger.drafts) == len(times)


@pytest.mark.parametrize("chat", [Chat(chat_id=-7), Chat(chat_id=7, business_connection_id="b")])
async def test_the_stop_button_is_shown_only_in_private(screen: Screen, chat: Chat) -> None:
    screen.progress.queue([(task(chat=chat), 3)], held=False)
    await screen.watch(70)
    assert screen.messenger.drafts == []
    assert screen.messenger.edits


async def test_a_server_without_drafts_is_not_asked_again(screen: Screen) -> None:
    screen.messenger.takes_drafts = False
    screen.progress.queue([(task(), 3), (task(id=2), 4)], held=False)
    await screen.watch(70)
    assert len(screen.messenger.drafts) <= 2
    assert len(screen.messenger.edits) == 2


async def test_a_deleted_message_is_ignored_and_flood_control_is_waited_out(
    screen: Screen,
) -> None:
    screen.messenger.errors = [TelegramLater("flood", retry_after=20)]
    screen.progress.queue([(task(), 3)], held=False)
    await screen.watch(60)
    first, second = screen.messenger.edits
    assert second[0] - first[0] >= 20
    screen.messenger.errors = [TelegramRejected("message to edit not found")]
    screen.progress.queue([(task(), 2)], held=False)
    await screen.watch(60)
    screen.progress.queue([(task(), 1)], held=False)
    await screen.watch(60)
    assert len(screen.messenger.edits) == 3
