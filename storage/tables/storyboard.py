"""Storyboards: the scenes of a film before and after they are ordered as a whole."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from storage.column_types import Kopecks, UtcDateTime
from storage.tables.base import Id, metadata, text_of


class BoardState(StrEnum):
    """The state of a storyboard."""

    DRAFT = "draft"  # a card in the chat
    ORDERED = "ordered"  # its scenes became tasks
    CANCELLED = "cancelled"


storyboards = sa.Table(
    "storyboards",
    metadata,
    sa.Column("id", Id, primary_key=True),
    # what it was made from, a message or a press: a repeated update makes no other
    sa.Column("source", sa.Text, nullable=False, unique=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("chat_id", sa.BigInteger, nullable=False),
    sa.Column("message_thread_id", sa.BigInteger),
    sa.Column("business_connection_id", sa.Text),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("price_kopecks", Kopecks, nullable=False),
    sa.Column("scenes", sa.JSON, nullable=False),  # [[what the person reads, the prompt], …]
    sa.Column("frame_file_id", sa.Text),
    sa.Column("frame_kind", sa.Text),
    sa.Column("film_id", sa.BigInteger),
    sa.Column("first_place", sa.Integer, nullable=False),
    sa.Column("state", text_of(BoardState, "storyboard_state"), nullable=False),
    sa.Column("revision", sa.Integer, server_default=sa.text("0"), nullable=False),
    sa.Column("card_message_id", sa.BigInteger),
    # the message that asks for the words of a scene, and which
    sa.Column("asked_message_id", sa.BigInteger),
    sa.Column("asked_scene", sa.Integer),
    # the update that ordered or cancelled it
    sa.Column("ended_by", sa.BigInteger),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False, index=True),
    sqlite_autoincrement=True,
)

sa.Index("ix_storyboards_chat", storyboards.c.chat_id)
