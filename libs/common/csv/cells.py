"""Cut a sound record into cells and read each: quotes, escapes, and the delimiter at a record's end."""

import re
from typing import TypeAlias

from libs.common.csv.cell_patterns import cell_pattern
from libs.common.csv.dialect import FileFormat

Cells: TypeAlias = list[bytes | None]

_ESCAPE, _NULL = b"\\", b"\\N"
_NONE: frozenset[bytes] = frozenset()
_ESCAPED = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"b": b"\b",
    b"0": b"\0",
    b"Z": b"\x1a",
}
"""What MySQL reads after a backslash; any other byte means itself."""


class CellSplitter:
    """Cuts records of one dialect, in the file's encoding, of UTF-16 in UTF-8.

    `marks` are the bytes without which a record is cut at each delimiter. Where it `has_escapes` a cell may be a NUL.
    """

    def __init__(self, dialect: FileFormat) -> None:
        """Compile the dialect."""
        self._quote = None if dialect.quote is None else dialect.quote.encode()
        self.has_escapes = dialect.escape is not None
        self._delimiter = dialect.delimiter.encode()
        self._trailing = dialect.trailing_delimiter
        self._quoted_null = dialect.quoted_null
        # A record is sound: what a cell cannot hold in its file, it does not hold.
        cell = cell_pattern(dialect, signs=b"")
        self._cell = re.compile(cell, re.DOTALL)
        self._ended_cell = re.compile(b"(%b)%b" % (cell, re.escape(self._delimiter)), re.DOTALL)
        self.marks = tuple(
            sign.encode() for sign in (dialect.quote, dialect.escape) if sign is not None
        )
        doubled = b"" if self._quote is None else b"|%b" % re.escape(self._quote * 2)
        self._escape = re.compile(rb"\\(\r\n|.)" + doubled, re.DOTALL)

    def split(self, raw: bytes, nulls: frozenset[bytes]) -> Cells:
        """Return the texts of a record's cells, None where they are NULL; `nulls` stand for that."""
        quote = self._quote
        if quote is None or (quote not in raw and not (self.has_escapes and _ESCAPE in raw)):
            cells = raw.split(self._delimiter)
            if self._trailing:
                self._drop_trailing(cells)
            return with_nulls(cells, nulls)
        cells = self._cut(raw)
        if self._trailing:
            self._drop_trailing(cells)
        if self.has_escapes:
            return [self._read_escaped(cell, quote, nulls) for cell in cells]
        quoted_nulls = nulls if self._quoted_null else _NONE
        return [
            _unquote(cell, quote, quoted_nulls)
            if cell.startswith(quote)
            else (None if cell in nulls else cell)
            for cell in cells
        ]

    def cut(self, raw: bytes) -> list[bytes]:
        """Return the cells of a record as they are stored, with quotes and escapes, also one behind the last."""
        if not any(mark in raw for mark in self.marks):
            return raw.split(self._delimiter)
        return self._cut(raw)

    def _cut(self, raw: bytes) -> list[bytes]:
        """Cut a record; cells keep their quotes and escapes."""
        if len(self._delimiter) == 1:
            return self._ended_cell.findall(raw + self._delimiter)
        cells, place = [], 0
        while True:
            # The last one may end with a part of a delimiter.
            found = self._cell.match(raw, place)
            cells.append(found.group() if found else b"")
            place += len(cells[-1])
            if place >= len(raw):
                return cells
            place += len(self._delimiter)

    def _read_escaped(self, cell: bytes, quote: bytes, nulls: frozenset[bytes]) -> bytes | None:
        """Return the text of a cell that may hold escapes; with one it stands for NULL as one in quotes does."""
        is_quoted = cell.startswith(quote)
        stored = cell[1:-1] if is_quoted else cell
        if stored == _NULL:
            return None
        text = self._escape.sub(self._unescape, stored)
        is_plain = not is_quoted and text == stored
        return None if text in nulls and (is_plain or self._quoted_null) else text

    def _drop_trailing(self, cells: list[bytes]) -> None:
        """Take off the empty cell behind a delimiter at the record's end."""
        if len(cells) > 1 and not cells[-1]:
            cells.pop()

    def _unescape(self, found: re.Match[bytes]) -> bytes:
        sign = found.group(1)
        return (self._quote or b"") if sign is None else _ESCAPED.get(sign, sign)


def with_nulls(cells: list[bytes], nulls: frozenset[bytes]) -> Cells:
    """Return unquoted cells, those with a text for NULL as None; a single such text is compared, not hashed."""
    if len(nulls) == 1:
        (null,) = nulls
        return [None if cell == null else cell for cell in cells]
    return [None if cell in nulls else cell for cell in cells]


def _unquote(cell: bytes, quote: bytes, nulls: frozenset[bytes]) -> bytes | None:
    """Return the text of a quoted cell, None where it stands for NULL all the same."""
    text = cell[1:-1].replace(quote + quote, quote)
    return None if text in nulls else text
