"""A block read by columns holds the cells that the record splitter reads, or is not read at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.datasets import FileFormat
from libs.common.frames import Block
from libs.common.records import RecordSplitter
from services.loader.columns import ColumnReader, Columns

WIDTH, CAP = 3, 30
PIECES = ["a", "é", " ", ",", ",", ",", '"', '""', '"a"', '"b,c"', '","', "\\.", "\n", "\n", "\r\n"]
FILES = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces).encode())


def read(data: bytes, dialect: FileFormat | None = None) -> Columns | None:
    """Read a block of three columns."""
    return ColumnReader(dialect or FileFormat(), WIDTH, CAP).read(data)


def cells_by_line(columns: Columns) -> list[list[str | None] | None]:
    """Return the cells of each line, None for a line that is not fit."""
    rows: list[list[str | None] | None] = [None] * len(columns.lines)
    for place, row in zip(columns.places, columns.cells.rows(), strict=True):
        rows[place] = list(row)
    assert [place for place, row in enumerate(rows) if row is None] == columns.unfit.tolist()
    return rows


@given(FILES)
def test_what_is_read_by_columns_is_what_the_splitter_reads(data: bytes) -> None:
    columns = read(data)
    if columns is None:
        return

    splitter = RecordSplitter(FileFormat(), width=WIDTH, max_record_bytes=CAP)
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    records = splitter.split(Block(0, 1, data, None, len(data), lines))

    expected = [
        None if r.fault else [None if c is None else c.decode() for c in r.cells] for r in records
    ]
    assert cells_by_line(columns) == expected


def test_common_lines_are_read_with_their_ragged_ones_set_apart() -> None:
    columns = read(b'a,b,c\n1,2\n"x,""y""",,""\n1,2,3,4\n,,\n')

    assert columns is not None
    assert cells_by_line(columns) == [
        ["a", "b", "c"],
        None,
        ['x,"y"', None, ""],
        None,
        [None, None, None],
    ]


def test_lines_that_all_end_with_a_return_are_read_too() -> None:
    columns = read(b'a,b,"c"\r\n1,2\r\n,,"x""y"\r\n1,2,3')

    assert columns is not None
    assert cells_by_line(columns) == [["a", "b", "c"], None, [None, None, 'x"y'], ["1", "2", "3"]]


def test_another_encoding_is_read_too() -> None:
    columns = read("é,b,ü\n1,2\n".encode("cp1252"), FileFormat(encoding="cp1252"))

    assert columns is not None
    assert cells_by_line(columns) == [["é", "b", "ü"], None]
    assert read(b"\x81,b,c\n", FileFormat(encoding="cp1252")) is None


def test_another_delimiter_and_quote_are_read_too() -> None:
    columns = read(b"a|'b|''c'|d\n", FileFormat(delimiter="|", quote="'"))

    assert columns is not None
    assert cells_by_line(columns) == [["a", "b|'c", "d"]]


@pytest.mark.parametrize(
    "data",
    [
        b"a,b,c\r\n",
        b"a,b\rb,c\n",
        b"a,b\0,c\n",
        b"a,b\xff,c\n",
        b"a,b,c\n\na,b,c\n",
        b'a,"b\nb",c\n',
        b'a,b"b,c\n',
        b'a,"b"b,c\n',
        b'a,b,"c\n',
        b"a,b," + b"c" * CAP + b"\n",
    ],
)
def test_a_block_with_anything_uncommon_is_left_to_the_splitter(data: bytes) -> None:
    assert read(b"a,b,c\n" + data) is None
