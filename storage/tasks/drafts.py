"""Drafts: a message of a person becomes a draft, which can be changed until it is ordered.

The same message again returns the same draft, in its current state. The `revision` grows with each
change, so that a card knows whether it still shows what would be ordered. The file is long on
purpose: everything that makes a draft keeps the same rules about repeated messages.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bot.core.task import ENDED, Chat, Frame, Task, TaskKind, TaskState
from storage.engine import Connection
from storage.inbox import note_done
from storage.photo_requests import PhotoRequest, take_request
from storage.rows import FRESH, chat_values, in_chat, task_from
from storage.tables import callback_actions, in_states, tasks
from storage.tasks.leases import LeasedTasks, add_event

S = TaskState

JOIN_WITHIN = timedelta(minutes=2)
"""A picture without a caption belongs to a text that came at most this long before."""


class Drafts(LeasedTasks):
    """Draft operations: create and edit tasks before confirmation."""

    async def draft_from_text(
        self,
        *,
        user_id: int,
        chat: Chat,
        message_id: int,
        lang: str,
        model: str,
        price: Decimal,
        prompt: str,
        now: datetime,
        original: str | None = None,
        rewritten: str | None = None,
        replied_to: int | None = None,
        frame: Frame | None = None,
        source_id: int | None = None,
    ) -> Task:
        """Return the draft of a text.

        A reply to a card changes that card; a reply to a photo is about that photo (`frame`).
        Otherwise the photo that waits for a prompt in this place gets it, or a draft is created.
        `source_id` is the key if there is no message of the person.
        """
        key = message_id if source_id is None else source_id
        words = {
            "prompt": prompt,
            "original": original,
            "rewritten": rewritten,
            "message_id": message_id,
            "source_chat_id": chat.chat_id,
            "source_message_id": key,
            "lang": lang,
            "revision": tasks.c.revision + 1,
        }
        terms = {"model": model, "price_kopecks": price}
        async with self._database.transaction() as connection:
            await self._database.lock(connection, f"drafts {chat.chat_id}")
            if known := await _of_message(connection, chat, key):
                return known
            theirs = [tasks.c.user_id == user_id, in_chat(tasks, chat), in_states({S.DRAFT})]
            if replied_to is not None:
                if changed := await _update(
                    connection, *theirs, tasks.c.card_message_id == replied_to, **words
                ):
                    return changed
                if completed := await _update(
                    connection,
                    *theirs,
                    tasks.c.frame_message_id == replied_to,
                    tasks.c.prompt.is_(None),
                    **words,
                    **_unless_pressed(terms),
                ):
                    return completed
                frame = frame or await _frame_of_card(connection, chat, user_id, replied_to)
            if frame is None and source_id is None:
                waiting = _newest(*theirs, tasks.c.prompt.is_(None))
                if completed := await _update(
                    connection,
                    tasks.c.id == waiting,
                    in_states({S.DRAFT}),
                    tasks.c.prompt.is_(None),
                    **words,
                    **_unless_pressed(terms),
                ):
                    return completed
            return await _insert(
                connection,
                now,
                **words | chat_values(chat) | terms,
                user_id=user_id,
                frame_file_id=frame and frame.file_id,
                frame_kind=frame and frame.kind,
            )

    async def draft_from_frame(
        self,
        *,
        user_id: int,
        chat: Chat,
        message_id: int,
        lang: str,
        model: str,
        price: Decimal,
        frame: Frame,
        prompt: str | None,
        now: datetime,
        original: str | None = None,
        rewritten: str | None = None,
        media_group_id: str | None = None,
        request: PhotoRequest | None = None,
    ) -> Task:
        """Return the draft of a photo; without a prompt it waits for the next text.

        The first picture of an album is the frame, and the caption of any is the prompt. A photo
        without a caption answers the `request` of a template, if that is still open, or joins a
        text-only draft that came right before it. A caption ends the request, too.
        """
        words = {
            "prompt": prompt,
            "original": original,
            "rewritten": rewritten,
            "message_id": message_id,
            "source_message_id": message_id,
            "revision": tasks.c.revision + 1,
        }
        picture = {
            "frame_message_id": message_id,
            "frame_file_id": frame.file_id,
            "frame_kind": frame.kind,
            "media_group_id": media_group_id,
        }
        async with self._database.transaction() as connection:
            await self._database.lock(connection, f"drafts {chat.chat_id}")
            if known := await _of_message(connection, chat, message_id):
                return known
            if media_group_id is not None:
                album = [
                    tasks.c.source_chat_id == chat.chat_id,
                    tasks.c.media_group_id == media_group_id,
                ]
                if prompt is not None and (
                    captioned := await _update(
                        connection,
                        *album,
                        in_states({S.DRAFT}),
                        sa.or_(
                            tasks.c.prompt.is_(None),
                            # its prompt is from another, older message
                            tasks.c.source_message_id < tasks.c.frame_message_id,
                        ),
                        **words,
                    )
                ):
                    return captioned
                if first := await _one(connection, *album):
                    return first
            ratio = None
            if request is not None and await take_request(connection, request.id):
                if prompt is None:
                    words["prompt"], ratio = request.prompt, request.ratio
            elif prompt is None:
                newest = _newest(
                    tasks.c.user_id == user_id,
                    in_chat(tasks, chat),
                    sa.not_(sa.and_(in_states({S.DRAFT}), tasks.c.storyboard_id.is_not(None))),
                )
                if joined := await _update(
                    connection,
                    tasks.c.id == newest,
                    in_states({S.DRAFT}),
                    tasks.c.prompt.is_not(None),
                    tasks.c.frame_file_id.is_(None),
                    tasks.c.kind == TaskKind.VIDEO.value,
                    tasks.c.created_at > now - JOIN_WITHIN,
                    **picture,
                    source_chat_id=chat.chat_id,
                    revision=tasks.c.revision + 1,
                ):
                    return joined
            return await _insert(
                connection,
                now,
                **words | chat_values(chat) | picture,
                source_chat_id=chat.chat_id,
                user_id=user_id,
                lang=lang,
                model=model,
                price_kopecks=price,
                aspect_ratio=ratio,
            )

    async def edited(
        self,
        *,
        user_id: int,
        chat: Chat,
        message_id: int,
        prompt: str | None,
        original: str | None = None,
        rewritten: str | None = None,
        frame: Frame | None = None,
    ) -> Task | None:
        """Update the draft of an edited message; None if the message created no draft.

        `frame` is the picture of the edited message. An order stays as it was.
        """
        async with self._database.transaction() as connection:
            await self._database.lock(connection, f"drafts {chat.chat_id}")
            known = await _of_message(connection, chat, message_id)
            if known is None or known.user_id != user_id or known.state is not S.DRAFT:
                return known
            changes: dict[str, Any] = {}
            if prompt is not None and prompt not in (known.prompt, known.rewritten):
                changes |= {"prompt": prompt, "original": original, "rewritten": rewritten}
            pictured = message_id == known.frame_message_id and known.frame is not None
            if pictured and frame is not None and frame != known.frame:
                changes |= {"frame_file_id": frame.file_id, "frame_kind": frame.kind}
            return await self._changed(connection, known, changes)

    async def of_message(self, chat: Chat, message_id: int) -> Task | None:
        """Return the draft of a message; None without a draft."""
        async with self._database.transaction() as connection:
            return await _of_message(connection, chat, message_id)

    async def choose(self, task_id: int, *, user_id: int, **choice: Any) -> Task | None:
        """Set `model` and `price`, or `variants`, of a DRAFT, for its owner."""
        if "price" in choice:
            choice["price_kopecks"] = choice.pop("price")
        return await self._change_draft(task_id, user_id, choice)

    async def choose_wording(
        self,
        task_id: int,
        *,
        user_id: int,
        prompt: str,
        original: str,
        rewritten: str,
        revision: int | None = None,
    ) -> Task | None:
        """Set the prompt of a DRAFT to the original or the rewritten one, for its owner.

        Return None if it is no longer at `revision`.
        """
        choice = {"prompt": prompt, "original": original, "rewritten": rewritten}
        return await self._change_draft(task_id, user_id, choice, revision)

    async def take_suggestion(
        self,
        task_id: int,
        *,
        user_id: int,
        prompt: str,
        label: str | None,
        suggested: Collection[str],
    ) -> Task | None:
        """Set the prompt of a photo that waits for words, or that has another of the `suggested`
        prompts; for its owner. `label`: the suggestion in the person's language, if that is not
        the language of the prompt."""
        async with self._database.transaction() as connection:
            known = await _one(
                connection,
                tasks.c.id == task_id,
                tasks.c.user_id == user_id,
                in_states({S.DRAFT}),
                sa.or_(tasks.c.prompt.is_(None), tasks.c.prompt.in_(suggested)),
            )
            rewritten = prompt if label else None
            words = {"prompt": prompt, "original": label, "rewritten": rewritten}
            return known and await self._changed(connection, known, words)

    async def card_shown(
        self,
        task: Task,
        *,
        card_message_id: int | None,
        is_media: bool = False,
        ends: tuple[int, datetime] | None = None,
    ) -> None:
        """Record that a message shows this revision of the task; `is_media`: its text is a
        caption.

        A task that ended meanwhile stays as it is. `ends`: the update that is completed with it,
        and when.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(tasks)
                .where(tasks.c.id == task.id, sa.not_(in_states(ENDED)))
                .values(
                    card_message_id=card_message_id,
                    card_is_media=is_media,
                    card_revision=task.revision,
                )
            )
            if ends is not None:
                await note_done(connection, [ends[0]], ends[1])

    async def _change_draft(
        self, task_id: int, user_id: int, changes: dict[str, Any], revision: int | None = None
    ) -> Task | None:
        async with self._database.transaction() as connection:
            known = await _one(
                connection,
                tasks.c.id == task_id,
                tasks.c.user_id == user_id,
                in_states({S.DRAFT}),
                tasks.c.prompt.is_not(None),
                tasks.c.storyboard_id.is_(None),
                *([] if revision is None else [tasks.c.revision == revision]),
            )
            return known and await self._changed(connection, known, changes)

    async def _changed(
        self, connection: Connection, known: Task, changes: dict[str, Any]
    ) -> Task | None:
        """Return the draft with `changes`, or the same draft if they change nothing."""
        same = [tasks.c[name].is_not_distinct_from(value) for name, value in changes.items()]
        if not changes or await _one(connection, tasks.c.id == known.id, *same):
            return known
        return await _update(
            connection,
            tasks.c.id == known.id,
            in_states({S.DRAFT}),
            tasks.c.revision == known.revision,
            **changes,
            revision=known.revision + 1,
        )


def _newest(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return (
        sa.select(tasks.c.id)
        .where(*conditions)
        .order_by(tasks.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


async def _one(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Task | None:
    row = (await connection.execute(sa.select(tasks).where(*conditions))).one_or_none()
    return None if row is None else task_from(row)


async def _of_message(connection: Connection, chat: Chat, message_id: int) -> Task | None:
    return await _one(
        connection,
        tasks.c.source_chat_id == chat.chat_id,
        sa.or_(tasks.c.source_message_id == message_id, tasks.c.frame_message_id == message_id),
    )


async def _frame_of_card(
    connection: Connection, chat: Chat, user_id: int, message_id: int
) -> Frame | None:
    """Return the person's own picture for a card, since the card itself shows only a preview; or
    the picture of a message, made by an image model.
    """
    drawn = sa.and_(tasks.c.kind == TaskKind.PICTURE.value, tasks.c.video_message_id == message_id)
    row = (
        await connection.execute(
            sa.select(tasks)
            .where(
                tasks.c.chat_id == chat.chat_id,
                tasks.c.user_id == user_id,
                sa.or_(tasks.c.card_message_id == message_id, drawn),
            )
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return None
    found = task_from(row)
    if found.video_message_id == message_id and found.video_file_id is not None:
        return Frame(file_id=found.video_file_id, kind="picture")
    return found.frame


async def _update(
    connection: Connection, *conditions: sa.ColumnElement[bool], **values: Any
) -> Task | None:
    row = (
        await connection.execute(
            sa.update(tasks).where(*conditions).values(**values).returning(*tasks.c)
        )
    ).one_or_none()
    return None if row is None else task_from(row)


async def _insert(connection: Connection, now: datetime, **values: Any) -> Task:
    row = (
        await connection.execute(
            sa.insert(tasks)
            .values(
                FRESH
                | values
                | {"revision": 0, "state": S.DRAFT, "created_at": now, "run_at": now}
            )
            .returning(*tasks.c)
        )
    ).one()
    draft = task_from(row)
    await add_event(connection, draft, now)
    return draft


def _unless_pressed(terms: dict[str, Any]) -> dict[str, Any]:
    """Return the source video's model for drafts that were created by a button below it, and the
    image model for pictures."""
    pressed = sa.or_(
        sa.exists().where(callback_actions.c.task_id == tasks.c.id),
        tasks.c.kind == TaskKind.PICTURE.value,
    )
    return {
        name: sa.case((pressed, tasks.c[name]), else_=sa.literal(value, tasks.c[name].type))
        for name, value in terms.items()
    }
