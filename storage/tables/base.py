"""Shared by all tables: metadata and naming rules, the key type, enums stored as text."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Only with this type does SQLite store a table in the order of its key and number its rows.
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def text_of(enum: type[StrEnum], name: str) -> sa.Enum:
    """Text with a CHECK, for closed sets of values."""
    return sa.Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


def one_of(
    column: sa.Column[Any], values: Iterable[StrEnum], *, of: sa.FromClause | None = None
) -> sa.ColumnElement[bool]:
    """Return the condition with the values as SQL text: a planner uses a partial index only if it
    sees them.

    They are values of an enum, so none needs an escape.
    """
    shown = column if of is None else of.c[column.name]
    return shown.in_([sa.literal_column(f"'{value}'", column.type) for value in sorted(values)])


def partial_index(
    name: str,
    *columns: sa.ColumnElement[Any],
    where: sa.ColumnElement[bool],
    unique: bool = False,
) -> sa.Index:
    """Add an index of the rows that meet `where`, on both databases."""
    return sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)
