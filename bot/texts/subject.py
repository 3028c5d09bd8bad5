"""What a text is about, a video or a picture, as a context like its reader.

A message whose words differ for pictures has a second entry in the catalogs, with the context
"picture". So texts are written once; jobs and handlers say what they speak of. It must not know
tasks' states.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bot.core.task import Task, TaskKind

_subject: ContextVar[TaskKind] = ContextVar("subject", default=TaskKind.VIDEO)


@contextmanager
def about(task: Task | None) -> Iterator[None]:
    """Let texts inside the block speak of this task: a video or a picture. None: a video."""
    token = _subject.set(TaskKind.VIDEO if task is None else task.kind)
    try:
        yield
    finally:
        _subject.reset(token)


def speak_of(task: Task | None) -> None:
    """Make the texts about this task, until the surrounding `about` ends: that of an update."""
    if task is not None:
        _subject.set(task.kind)


def subject() -> TaskKind:
    """Return what the text that is being made is about."""
    return _subject.get()
