"""Write records as COPY text: the only form in which bytes of a file reach Postgres many rows at a time.

Records are parsed once and written anew with every special character escaped, so that nothing in a file can be
taken for COPY's own marks.
"""

import re
from collections.abc import Iterable, Sequence

from libs.common.csv.records import Record

_SPECIAL = re.compile(rb"[\\\t\n\r]")
_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}
_NULL = b"\\N"


def encode_records(records: Iterable[Record]) -> bytes:
    """Return the records as the lines of a COPY in text format."""
    return b"".join([encode_record(record) for record in records])


def encode_record(record: Record) -> bytes:
    """Return one record as a line; most hold nothing to escape, which their raw bytes tell at once."""
    raw = record.raw
    if record.is_changed or _SPECIAL.search(raw) or not raw.isascii():
        return encode_row(record.cells)
    return b"\t".join([_NULL if cell is None else cell for cell in record.cells]) + b"\n"


def encode_row(cells: Sequence[bytes | None]) -> bytes:
    """Return UTF-8 cells as a line, its line end included."""
    return b"\t".join([_NULL if cell is None else _escape(cell) for cell in cells]) + b"\n"


def _escape(cell: bytes) -> bytes:
    """Escape the characters that COPY would take for marks."""
    return _SPECIAL.sub(_replace, cell) if _SPECIAL.search(cell) else cell


def _replace(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found.group()]
