"""Say what a record is, or what is wrong with it."""

import json
from dataclasses import dataclass

from libs.common.csv.dialect import FileFormat
from libs.common.enums import ErrorCode
from libs.devstack.testing.reference_cells import StoredCell
from libs.devstack.testing.reference_json import reference_members


@dataclass(frozen=True)
class ReferenceRecord:
    """One record as the rules of DESIGN.md have it; `cells` is None when it is not well-formed."""

    line_number: int
    byte_offset: int
    raw: bytes
    cells: list[str | None] | None
    code: ErrorCode | None


def judge_record(
    line: int,
    offset: int,
    raw: bytes,
    cells: list[StoredCell],
    code: ErrorCode | None,
    dialect: FileFormat,
    width: int | None,
) -> ReferenceRecord:
    """Decode the cells and look for the faults that a record can have."""
    if code is not None:
        return ReferenceRecord(line, offset, raw, None, code)
    encoding = {"utf-16": "utf-16-le"}.get(dialect.encoding, dialect.encoding)
    try:
        whole = raw.decode(encoding)
        texts = [
            (None if cell is None else cell.decode(encoding), was_quoted)
            for cell, was_quoted in cells
        ]
    except UnicodeDecodeError:
        return ReferenceRecord(line, offset, raw, None, ErrorCode.ENCODING_ERROR)
    if "\0" in whole or any("\0" in (text or "") for text, _ in texts):
        return ReferenceRecord(line, offset, raw, None, ErrorCode.ENCODING_ERROR)
    if dialect.type == "jsonl":
        return _judge_json(line, offset, raw, whole, dialect)
    if width is not None and len(cells) != width:
        short = len(cells) < width
        code = ErrorCode.MISSING_CELL if short else ErrorCode.EXTRA_CELL
        return ReferenceRecord(line, offset, raw, None, code)
    nulls = [dialect.null] if isinstance(dialect.null, str) else dialect.null
    values = [
        None if text in nulls and (dialect.quoted_null or not was_quoted) else text
        for text, was_quoted in texts
    ]
    return ReferenceRecord(line, offset, raw, values, None)


def _judge_json(
    line: int, offset: int, raw: bytes, text: str, dialect: FileFormat
) -> ReferenceRecord:
    """Read the values of a JSON object, whose keys must be among the names."""
    cells: dict[str, str | None] = dict.fromkeys(dialect.header.names)
    code = None
    try:
        for key, stored in reference_members(text).items():
            value = json.loads(stored, parse_int=str, parse_float=str)
            is_text = isinstance(value, str)
            if key not in cells:
                code = code or ErrorCode.EXTRA_CELL
            cells[key] = None if value is None else value if is_text else stored
    except (ValueError, RecursionError):
        code = code or ErrorCode.TYPE_ERROR
    if code is None and any(_is_unstorable(cell) for cell in cells.values()):
        code = ErrorCode.ENCODING_ERROR
    values = None if code else [cells[name] for name in dialect.header.names]
    return ReferenceRecord(line, offset, raw, values, code)


def _is_unstorable(cell: str | None) -> bool:
    """Return whether a text has a NUL or half of a character."""
    return cell is not None and any(
        letter == "\0" or "\ud800" <= letter < "\ue000" for letter in cell
    )
