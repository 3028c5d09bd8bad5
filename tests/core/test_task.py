"""States and transitions: every pair, and the fields that a transition resets."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bot.core.task import (
    ACTIVE,
    ALLOWED,
    ENDED,
    AspectRatio,
    Charge,
    Chat,
    IllegalTransition,
    Task,
    TaskState,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
S = TaskState


def task_in(state: TaskState) -> Task:
    return Task(
        id=7,
        user_id=1,
        chat=Chat(chat_id=1),
        message_id=2,
        lang="ru",
        model="seedance-1-lite-480P-5s",
        price=Decimal(17),
        state=state,
        run_at=NOON,
        created_at=NOON,
        attempts=3,
        claims=4,
    )


@pytest.mark.parametrize(("before", "after"), list(itertools.product(TaskState, TaskState)))
def test_a_state_follows_another_only_where_the_table_allows_it(
    before: TaskState, after: TaskState
) -> None:
    task = task_in(before)
    if after in ALLOWED[before]:
        moved = task.to(after, run_at=LATER)
        assert (moved.state, moved.run_at, moved.attempts, moved.claims) == (after, LATER, 0, 0)
        assert replace(moved, state=before, run_at=NOON, attempts=3, claims=4) == task
    else:
        with pytest.raises(IllegalTransition, match=f"task 7: {before} -> {after}"):
            task.to(after, run_at=LATER)


def test_every_state_leads_to_an_end() -> None:
    resting = set(TaskState) - ACTIVE
    reaches = set(resting)
    while more := {s for s in TaskState if s not in reaches and ALLOWED[s] & reaches}:
        reaches |= more
    assert reaches == set(TaskState)


def test_the_sets_of_states_are_as_documented() -> None:
    assert {S.CANCELLED, S.DELIVERED, S.FAILED} == ENDED
    assert {S.QUEUED, S.SUBMITTING, S.GENERATING, S.RENDERED} == ACTIVE
    # Money may be out in SUBMITTING: there is no way back but "surely not accepted".
    assert S.CANCELLED not in ALLOWED[S.SUBMITTING] | ALLOWED[S.GENERATING]
    assert S.FAILED not in ALLOWED[S.RENDERED], "a video that exists never becomes a failure"


def test_changes_override_the_reset_fields() -> None:
    moved = task_in(S.QUEUED).to(S.SUBMITTING, run_at=LATER, attempts=9, submitted_at=LATER)
    assert (moved.attempts, moved.submitted_at) == (9, LATER)


def test_a_retry_counts_an_attempt_and_no_claim() -> None:
    again = task_in(S.RENDERED).again(run_at=LATER, detail="x")
    assert (again.state, again.run_at, again.attempts) == (S.RENDERED, LATER, 4)
    assert (again.claims, again.detail) == (0, "x")
    assert task_in(S.RENDERED).again(run_at=LATER, attempts=0).attempts == 0


@pytest.mark.parametrize("provider_id", [None, "f" * 24])
@pytest.mark.parametrize("state", TaskState)
def test_the_charge_follows_the_state(state: TaskState, provider_id: str | None) -> None:
    charge = replace(task_in(state), provider_id=provider_id).charge
    if state is S.UNKNOWN:
        assert charge is Charge.UNKNOWN
    elif provider_id is None:
        assert charge is Charge.NONE
    else:
        assert charge is (Charge.UNKNOWN if state is S.FAILED else Charge.TAKEN)


def test_there_is_no_reply_to_a_message_in_the_old_group() -> None:
    assert task_in(S.DRAFT).reply_to == 2
    assert replace(task_in(S.DRAFT), message_id=0).reply_to is None


def test_ratios_are_width_over_height() -> None:
    assert [ratio.value_of for ratio in AspectRatio] == [1.0, 16 / 9, 9 / 16]
