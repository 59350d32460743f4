"""Say what an answer of Postgres means: a failed row, or a fault of the job.

The table of SQLSTATEs is the whole rule. A row's own errors are of class 22 and 23 or a trigger's RAISE; limits
that only a row's size or depth can break (54000, 54001) belong to it too. Anything else is a fault of the job.
"""

from dataclasses import dataclass
from typing import NamedTuple

from libs.common.records import Record
from libs.common.states import STAGE_OF, ErrorCode, Stage

_ERROR_CODES = {
    "22P02": ErrorCode.TYPE_ERROR,
    "22007": ErrorCode.TYPE_ERROR,
    "22008": ErrorCode.TYPE_ERROR,
    "22003": ErrorCode.OUT_OF_RANGE,
    "22001": ErrorCode.VALUE_TOO_LONG,
    "23502": ErrorCode.NOT_NULL,
    "23505": ErrorCode.UNIQUE,
    "23503": ErrorCode.FOREIGN_KEY,
    "23514": ErrorCode.CHECK,
    "23P01": ErrorCode.EXCLUSION,
}
_ROW_CLASSES = frozenset({"22", "23"})
_ROW_STATES = frozenset({"P0001", "54000", "54001"})
_TRANSIENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})


def is_row_error(sqlstate: str | None) -> bool:
    """Tell whether Postgres refused the row itself."""
    return sqlstate is not None and (sqlstate[:2] in _ROW_CLASSES or sqlstate in _ROW_STATES)


def is_transient(sqlstate: str | None) -> bool:
    """Tell whether another attempt may go better; no SQLSTATE at all means a lost connection."""
    return sqlstate is None or sqlstate[:2] in _TRANSIENT_CLASSES


def error_code(sqlstate: str) -> ErrorCode:
    """Return the error code of a failed row for a SQLSTATE of a row's own error."""
    return _ERROR_CODES.get(sqlstate, ErrorCode.OTHER)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A rejected record with its place, its bytes and the reason, ready for the ledger."""

    line_number: int
    byte_offset: int
    raw: bytes
    error_code: ErrorCode
    column_name: str | None
    sqlstate: str | None
    message: str

    @property
    def stage(self) -> Stage:
        """Return the stage that the error code belongs to."""
        return STAGE_OF[self.error_code]


class Refusal(NamedTuple):
    """The verdict of a line of a block, which knows where it stands."""

    line: int
    error_code: ErrorCode
    column_name: str | None
    sqlstate: str | None
    message: str


def reject(
    record: Record,
    code: ErrorCode,
    message: str,
    *,
    sqlstate: str | None = None,
    column_name: str | None = None,
) -> FailedRow:
    """Make the failed row of a record."""
    return FailedRow(
        record.line_number, record.byte_offset, record.raw, code, column_name, sqlstate, message
    )
