"""What the models of all tables share: the schema, the names of constraints, the types of columns."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Enum,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "adsp"
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The metadata of every table that the migrations make."""

    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        date: Date(),
        str: Text(),
        int: BigInteger(),
        bytes: LargeBinary(),
        UUID: Uuid(),
        dict[str, Any]: JSONB(),
        list[dict[str, Any]]: JSONB(),
    }


def words(vocabulary: type[StrEnum], name: str, *, is_checked: bool = True) -> Enum:
    """Store a word of a closed vocabulary as text, under a CHECK unless the table has its own (`is_one_of`)."""
    return Enum(
        vocabulary,
        name=name,
        native_enum=False,
        create_constraint=is_checked,
        length=None,
        values_callable=lambda words: [word.value for word in words],
    )


def is_one_of(
    column: str, vocabulary: Iterable[StrEnum], first: Sequence[StrEnum]
) -> CheckConstraint:
    """Return the CHECK of a column of words, which compares with `first` before the others."""
    listed = ", ".join(f"'{word.value}'" for word in dict.fromkeys((*first, *vocabulary)))
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class RowChanges:
    """What a load has changed in its table, of jobs and of chunks."""

    rows_inserted: Mapped[int | None] = mapped_column(
        comment="Rows that the load has added to its table; NULL: not known."
    )
    rows_updated: Mapped[int | None] = mapped_column(
        comment="Rows of the table that it has changed; NULL: not known."
    )
    rows_deleted: Mapped[int | None] = mapped_column(
        comment="Rows of the table that it has deleted; NULL: not known."
    )
    rows_unchanged: Mapped[int | None] = mapped_column(
        comment="Rows of the delivery that the table held already; NULL: not known."
    )
