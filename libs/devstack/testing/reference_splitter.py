"""Split records one byte at a time: slow, independent of the production code, and easy to check by eye.

The tests compare `libs.common.csv.records` with it, and the loader's oracle reads files through it.
"""

from libs.common.csv.dialect import FileFormat
from libs.common.enums import ErrorCode
from libs.devstack.testing.reference_cells import scan_record
from libs.devstack.testing.reference_judgement import ReferenceRecord, judge_record
from libs.devstack.testing.stored_units import CTRL_Z, LineEnding, Stored, stands


def reference_split(
    data: bytes,
    dialect: FileFormat,
    *,
    width: int | None,
    cap: int,
    first_line: int = 1,
    cr_ends_records: bool = False,
    kept: int = 0,
    header_line: bytes = b"",
) -> list[ReferenceRecord]:
    """Return the records of `data`, which holds no byte order mark.

    `cr_ends_records`: the file's header ends with a lone CR. `header_line` is what a repeated header is, as stored.
    Of a record above the cap `kept` bytes are kept, the cap at least.
    UTF-16 is read two bytes at a time; the cap counts what a record would be in UTF-8.
    """
    file = Stored(data, dialect.encoding)
    units = file.units
    records = []
    position, line = 0, first_line
    ends = LineEnding(dialect.line_end, cr=cr_ends_records)
    while position < len(units):
        start, start_line = position, line
        end, cells, code = scan_record(file, start, dialect, ends)
        is_comment = dialect.comment is not None and stands(units, start, dialect.comment)
        if is_comment:
            end = ends.next(units, start)
        capped = end
        if file.measure(start, end) > cap:
            beyond = file.pass_by(start, cap)
            end, code = ends.next(units, beyond), ErrorCode.LINE_TOO_LONG
            capped = min(end, file.reach(start, max(cap, kept)))
        position = ends.behind(units, end)
        line += ends.count(units[start:position])
        raw = file.cut(start, capped)
        is_header = dialect.header.repeated and _is_header(raw, header_line, file.encoding)
        is_end_mark = units[start:] == [CTRL_Z] and dialect.delimiter != "\x1a"
        if end > start and not (is_comment or is_header or is_end_mark):
            place = min(start * file.unit, len(data))
            record = judge_record(start_line, place, raw, cells, code, dialect, width)
            # One that an escape makes NULL is not empty.
            is_blank = code is None and all(cell == b"" for cell, _ in cells)
            if not (is_blank and dialect.blank_records == "skip"):
                records.append(record)
    return records


def _is_header(raw: bytes, header_line: bytes, encoding: str) -> bool:
    """Return whether this is the header again, perhaps behind a mark."""
    if encoding in {"utf-8", "utf-16-le", "utf-16-be"}:
        raw = raw.removeprefix("\ufeff".encode(encoding))
    return raw == header_line
