"""The table of failed rows."""

from uuid import UUID

from sqlalchemy import (
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.enums import ErrorCode, Stage
from libs.common.ledger.tables.base import Base, is_one_of, words

_PLACE = "in the decompressed source; of file n of several (job_files), n << 40 more."
_FREQUENT_STAGES = (Stage.CONSTRAINT, Stage.CONVERT)
_FREQUENT_CODES = (
    ErrorCode.UNIQUE,
    ErrorCode.FOREIGN_KEY,
    ErrorCode.CHECK,
    ErrorCode.NOT_NULL,
    ErrorCode.TYPE_ERROR,
)
"""A million failed rows have one reason, most often. Postgres compares a value with the words one after the other."""


class FailedRow(Base):
    """A rejected record with its place, its bytes and the reason, in the partition of its job's month.

    No foreign key looks at each of them; a trigger deletes those of chunks that are deleted.
    Nor has `id` an index: a load may write a million of them, and nobody looks for one by its number.
    """

    __tablename__ = "failed_rows"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "byte_offset"),
        is_one_of("stage", Stage, _FREQUENT_STAGES),
        is_one_of("error_code", ErrorCode, _FREQUENT_CODES),
        Index("ix_failed_rows_cut", "job_id", postgresql_where=text("record_bytes IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (job_id)"},
    )

    id: Mapped[int] = mapped_column(Identity(always=True, cache=1000))
    job_id: Mapped[UUID]
    chunk_number: Mapped[int] = mapped_column(Integer)
    line_number: Mapped[int] = mapped_column(
        comment=f"Physical line it starts on, from 1, {_PLACE}"
    )
    byte_offset: Mapped[int] = mapped_column(comment=f"Of its first byte {_PLACE}")
    raw: Mapped[bytes] = mapped_column(comment="Its bytes without the line end, or their start.")
    record_bytes: Mapped[int | None] = mapped_column(
        comment="Its length with the line end where raw is only its start; NULL: raw is all of it."
    )
    stage: Mapped[Stage] = mapped_column(words(Stage, "stage", is_checked=False))
    error_code: Mapped[ErrorCode] = mapped_column(words(ErrorCode, "error_code", is_checked=False))
    column_name: Mapped[str | None]
    sqlstate: Mapped[str | None]
    message: Mapped[str]
