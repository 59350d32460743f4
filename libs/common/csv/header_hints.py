"""Show the line that was taken for a header which does not fit, and what it looks like."""

import re

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import Header

_SHOWN = 120
_VALUE = re.compile(r"[-+]?\d[\d.,:/ T-]*")
_OTHER_DELIMITERS = (";", "\t", "|", ",")


def show_header(header: Header, dialect: FileFormat) -> str:
    """Return words to be put behind the message that a header does not fit."""
    if dialect.header.lines == 0:
        return "; these names are those of 'header.names' in the dataset's format"
    if dialect.type == "jsonl":
        return f"; these names are the keys of the first record (line {header.line_number})"
    line = header.line.decode(dialect.text_encoding, "replace")
    shown = line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
    return f"; line {header.line_number} was taken for the header: {shown!r}{_looks_like(line, header, dialect)}"


def _looks_like(line: str, header: Header, dialect: FileFormat) -> str:
    """Return what the line looks like, if that is another thing than a header, and what to do then."""
    if line.lstrip().startswith("<"):
        return ", which looks like HTML or XML: perhaps a page that says why the file could not be fetched"
    if any(_VALUE.fullmatch(cell.strip()) for cell in header.cells):
        return (
            ", which looks like data: for a file without a header set 'header' of the dataset's format to "
            '{"lines": 0, "names": [...]}'
        )
    others = [sign for sign in _OTHER_DELIMITERS if sign in line and sign != dialect.delimiter]
    if len(header.cells) == 1 and others:
        return f", which has no {dialect.delimiter!r} but {others[0]!r}: set 'delimiter' if that stands between cells"
    return "; if the header stands further down, say so by 'header.find' or 'header.skip_before' of the format"
