"""Tell records from what is none: comments, the header that comes again, records of empty cells only.

framing (where a record ends) ──► here ──► records, blocks: what is skipped is counted, and reported with the job
"""

import re
from enum import StrEnum

from libs.common.csv.dialect import FileFormat

_UTF_8_MARK = b"\xef\xbb\xbf"


class Skip(StrEnum):
    """Why something is no record."""

    COMMENT = "comments"
    REPEATED_HEADER = "repeated_headers"
    BLANK = "blank_records"
    FOOTER = "footer_lines"


class SkippedRecords:
    """What is no record by the rules of one dialect.

    A record that is none begins with `comment`, is one of `headers`, or begins with one of `blank_bytes`, behind which
    another one or the line's end stands.
    """

    def __init__(self, dialect: FileFormat, header_line: bytes = b"") -> None:
        """Know the header's line, without mark and line end, where the dialect says that it is repeated."""
        self.comment = (dialect.comment or "").encode()
        self._blank = _blank_pattern(dialect) if dialect.blank_records == "skip" else None
        is_marked = dialect.text_encoding == "utf-8"
        self.headers: tuple[bytes, ...] = ()
        if dialect.header.repeated and header_line:
            self.headers = (header_line, *([_UTF_8_MARK + header_line] if is_marked else []))
        blanks = (dialect.delimiter[0], dialect.quote or "") if self._blank else ()
        self.blank_bytes = [ord(sign) for sign in blanks if sign]

    def __bool__(self) -> bool:
        """Return whether anything is skipped."""
        return bool(self.comment or self.headers or self.blank_bytes)

    def reason(self, raw: bytes, *, is_whole: bool = True) -> Skip | None:
        """Return why the bytes of a record, or the start of one, are none, None when they are one."""
        if self.comment and raw.startswith(self.comment):
            return Skip.COMMENT
        if not is_whole:
            return None
        if raw in self.headers:
            return Skip.REPEATED_HEADER
        if self._blank is not None and self._blank.fullmatch(raw):
            return Skip.BLANK
        return None


def _blank_pattern(dialect: FileFormat) -> re.Pattern[bytes]:
    """Compile cells without a character, quoted or not."""
    delimiter = re.escape(dialect.delimiter.encode())
    cell = b"" if dialect.quote is None else b"(?:%b)?" % re.escape(dialect.quote.encode() * 2)
    return re.compile(b"%b(?:%b%b)*+" % (cell, delimiter, cell))
