"""COPY text holds what the cells hold, whatever the cells hold."""

import re

from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.records import Record
from libs.common.postgres.copy.text import encode_record, encode_records

UNESCAPED = {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n", b"\\r": b"\r"}
CELLS = st.lists(
    st.none() | st.text(alphabet="a\\\t\n\r.Nné,").map(str.encode), min_size=1, max_size=4
)


def read_back(line: bytes) -> list[bytes | None]:
    """Read a line as COPY does."""
    return [
        None if cell == b"\\N" else re.sub(rb"\\.", lambda m: UNESCAPED[m.group()], cell)
        for cell in line.removesuffix(b"\n").split(b"\t")
    ]


@given(CELLS)
def test_what_is_written_reads_back_as_the_same_cells(cells: list[bytes | None]) -> None:
    raw = b",".join(cell or b"" for cell in cells)

    line = encode_record(Record(1, 0, raw, cells))

    assert line.count(b"\n") == 1
    assert read_back(line) == cells


def test_records_are_lines_in_their_order() -> None:
    records = [Record(1, 0, b"1,", [b"1", None]), Record(2, 3, b"\\.", [b"\\.", b""])]

    assert encode_records(records) == b"1\t\\N\n\\\\.\t\n"
