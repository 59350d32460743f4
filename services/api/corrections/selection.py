"""Choose the failed rows of a job that are corrected together, each with its draft."""

from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from libs.common.csv.utf16 import with_byte_order
from libs.common.enums import ChunkState, ErrorCode
from libs.common.ledger.models import Chunk, Correction, FailedRow
from libs.common.strict_model import StrictModel
from services.api.corrections.rules import Text

_DRAFT_OF_ROW = and_(
    Correction.job_id == FailedRow.job_id, Correction.byte_offset == FailedRow.byte_offset
)


class Filter(StrictModel):
    """Which failed rows; all that is said must hold."""

    error_code: ErrorCode | None = None
    column: Text | None = Field(None, max_length=63, description="The column of the reason.")
    text: Text | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Part of the record, as it is written there, or of the message.",
    )

    def conditions(self, encoding: str) -> list[ColumnElement[bool]]:
        """Return the filter as conditions on failed rows of a source in this encoding."""
        found: list[ColumnElement[bool]] = []
        if self.error_code is not None:
            found.append(FailedRow.error_code == self.error_code)
        if self.column is not None:
            found.append(FailedRow.column_name == self.column)
        if self.text is not None:
            found.append(_holds(self.text, encoding))
        return found


def failed_rows_with_drafts(job_id: UUID, *more: ColumnElement[bool]) -> Select[Any, Any]:
    """Select the failed rows of a job with their drafts."""
    return (
        select(FailedRow, Correction)
        .select_from(FailedRow)
        .outerjoin(Correction, _DRAFT_OF_ROW)
        .where(FailedRow.job_id == job_id, *more)
    )


def rows_with_drafts(job_id: UUID, *more: ColumnElement[bool]) -> Select[Any, Any]:
    """Select those that a replay of the job has to load."""
    return (
        failed_rows_with_drafts(job_id, *more)
        .join(Chunk, (Chunk.job_id == FailedRow.job_id) & (Chunk.number == FailedRow.chunk_number))
        .where(Chunk.state == ChunkState.DONE)
    )


def _holds(text: str, encoding: str) -> ColumnElement[bool]:
    in_message = func.strpos(func.lower(FailedRow.message), text.lower()) > 0
    try:
        sought = text.encode(with_byte_order(encoding, b""))
    except UnicodeEncodeError:
        return in_message
    return or_(func.pg_catalog.position(FailedRow.raw, sought) > 0, in_message)
