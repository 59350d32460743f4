"""Read a file without its footer: the last lines, which are no records, and may count them.

    Text ──► BodyText ──► frames
                 └── at the end: the footer's lines, and the number of records that they tell

So many lines as the format says are held back, by line ends, whatever quotes say. Blank lines do not count, nor does a
Ctrl-Z at the very end.
"""

import re
from dataclasses import dataclass

from libs.common.csv.dialect import FileFormat, FooterFormat
from libs.common.csv.header import Header
from libs.common.csv.line_ends import LineEnds, line_ends_of
from libs.common.csv.text import Text
from libs.common.errors import SourceError

_WINDOW = 1 << 12
_MOST_HELD = 64 << 20
_NO_TEXT = (b"", b"\x1a")


@dataclass(frozen=True, slots=True)
class Footer:
    """The lines of a footer, and how many records it says that the file has, None if it says nothing."""

    lines: tuple[str, ...]
    rows: int | None

    def check(self, rows_read: int, path: str) -> None:
        """Raise `SourceError` when the file has not as many records as it says."""
        if self.rows not in {None, rows_read}:
            raise _mismatch(
                f"{path} has {rows_read:,} records, but its footer says {self.rows:,}; nothing was loaded: send the "
                "whole file, or correct 'footer' of the dataset's format"
            )


class BodyText(Text):
    """A text without the footer of its file; it must stand at the start of a line.

    `footer` is there once `read` has returned nothing. Raises `SourceError("trailer-mismatch")`.
    """

    def __init__(
        self, text: Text, form: FooterFormat, encoding: str, line_ends: LineEnds, cap: int
    ) -> None:
        """Hold lines back; of what is longer than `cap` bytes a line and one more, no footer is made.

        `encoding` is that of the text.
        """
        super().__init__(text, start=text.start)
        self.utf16 = text.utf16
        self._text = text
        self._form = form
        self._encoding = encoding
        self._ends = line_ends.pattern
        self._most = min(cap * (form.lines + 1), _MOST_HELD)
        self._held = b""
        self._is_cut = False
        self.footer: Footer | None = None

    def read(self, size: int, /) -> bytes:
        """Return about `size` bytes, and none only where the footer begins."""
        while self.footer is None:
            more = self._text.read(size)
            self._held += more
            if not more:
                return self._finish()
            place = self._begin_of_last(at_end=False)
            if place > 0:
                self._is_cut = False
            elif len(self._held) > self._most:
                place, self._is_cut = len(self._held) - self._most, True
            if place > 0:
                body, self._held = self._held[:place], self._held[place:]
                return body
        return b""

    def place(self, position: int) -> int:
        """Return the offset in the file of a position, as the whole text does."""
        return self._text.place(position)

    def _finish(self) -> bytes:
        """Take the footer off what is held, and return the rest; at the very end of that, nothing more comes."""
        place = self._begin_of_last(at_end=True)
        body, last = self._held[:place], self._held[place:]
        if body:
            self._held, self._is_cut = last, False
            return body
        lines = self._lines(last)
        if self._is_cut or len(last) > self._most:
            raise _mismatch(
                f"the last {self._form.lines} line(s), which are the footer, take more than {self._most:,} bytes with "
                "the blank lines behind them; see that all lines end as 'line_end' of the dataset's format says, and "
                "send the whole file"
            )
        if len(lines) < self._form.lines:
            raise _mismatch(
                f"the file ends before its footer of {self._form.lines} line(s); send the whole file, or correct "
                "'footer' of the dataset's format"
            )
        self.footer = Footer(lines, self._read_rows(lines))
        return b""

    def _begin_of_last(self, *, at_end: bool) -> int:
        """Return where the last lines that may be the footer begin; 0 also where there are no more than these."""
        text = self._held
        # Unless this is the end, an LF that follows may make a line end of a return.
        text = text if at_end else text.removesuffix(b"\r")
        window = _WINDOW
        while True:
            start = max(0, len(text) - window)
            begins = self._begins(text, start)
            if len(begins) >= self._form.lines and (begins[-self._form.lines] > start or not start):
                return begins[-self._form.lines]
            if not start:
                return 0
            window *= 4

    def _begins(self, text: bytes, start: int) -> list[int]:
        """Return where lines with text begin in a part of it."""
        begins, place = [], start
        for end in (*self._ends.finditer(text, start), None):
            line = text[place : end.start() if end else len(text)]
            if line not in _NO_TEXT:
                begins.append(place)
            place = end.end() if end else place
        return begins

    def _lines(self, last: bytes) -> tuple[str, ...]:
        """Return the lines with text."""
        lines = (line for line in self._ends.split(last) if line not in _NO_TEXT)
        return tuple(line.decode(self._encoding, "replace") for line in lines)

    def _read_rows(self, lines: tuple[str, ...]) -> int | None:
        """Return the number of records that the footer tells; raises when it is not as it should be."""
        form = self._form
        if form.pattern is None:
            return None
        found = next(filter(None, (re.search(form.pattern, line) for line in lines)), None)
        shown = lines[-1][:200]
        if found is None:
            raise _mismatch(
                f"the file ends with {shown!r}, which 'footer.pattern' of the dataset's format does not match: it may "
                "be a part of the file only; send the whole file, or correct 'pattern'"
            )
        if form.rows is None:
            return None
        digits = (found.group(form.rows) or "").strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            raise _mismatch(
                f"the footer {shown!r} has {digits!r} where 'footer.rows' of the dataset's format expects the number "
                "of records; correct 'pattern' or 'rows'"
            )
        return int(digits)


def without_footer(text: Text, dialect: FileFormat, header: Header, cap: int) -> BodyText | None:
    """Return the rest of a file, which is read to its end, without its footer; None where the format has none."""
    if dialect.footer is None:
        return None
    ends = line_ends_of(dialect.line_end, cr_ends_records=header.cr_ends_records)
    return BodyText(text, dialect.footer, dialect.text_encoding, ends, cap)


def _mismatch(message: str) -> SourceError:
    return SourceError("trailer-mismatch", message)
