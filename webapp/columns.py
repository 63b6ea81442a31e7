"""Column types that every table shares."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

# Named constraints can be changed by a migration; SQLite cannot drop an unnamed one.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

MONEY = sa.BigInteger
"""Minor units of a currency."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored in UTC with microseconds and read back aware.

    SQLite has no type for it: there it is text of fixed width, which sorts as the instants do. A naive instant raises
    :class:`ValueError`, for nobody can say which instant it means.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("an instant must be timezone-aware")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def words_of(enum: type[StrEnum], name: str) -> sa.Enum:
    """A text column that holds one of the enum's values, guarded by a CHECK constraint called ``name``."""
    return sa.Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
        length=40,
    )


def new_id() -> str:
    """A random UUID in 32 hexadecimal digits: the key of every row that leaves the house."""
    return uuid4().hex


JSON: Any = sa.JSON
