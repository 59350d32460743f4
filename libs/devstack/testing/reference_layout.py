"""Find header, records and footer of a file in the plainest way, for the tests: the whole file is in memory."""

import re
from dataclasses import dataclass

from libs.common.csv.dialect import FileFormat
from libs.devstack.testing.reference_json import reference_members
from libs.devstack.testing.reference_splitter import reference_split
from libs.devstack.testing.stored_units import CR, LF, LineEnding, Stored

ORDERED = {"utf-16": "utf-16-le"}
MARKS = {
    name: "\ufeff".encode(ORDERED.get(name, name))
    for name in ("utf-8", "utf-16", "utf-16-le", "utf-16-be")
}
PROBED = 1 << 16


class FooterMissing(IndexError):
    """The file has fewer lines than its footer, or they are longer than records may be: nothing of it may be loaded."""


@dataclass(frozen=True)
class Layout:
    """The names, and the bytes between header and footer with their place; `counted` is the count in the footer."""

    cells: list[str]
    body: bytes
    byte_offset: int
    first_line: int
    ends_with_cr: bool
    header_line: bytes
    counted: int | None = None


def reference_layout(data: bytes, dialect: FileFormat, cap: int) -> Layout:
    """Return the layout of a file that has a header, and the footer that its format wants."""
    mark = MARKS.get(dialect.encoding, b"")
    start = 0
    while mark and data.startswith(mark, start):
        start += len(mark)
    file = Stored(data[start:], dialect.encoding)
    position, line = _find_header(file, dialect)
    if dialect.header.lines == 0:
        head = file.units[position : position + PROBED // file.unit]
        layout = Layout(
            list(dialect.header.names),
            file.cut(position, len(file.units)),
            start + position * file.unit,
            line,
            CR in head and LF not in head,
            b"",
        )
    elif dialect.type == "jsonl":
        layout = _read_keys(file, position, line, start)
    else:
        layout = _read_names(file, dialect, position, line, start, cap)
    return _without_footer(layout, dialect, cap)


def _find_header(file: Stored, dialect: FileFormat) -> tuple[int, int]:
    """Return at which unit and on which line the header stands, or may."""
    ends, units = LineEnding(dialect.line_end, cr=True), file.units
    position, passed, wanted = 0, 0, dialect.header.find
    while position < len(units):
        end = ends.next(units, position)
        text = file.cut(position, end).decode(file.encoding, "replace")
        declares = text.lower().startswith("sep=") and not (passed or dialect.header.skip_before)
        if wanted is None and passed >= dialect.header.skip_before and not declares:
            break
        if wanted is not None and (wanted in text or re.search(wanted, text)):
            break
        position, passed = ends.behind(units, end), passed + 1
    return position, 1 + passed


def _read_names(
    file: Stored, dialect: FileFormat, position: int, line: int, start: int, cap: int
) -> Layout:
    """Return the layout of a file whose header is the first record from a unit on."""
    changes: dict[str, object] = {
        "null": [],
        "comment": None if dialect.header.find else dialect.comment,
    }
    rest = file.cut(position, len(file.units))
    header = reference_split(
        rest,
        dialect.model_copy(update=changes),
        width=None,
        cap=cap,
        first_line=line,
        cr_ends_records=True,
    )[0]
    assert header.cells is not None
    units, unit = file.units, file.unit
    end = position + (header.byte_offset + len(header.raw)) // unit
    ends_with_cr = units[end : end + 1] == [CR] and units[end + 1 : end + 2] != [LF]
    ends = LineEnding(dialect.line_end, cr=ends_with_cr)
    after = ends.behind(units, end)
    lines = line + ends.count(units[position:after])
    for _ in range(dialect.header.skip_after):
        if after < len(units):
            passed = ends.behind(units, ends.next(units, after))
            after, lines = passed, lines + 1
    return Layout(
        [cell or "" for cell in header.cells],
        file.cut(after, len(units)),
        start + after * unit,
        lines,
        ends_with_cr,
        header.raw,
    )


def _read_keys(file: Stored, position: int, line: int, start: int) -> Layout:
    """Return the layout of JSON lines, whose first record has the keys."""
    rest = file.cut(position, len(file.units))
    first = next(text for text in rest.decode(file.encoding).split("\n") if text.strip("\r"))
    keys = list(reference_members(first.removesuffix("\r")))
    return Layout(
        keys, rest, start + position * file.unit, line, ends_with_cr=False, header_line=b""
    )


def _without_footer(layout: Layout, dialect: FileFormat, cap: int) -> Layout:
    """Return the layout without the last lines, if the format says that they are no records."""
    if dialect.footer is None:
        return layout
    file = Stored(layout.body, dialect.encoding)
    ends, units = LineEnding(dialect.line_end, cr=layout.ends_with_cr), file.units
    lines, position = [], 0
    while position < len(units):
        end = ends.next(units, position)
        if units[position:end] not in ([], [26]):
            lines.append((position, file.cut(position, end).decode(file.encoding, "replace")))
        position = ends.behind(units, end)
    last = lines[-dialect.footer.lines :]
    if len(last) < dialect.footer.lines:
        raise FooterMissing
    begin, _ = last[0]
    if file.measure(begin, len(units)) > cap * (dialect.footer.lines + 1):
        raise FooterMissing
    counted = None
    if dialect.footer.pattern is not None and dialect.footer.rows is not None:
        found = [re.search(dialect.footer.pattern, text) for _, text in last]
        counted = int(next(match for match in found if match).group(dialect.footer.rows))
    return Layout(
        layout.cells,
        file.cut(0, begin),
        layout.byte_offset,
        layout.first_line,
        layout.ends_with_cr,
        layout.header_line,
        counted,
    )
