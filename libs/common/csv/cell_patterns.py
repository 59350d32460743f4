"""Say as regular expressions what a cell and a record are in a dialect: for `framing` and for `cells`."""

import re

from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_ends import AUTO, LineEnds


def cell_pattern(dialect: FileFormat, signs: bytes = AUTO.signs) -> bytes:
    """Return the expression of one cell, quoted or plain; possessive, so that it stays linear.

    `signs` are those of line ends that a plain cell cannot hold.
    """
    delimiter = re.escape(dialect.delimiter.encode())
    quote = b"" if dialect.quote is None else re.escape(dialect.quote.encode())
    escape = b"" if dialect.escape is None else re.escape(dialect.escape.encode())
    escaped = rb"|%b(?:\r\n|.)" % escape if escape else b""
    if dialect.byte_delimiter is not None:
        plain = b"[^%b%b%b%b]" % (delimiter, quote, escape, signs)
        plain = b"(?:%b++%b)*+" % (plain, escaped) if escaped else plain + b"*+"
    else:
        others = quote + escape + signs
        plain = b"(?:(?!%b)%b%b)*+" % (delimiter, b"[^%b]" % others if others else b".", escaped)
    if not quote:
        return plain
    quoted = b"%b(?:[^%b%b]++|%b%b%b)*+%b" % (quote, quote, escape, quote, quote, escaped, quote)
    return b"(?:%b|%b)" % (quoted, plain)


def body_pattern(dialect: FileFormat, line_ends: LineEnds) -> re.Pattern[bytes]:
    """Compile a record's cells up to its line end; where it stops short of one, there is damage.

    The last group that matched is the last cell.
    """
    cell = cell_pattern(dialect, line_ends.signs)
    delimiter = re.escape(dialect.delimiter.encode())
    return re.compile(b"(%b)(?:%b(%b))*+" % (cell, delimiter, cell), re.DOTALL)


def line_pattern(dialect: FileFormat, line_ends: LineEnds) -> re.Pattern[bytes]:
    """Compile a sound record whose line end is certain, and the only group; a comment is none."""
    cell = cell_pattern(dialect, line_ends.signs)
    body = b"%b(?:%b%b)*+" % (cell, re.escape(dialect.delimiter.encode()), cell)
    comment = re.escape((dialect.comment or "").encode())
    no_comment = b"(?!%b)" % comment if comment else b""
    return re.compile(no_comment + body + line_ends.sure, re.DOTALL)
