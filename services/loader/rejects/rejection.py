"""Classify why a record is rejected, and what an error of Postgres is: a failed row, or a fault of the job.

A `Rejection` goes with its record, or the line of a block, to `columns`, which makes failed rows of them, and `spool`,
which keeps these until they are written. Records that Postgres does not see are rejected elsewhere:
`libs.common.csv.parse_errors` (no record), `services.loader.cells` (a conversion), `services.loader.blocks` (the same
for many at once, and rows outside the slice).

A row's own errors are of class 22 and 23 or a trigger's RAISE; limits that only a row's size or depth can break
(54000, 54001) belong to it too. The input functions of some types use other classes (42601 of tsvector, 42704 of
regtype): such an error is the row's own if Postgres names a cell as its place, which only the single insert can tell.
Anything else is a fault of the job, as is a sequence that has no number left (2200H): no row could do better.
"""

from typing import NamedTuple, Self, TypeAlias

from libs.common.csv.parse_errors import ParseError
from libs.common.csv.records import Record
from libs.common.enums import ErrorCode

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
_SEQUENCE_EXHAUSTED = "2200H"
_INTERNAL_ERROR = "XX000"
"""What an input function says that names no SQLSTATE of its own, as some of extensions do."""
_TRANSIENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})


def is_row_error(sqlstate: str | None) -> bool:
    """Return whether Postgres certainly refused the row itself."""
    if sqlstate is None or sqlstate == _SEQUENCE_EXHAUSTED:
        return False
    return sqlstate[:2] in _ROW_CLASSES or sqlstate in _ROW_STATES


def may_be_row_error(sqlstate: str | None) -> bool:
    """Return whether Postgres may have refused the row itself: another class may come from a type's input function."""
    if is_row_error(sqlstate) or sqlstate == _INTERNAL_ERROR:
        return True
    return sqlstate != _SEQUENCE_EXHAUSTED and not is_transient(sqlstate)


def is_transient(sqlstate: str | None) -> bool:
    """Return whether another attempt may go better; no SQLSTATE at all means a lost connection."""
    return sqlstate is None or sqlstate[:2] in _TRANSIENT_CLASSES


def error_code(sqlstate: str) -> ErrorCode:
    """Return the error code of a failed row for a SQLSTATE of a row's own error.

    Of the classes that are no row's by themselves only an input function's error gets here.
    """
    other = ErrorCode.OTHER if is_row_error(sqlstate) else ErrorCode.TYPE_ERROR
    return _ERROR_CODES.get(sqlstate, other)


class Rejection(NamedTuple):
    """Why a record is rejected; its failed row has the record's place and bytes besides."""

    error_code: ErrorCode
    message: str
    column_name: str | None = None
    sqlstate: str | None = None

    @classmethod
    def of_fault(cls, fault: ParseError) -> Self:
        """Return why a record is rejected that is not well-formed."""
        return cls(fault.code, fault.message, fault.column)


RejectedRecord: TypeAlias = tuple[Record, Rejection]
