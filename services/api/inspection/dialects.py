"""Find the dialect of a file by reading it in each one that it may be, with the reader that loads it.

No library is as exact: see decision 62. A dialect fits as well as its records have the same number of cells.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, product

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.records import Record, split
from libs.common.csv.text import Text
from libs.common.csv.utf16 import with_byte_order

_PROBED_BYTES = 1 << 18
_PROBED_RECORDS = 500
_DELIMITERS = (",", ";", "\t", "|", "||", "\u0001", "~", "^")
_LEAST_SHARE = 0.5
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_VALUE = re.compile(r"[-+]?\d[\d.,:/ T-]*[€$%]?")


def guess_format(plain: bytes) -> FileFormat:
    """Return the format by which the file is read best."""
    encoding = guess_encoding(plain)
    probe = plain[:_PROBED_BYTES]
    if _is_json_lines(probe, encoding):
        return FileFormat.model_validate({"type": "jsonl", "encoding": encoding})
    candidates = list(_candidates(probe, encoding))
    best = max(candidates, key=lambda each: _fit(_records(probe, each), each))
    records = _records(probe, best)
    width, share = _usual_width(records)
    if width < 2 or share < _LEAST_SHARE:
        best, records = candidates[0], _records(probe, candidates[0])
        width, _ = _usual_width(records)
    return _with_header(best, records, width)


def guess_encoding(plain: bytes) -> str:
    """Return utf-16 by its mark, utf-8 where the bytes are that, else cp1252, in which files without a name come."""
    marked = _MARKS.get(plain[:2])
    if marked is not None:
        return marked
    odd, even = plain[:2000:2].count(0), plain[1:2000:2].count(0)
    if even > 4 * (odd + 10):
        return "utf-16-le"
    if odd > 4 * (even + 10):
        return "utf-16-be"
    try:
        plain.decode()
    except UnicodeDecodeError as exc:
        is_cut_at_end = exc.start >= len(plain) - 3 and exc.reason == "unexpected end of data"
        return "utf-8" if is_cut_at_end or plain.startswith(b"\xef\xbb\xbf") else "cp1252"
    return "utf-8"


def looks_like_values(cells: Sequence[str | None]) -> bool:
    """Return whether a record is data and no header: a number or a date stands in a cell, or nothing in most."""
    is_value = any(cell and _VALUE.fullmatch(cell.strip()) for cell in cells)
    return is_value or sum(not cell for cell in cells) > len(cells) / 2


def _candidates(probe: bytes, encoding: str) -> Iterator[FileFormat]:
    text = probe.decode(encoding, "replace")
    is_double = text.count("||") > 0 and text.count("|") == 2 * text.count("||")
    delimiters = [
        sign
        for sign in _DELIMITERS
        if sign == "," or (sign in text and sign != ("|" if is_double else "||"))
    ]
    escapes = [None, "\\"] if '\\"' in text else [None]
    for quote, delimiter in product(('"', "'", None), delimiters):
        for escape in escapes if quote == '"' else [None]:
            yield FileFormat.model_validate(
                {"delimiter": delimiter, "quote": quote, "escape": escape, "encoding": encoding}
            )


def _fit(records: Sequence[Record], dialect: FileFormat) -> tuple[float, int, int, int, int]:
    """Return how well a dialect fits; of equals the usual quote, no escape, more cells, and the usual delimiter."""
    width, share = _usual_width(records)
    return (
        round(share if width > 1 else share / 2, 2),
        (None, "'", '"').index(dialect.quote),
        dialect.escape is None,
        width,
        -_DELIMITERS.index(dialect.delimiter),
    )


def _records(probe: bytes, dialect: FileFormat) -> list[Record]:
    encoding = with_byte_order(dialect.encoding, probe[:4])
    dialect = dialect.model_copy(update={"encoding": encoding})
    framer = Framer(Text(io.BytesIO(probe), encoding), dialect)
    records = (record for block in split(framer) for record in block)
    return list(islice(records, _PROBED_RECORDS))


def _usual_width(records: Sequence[Record]) -> tuple[int, float]:
    """Return the number of cells that most records have, and their share; of equals the greater number."""
    widths = Counter(len(record.cells) for record in records if record.fault is None)
    if not widths:
        return 0, 0.0
    width, count = max(widths.items(), key=lambda each: (each[1], each[0]))
    return width, count / len(records)


def _with_header(dialect: FileFormat, records: Sequence[Record], width: int) -> FileFormat:
    """Add where the header stands: the first record that is as wide as most."""
    sound = [record for record in records if record.fault is None and len(record.cells) == width]
    if not sound:
        return dialect
    changes: dict[str, object] = {}
    if width > 1 and all(not record.cells[-1] for record in sound):
        changes["trailing_delimiter"] = True
        width -= 1
    first = sound[0]
    header: dict[str, object] = {}
    if first is not records[0]:
        header["skip_before"] = first.line_number - 1
    if looks_like_values(texts(first)[:width]):
        header |= {"lines": 0, "names": [f"column_{n}" for n in range(1, width + 1)]}
    return FileFormat.model_validate({**dialect.model_dump(), **changes, "header": header})


def texts(record: Record) -> list[str | None]:
    """Return the cells of a record as text."""
    return [None if cell is None else cell.decode().removeprefix("\ufeff") for cell in record.cells]


def _is_json_lines(probe: bytes, encoding: str) -> bool:
    first = probe.decode(encoding, "replace").lstrip("\ufeff \r\n").partition("\n")[0]
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
