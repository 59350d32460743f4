"""Keep a header that the plan has read, so that nobody reads it again: what the ledger has of it, and back.

Its cells and its encoding are on record already, once for all files of a job.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import Header


def describe_header(header: Header, dialect: FileFormat) -> dict[str, Any]:
    """Return what tells where the records begin; the header's line too where it may come again among them."""
    line = header.line if dialect.header.repeated else b""
    return {
        "byte_end": header.byte_end,
        "next_line": header.next_line,
        "cr_ends_records": header.cr_ends_records,
        "line": b64encode(line).decode(),
        "line_number": header.line_number,
    }


def restore_header(stored: Mapping[str, Any], cells: Sequence[str], encoding: str) -> Header:
    """Return the header that was described so; `encoding` has its byte order."""
    return Header(
        tuple(cells),
        stored["byte_end"],
        stored["next_line"],
        encoding,
        stored["cr_ends_records"],
        b64decode(stored["line"]),
        stored["line_number"],
    )
