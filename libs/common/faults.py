"""Word what is wrong with a record that is not well-formed, for `records`, with the cure."""

from typing import NamedTuple

from libs.common.states import ErrorCode


class Fault(NamedTuple):
    """Why a record is not well-formed."""

    code: ErrorCode
    message: str


def damage(code: ErrorCode, start: int, after: int, max_record_bytes: int) -> Fault:
    """Describe a record whose end or cells are not certain; the next begins at offset `after`."""
    if code is ErrorCode.LINE_TOO_LONG:
        return Fault(
            code,
            f"the record (bytes {start} to {after}) is longer than {max_record_bytes} bytes; "
            "a quote may never close, or max_record_bytes is too small",
        )
    return Fault(
        code,
        f"the record (bytes {start} to {after}) has a quote inside an unquoted cell, text after a "
        "closing quote, or a quote that never closes; double the quotes inside a quoted cell",
    )


def nul_byte(offset: int) -> Fault:
    """Describe a record with a NUL, which no text value of Postgres can hold."""
    return Fault(
        ErrorCode.ENCODING_ERROR, f"there is a NUL byte at offset {offset}; take it out of the file"
    )


def undecodable(byte: int, offset: int, encoding: str) -> Fault:
    """Describe a record that is not text in the dataset's encoding."""
    return Fault(
        ErrorCode.ENCODING_ERROR,
        f"byte 0x{byte:02x} at offset {offset} is not valid {encoding}; "
        "correct the file or set the dataset's encoding",
    )


def wrong_count(found: int, expected: int) -> Fault:
    """Describe a record that has not as many cells as the header."""
    code = ErrorCode.MISSING_CELL if found < expected else ErrorCode.EXTRA_CELL
    return Fault(code, f"the record has {found} cells, the header has {expected}")
