"""Say why a record is rejected without the values of masked columns.

Postgres' messages quote cells, as they stand, as their type writes them, or whole rows; a trigger's may hold anything.
So none is searched for values: of messages that are known the words before the values are kept, of others nothing.
"""

import re

import psycopg2

from libs.common.enums import STAGE_OF, ErrorCode, Stage
from services.loader.rejects.rejection import Rejection

_NAME = r'"[^"]*"'
_TYPE = r"[\w ]+"
_KNOWN = re.compile(
    "|".join(
        (
            f"invalid input syntax for type {_TYPE}",
            f"invalid input value for enum {_NAME}",
            r"invalid input value for enum [\w.]+",
            r"malformed (?:array|range|multirange|record) literal",
            r"(?:date/time|interval) field value out of range",
            r"numeric field overflow",
            rf"value too long for type {_TYPE}\(\d+\)",
            rf"bit string (?:too long|length \d+ does not match) (?:for )?type {_TYPE}\(\d+\)",
            f"null value in column {_NAME} of relation {_NAME} violates not-null constraint",
            f"duplicate key value violates unique constraint {_NAME}",
            f"conflicting key value violates exclusion constraint {_NAME}",
            f"(?:insert or update|update or delete) on table {_NAME} violates foreign key constraint {_NAME}",
            f"new row for relation {_NAME} violates (?:check constraint {_NAME}|partition constraint)",
            f"no partition of relation {_NAME} found for row",
            rf"value for domain {_TYPE} violates check constraint {_NAME}",
            rf"domain {_TYPE} does not allow null values",
        )
    )
)
_OUT_OF_RANGE = re.compile(rf'(?:value )?".*" is out of range for type ({_TYPE})', re.DOTALL)
_COUNTS = re.compile(r"the record has \d+ cells, the header has \d+")
_BYTES = re.compile(r" 0x[0-9a-f]+ (?=at offset)")
_WITHOUT_VALUES = frozenset(
    {
        ErrorCode.MALFORMED_QUOTE,
        ErrorCode.BARE_CARRIAGE_RETURN,
        ErrorCode.LINE_TOO_LONG,
        ErrorCode.SUPPRESSED,
        ErrorCode.CHECK,
    }
)


def mask_message(rejection: Rejection, *, is_masked: bool) -> str:
    """Return what may be kept of a failed row's message; `is_masked`: the reason is a cell of a masked column."""
    code, message, column, sqlstate = rejection
    if STAGE_OF[code] is Stage.CONVERT and column is not None and not is_masked:
        return message  # it quotes that cell alone
    return _mask_own(code, message, column) if sqlstate is None else _mask_words(message, sqlstate)


def describe_fault(error: Exception) -> str:
    """Return what an error that ended an attempt may be called: Postgres' words hold rows, such as in its context."""
    sqlstate = getattr(error, "pgcode", None)
    if sqlstate is not None:
        return (
            f"{type(error).__name__}: Postgres' words may hold masked values, SQLSTATE {sqlstate}"
        )
    is_of_system = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError | OSError)
    return str(error).strip() if is_of_system else type(error).__name__


def _mask_own(code: ErrorCode, message: str, column: str | None) -> str:
    """Mask a message of ADSP."""
    if code in _WITHOUT_VALUES or _COUNTS.fullmatch(message):
        return message
    if code is ErrorCode.CONVERSION_ERROR:
        return (
            f"the cell is not as 'convert' of column {column!r} declares; it is masked: correct it in its source, or "
            "change what is declared"
        )
    if code is ErrorCode.ENCODING_ERROR:
        return _BYTES.sub(" ", message)
    if code is ErrorCode.EXTRA_CELL:
        return "the record has a key that is not among those of the header"
    return "the line is no JSON object; each line must be one, with nothing beside it"


def _mask_words(message: str, sqlstate: str) -> str:
    """Mask a message of Postgres."""
    known = _KNOWN.match(message)
    if known is not None and message[known.end() :][:1] in {"", ":"}:
        return f"{known.group()} (values are masked)"
    of_type = _OUT_OF_RANGE.fullmatch(message)
    if of_type is not None:
        return f"value is out of range for type {of_type[1]} (values are masked)"
    return f"Postgres refuses the row with SQLSTATE {sqlstate}; its message may hold masked values"
