"""Suggestions for photos that came without words: kept with the draft, deleted with it.

The text is a model's, about a stranger's picture: it must be checked before it comes here, and is
only shown or sent as a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bot.core.suggestions import Suggestion
from bot.core.task import TaskState
from storage.engine import Database
from storage.tables import in_states, suggestions, tasks

_new = insert(suggestions).from_select(
    ["task_id", "content"],
    sa.select(tasks.c.id, sa.bindparam("new_content", type_=sa.Text)).where(
        tasks.c.id == sa.bindparam("draft"),
        in_states({TaskState.DRAFT}),
        tasks.c.prompt.is_(None),
        tasks.c.frame_file_id.is_not(None),
    ),
)
_KEEP = _new.on_conflict_do_update(
    index_elements=["task_id"], set_={"content": _new.excluded.content}
).returning(suggestions.c.task_id)
_OF = sa.select(suggestions.c.content).where(suggestions.c.task_id == sa.bindparam("draft"))


class SuggestionStore:
    """Suggestions by draft."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, task_id: int, found: Sequence[Suggestion]) -> bool:
        """Keep the suggestions of a photo that still waits for words; return whether it does."""
        content = json.dumps([[one.label, one.prompt] for one in found], ensure_ascii=False)
        async with self._database.transaction() as connection:
            kept = await connection.execute(_KEEP, {"draft": task_id, "new_content": content})
            return len(kept.all()) == 1

    async def of(self, task_id: int) -> tuple[Suggestion, ...]:
        """Return the suggestions of a draft; () without any."""
        async with self._database.transaction() as connection:
            content: str | None = await connection.scalar(_OF, {"draft": task_id})
        return tuple(Suggestion(*one) for one in json.loads(content)) if content else ()
