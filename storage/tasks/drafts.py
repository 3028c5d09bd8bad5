"""Drafts: a message of a person becomes a draft, which can be changed until it is ordered.

The same message again returns the same draft, in its current state. The `revision` grows with each
change, so that a card knows whether it still shows what would be ordered. The file is long on
purpose: everything that makes a draft keeps the same rules about repeated messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from bot.core.errors import CardOpened
from bot.core.task import ENDED, Chat, Frame, Task, TaskKind, TaskState
from storage.connection import Connection
from storage.double_taps import OPENS_ONCE
from storage.inbox import note_done
from storage.photo_requests import PhotoRequest, take_request
from storage.rows import FRESH, chat_values, in_chat, place_of, task_from, values_of
from storage.tables import callback_actions, in_states, tasks
from storage.tasks.leases import LeasedTasks, add_event

S = TaskState

JOIN_WITHIN = timedelta(minutes=2)
"""A picture without a caption belongs to a text that came at most this long before."""


def _newest(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return (
        sa.select(tasks.c.id)
        .where(*conditions)
        .order_by(tasks.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _unless_pressed(name: str) -> sa.ColumnElement[Any]:
    """Return the source video's value for drafts that were created by a button below it, and the
    image model's for pictures."""
    pressed = sa.or_(
        sa.exists().where(callback_actions.c.task_id == tasks.c.id),
        tasks.c.kind == TaskKind.PICTURE.value,
    )
    new = sa.bindparam(f"new_{name}", type_=tasks.c[name].type)
    return sa.case((pressed, tasks.c[name]), else_=new)


_is_draft = in_states({S.DRAFT})
_one_task = tasks.c.id == sa.bindparam("order")
_person = tasks.c.user_id == sa.bindparam("person")
_revision = tasks.c.revision == sa.bindparam("seen_revision")

_INSERT = sa.insert(tasks).returning(*tasks.c)

_album = sa.and_(
    tasks.c.source_chat_id == sa.bindparam("chat"), tasks.c.media_group_id == sa.bindparam("album")
)
_OF_ALBUM = sa.select(tasks).where(_album)
_OF_MESSAGE = sa.select(tasks).where(
    tasks.c.source_chat_id == sa.bindparam("chat"),
    sa.or_(
        tasks.c.source_message_id == sa.bindparam("message"),
        tasks.c.frame_message_id == sa.bindparam("message"),
    ),
)
_JUST_TAKEN = sa.select(tasks).where(
    _person,
    in_chat(tasks),
    _is_draft,
    tasks.c.message_id == sa.bindparam("message"),
    tasks.c.source_message_id < 0,
    tasks.c.prompt == sa.bindparam("same_prompt"),
    tasks.c.revision == 0,
    tasks.c.created_at > sa.bindparam("since"),
)
_OF_CARD = (
    sa.select(tasks)
    .where(
        tasks.c.chat_id == sa.bindparam("chat"),
        _person,
        sa.or_(
            tasks.c.card_message_id == sa.bindparam("message"),
            sa.and_(
                tasks.c.kind == TaskKind.PICTURE.value,
                tasks.c.video_message_id == sa.bindparam("message"),
            ),
        ),
    )
    .limit(1)
)

# SET gets the columns that change: they are the remaining parameters
_change = sa.update(tasks).values(revision=tasks.c.revision + 1).returning(*tasks.c)
_complete = _change.values({name: _unless_pressed(name) for name in ("model", "price_kopecks")})
_theirs = sa.and_(_person, in_chat(tasks), _is_draft)
_CHANGE_REPLIED = _change.where(_theirs, tasks.c.card_message_id == sa.bindparam("message"))
_COMPLETE_REPLIED = _complete.where(
    _theirs, tasks.c.frame_message_id == sa.bindparam("message"), tasks.c.prompt.is_(None)
)
_COMPLETE_WAITING = _complete.where(
    tasks.c.id == _newest(_theirs, tasks.c.prompt.is_(None)), _is_draft, tasks.c.prompt.is_(None)
)
_CAPTION_ALBUM = _change.where(
    _album,
    _is_draft,
    sa.or_(
        tasks.c.prompt.is_(None),
        # its prompt is from another, older message
        tasks.c.source_message_id < tasks.c.frame_message_id,
    ),
)
_JOIN = _change.where(
    tasks.c.id
    == _newest(
        _person,
        in_chat(tasks),
        sa.not_(sa.and_(_is_draft, tasks.c.storyboard_id.is_not(None))),
    ),
    _is_draft,
    tasks.c.prompt.is_not(None),
    tasks.c.frame_file_id.is_(None),
    tasks.c.kind == TaskKind.VIDEO.value,
    tasks.c.created_at > sa.bindparam("since"),
)
_CHANGE_SEEN = _change.where(_one_task, _is_draft, _revision)

_CHANGEABLE = sa.select(tasks).where(
    _one_task, _person, _is_draft, tasks.c.prompt.is_not(None), tasks.c.storyboard_id.is_(None)
)
_CHANGEABLE_SEEN = _CHANGEABLE.where(_revision)
_SUGGESTED = sa.select(tasks).where(
    _one_task,
    _person,
    _is_draft,
    sa.or_(
        tasks.c.prompt.is_(None), tasks.c.prompt.in_(sa.bindparam("suggested", expanding=True))
    ),
)
_CARD_SHOWN = sa.update(tasks).where(_one_task, sa.not_(in_states(ENDED)))


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
        `source_id` is the key if there is no message of the person, but a press on a button of
        `message_id`; another press that has just taken the same prompt there raises CardOpened.
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
        }
        terms = {"model": model, "price_kopecks": price}
        new_terms = {f"new_{name}": value for name, value in terms.items()}
        theirs = {"person": user_id, **place_of(chat)}
        async with self._database.transaction() as connection:
            await connection.lock(f"drafts {chat.chat_id}")
            if known := await _of_message(connection, chat, key):
                return known
            if source_id is not None:
                taken = {**theirs, "message": message_id, "same_prompt": prompt}
                taken["since"] = now - OPENS_ONCE
                if await _one(connection, _JUST_TAKEN, taken) is not None:
                    raise CardOpened
            if replied_to is not None:
                reply = {**theirs, "message": replied_to, **words}
                if changed := await _one(connection, _CHANGE_REPLIED, reply):
                    return changed
                if completed := await _one(connection, _COMPLETE_REPLIED, reply | new_terms):
                    return completed
                frame = frame or await _frame_of_card(connection, chat, user_id, replied_to)
            waiting = theirs | words | new_terms
            if (
                frame is None
                and source_id is None
                and (completed := await _one(connection, _COMPLETE_WAITING, waiting))
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

        The first picture of an album that arrives here is the frame (in a group, that is the one
        whose caption addresses the bot), and the caption of any is the prompt. A photo
        without a caption answers the `request` of a template, if that is still open, or joins a
        text-only draft that came right before it. A caption ends the request, too.
        """
        words = {
            "prompt": prompt,
            "original": original,
            "rewritten": rewritten,
            "message_id": message_id,
            "source_message_id": message_id,
        }
        picture = {
            "frame_message_id": message_id,
            "frame_file_id": frame.file_id,
            "frame_kind": frame.kind,
            "media_group_id": media_group_id,
        }
        async with self._database.transaction() as connection:
            await connection.lock(f"drafts {chat.chat_id}")
            if known := await _of_message(connection, chat, message_id):
                return known
            if media_group_id is not None:
                album = {"chat": chat.chat_id, "album": media_group_id}
                if prompt is not None and (
                    captioned := await _one(connection, _CAPTION_ALBUM, album | words)
                ):
                    return captioned
                if first := await _one(connection, _OF_ALBUM, album):
                    return first
            ratio = None
            if request is not None and await take_request(connection, request.id):
                if prompt is None:
                    words["prompt"], ratio = request.prompt, request.ratio
            elif prompt is None:
                text = {"person": user_id, **place_of(chat), "since": now - JOIN_WITHIN}
                if joined := await _one(
                    connection, _JOIN, {**text, **picture, "source_chat_id": chat.chat_id}
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
            await connection.lock(f"drafts {chat.chat_id}")
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
                _SUGGESTED,
                {"order": task_id, "person": user_id, "suggested": list(suggested)},
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
                _CARD_SHOWN,
                {
                    "order": task.id,
                    "card_message_id": card_message_id,
                    "card_is_media": is_media,
                    "card_revision": task.revision,
                },
            )
            if ends is not None:
                await note_done(connection, [ends[0]], ends[1])

    async def _change_draft(
        self, task_id: int, user_id: int, changes: dict[str, Any], revision: int | None = None
    ) -> Task | None:
        async with self._database.transaction() as connection:
            known = await _one(
                connection,
                _CHANGEABLE if revision is None else _CHANGEABLE_SEEN,
                {"order": task_id, "person": user_id, "seen_revision": revision},
            )
            return known and await self._changed(connection, known, changes)

    async def _changed(
        self, connection: Connection, known: Task, changes: dict[str, Any]
    ) -> Task | None:
        """Return the draft with `changes`, or the same draft if they change nothing."""
        before = values_of(known)
        if all(before[name] == value for name, value in changes.items()):
            return known
        seen = {"order": known.id, "seen_revision": known.revision}
        return await _one(connection, _CHANGE_SEEN, seen | changes)


async def _one(
    connection: Connection, statement: Executable, parameters: Mapping[str, Any]
) -> Task | None:
    row = (await connection.execute(statement, parameters)).one_or_none()
    return None if row is None else task_from(row)


async def _of_message(connection: Connection, chat: Chat, message_id: int) -> Task | None:
    return await _one(connection, _OF_MESSAGE, {"chat": chat.chat_id, "message": message_id})


async def _frame_of_card(
    connection: Connection, chat: Chat, user_id: int, message_id: int
) -> Frame | None:
    """Return the person's own picture for a card, since the card itself shows only a preview; or
    the picture of a message, made by an image model.
    """
    found = await _one(
        connection, _OF_CARD, {"chat": chat.chat_id, "person": user_id, "message": message_id}
    )
    if found is None:
        return None
    if found.video_message_id == message_id and found.video_file_id is not None:
        return Frame(file_id=found.video_file_id, kind="picture")
    return found.frame


async def _insert(connection: Connection, now: datetime, **values: Any) -> Task:
    new = {**FRESH, **values, "revision": 0, "state": S.DRAFT, "created_at": now, "run_at": now}
    draft = task_from((await connection.execute(_INSERT, new)).one())
    await add_event(connection, draft, now)
    return draft
