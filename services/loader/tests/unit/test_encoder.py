"""A block that is encoded holds the cells that the record splitter reads, or is not encoded at all."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libs.common.csv.block import Block
from libs.common.csv.dialect import FileFormat
from libs.common.csv.records import RecordSplitter
from libs.common.postgres.copy.check_prefilter import RowPredicates
from libs.common.postgres.copy.column_types import ColumnCodec, Comparison, Kind, Limit
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.row_forms import HEADER, TRAILER
from libs.devstack.testing.reference_splitter import reference_split
from services.loader.blocks.preparation import BlockPlan
from services.loader.blocks.prepared_block import Prepared

WIDTH, CAP, FIRST_LINE = 3, 30, 7
PIECES = [
    *("a", "é", " ", ",", ",", ",", '"', '""', '"a"', '"b,c"', '","', "\\.", "\n", "\n", "\r\n"),
    *("\\N", ",\\N,", '"\\N"', '",\\N,"'),
    *(
        "\\",
        '\\"',
        "\\,",
        "\\n",
        "\\\\",
        "\\\\N",
        ",\\\\N,",
        '"\\\\N"',
        "\\é",
        "\\0",
        "\\Z",
        '"a\\,\\"""',
    ),
]
ESCAPES = st.sampled_from([None, "\\"])
FILES = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
TEXTS = [ColumnCodec(Kind.TEXT)] * WIDTH
NOTHING = RowPredicates([False] * WIDTH, [], is_complete=True)


def plan(
    dialect: FileFormat | None = None,
    shapes: Sequence[ColumnCodec] = TEXTS,
    suspicion: RowPredicates = NOTHING,
    *,
    has_lines: bool = False,
) -> BlockPlan:
    """Return how blocks of three columns are encoded."""
    dialect = dialect or FileFormat()
    return BlockPlan(
        dialect,
        Encoder(dialect, list(shapes), suspicion, has_lines=has_lines),
        RecordSplitter(dialect, width=WIDTH, max_record_bytes=CAP),
        CAP,
    )


def block(data: bytes) -> Block:
    """Return a block of lines."""
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return Block(0, FIRST_LINE, data, None, len(data), FIRST_LINE + lines)


def read(data: bytes, dialect: FileFormat | None = None) -> Prepared | None:
    """Encode a block of texts."""
    return plan(dialect).prepare(block(data))


def tuples(encoded: bytes) -> Iterator[list[bytes | None]]:
    """Yield the fields of the rows of a binary COPY."""
    assert encoded.startswith(HEADER)
    assert encoded.endswith(TRAILER)
    at, end = len(HEADER), len(encoded) - len(TRAILER)
    while at < end:
        (count,) = struct.unpack_from(">h", encoded, at)
        at, fields = at + 2, list[bytes | None]()
        for _ in range(count):
            (size,) = struct.unpack_from(">i", encoded, at)
            at += 4
            fields.append(None if size < 0 else encoded[at : at + size])
            at += max(size, 0)
        yield fields


def cells_by_line(prepared: Prepared) -> list[list[str | None] | None]:
    """Return the cells of each line, None for a line that is not fit."""
    rows: list[list[str | None] | None] = [None] * len(prepared.lines)
    for line, row in zip(prepared.certain.lines, tuples(prepared.encoded), strict=True):
        rows[line] = [None if cell is None else cell.decode() for cell in row]
    wrong_width = [line for line, _ in prepared.malformed]
    assert [line for line, row in enumerate(rows) if row is None] == wrong_width
    return rows


NULLS = st.one_of(
    st.sampled_from(["", "a", "é", " "]),
    st.lists(st.sampled_from(["", "a", "é", " ", "ab", '"', 'a"', "\\N"]), max_size=5),
)


@settings(max_examples=600)
@example('"\n",\\N,', FileFormat())
@given(
    FILES,
    st.builds(
        FileFormat,
        null=NULLS,
        quoted_null=st.booleans(),
        escape=ESCAPES,
        encoding=st.sampled_from(["utf-8", "cp1252"]),
        trailing_delimiter=st.booleans(),
        line_end=st.sampled_from(["auto", "lf"]),
    ),
)
def test_what_is_encoded_is_what_the_splitter_reads(text: str, dialect: FileFormat) -> None:
    data = text.encode(dialect.encoding)
    prepared = read(data, dialect)
    if prepared is None:
        return

    splitter = RecordSplitter(dialect, width=WIDTH, max_record_bytes=CAP)
    # Where a cell holds a line end, the framer gives both the records that were found at once.
    records = splitter.split(replace(block(data), lines=prepared.lines))

    expected = [
        None if r.fault else [None if c is None else c.decode() for c in r.cells] for r in records
    ]
    assert cells_by_line(prepared) == expected


def test_common_lines_are_encoded_with_their_ragged_ones_set_apart() -> None:
    prepared = read(b'a,b,c\n1,2\n"x,""y""",,""\n1,2,3,4\n,,\n')

    assert prepared is not None
    assert cells_by_line(prepared) == [
        ["a", "b", "c"],
        None,
        ['x,"y"', None, ""],
        None,
        [None, None, None],
    ]
    assert [why.error_code for _, why in prepared.malformed] == [
        "missing-cell",
        "extra-cell",
    ]


def test_lines_that_all_end_with_a_return_are_encoded_too() -> None:
    prepared = read(b'a,b,"c"\r\n1,2\r\n,,"x""y"\r\n1,2,3')

    assert prepared is not None
    assert cells_by_line(prepared) == [["a", "b", "c"], None, [None, None, 'x"y'], ["1", "2", "3"]]


def test_another_encoding_is_read_too() -> None:
    prepared = read("é,b,ü\n1,2\n,,€".encode("cp1252"), FileFormat(encoding="cp1252"))

    assert prepared is not None
    assert cells_by_line(prepared) == [["é", "b", "ü"], None, [None, None, "€"]]
    assert read(b"\x81,b,c\n", FileFormat(encoding="cp1252")) is None


def test_cells_that_an_escape_makes_null_are_read_too() -> None:
    dialect = FileFormat(escape="\\", null="x")
    prepared = read(b'\\N,"a,b",\\N\na,\\N,x\n1,2\n"c",,\\N', dialect)

    assert prepared is not None
    assert cells_by_line(prepared) == [
        [None, "a,b", None],
        ["a", None, None],
        None,
        ["c", "", None],
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_cells_with_escapes_are_read_too(encoding: str) -> None:
    dialect = FileFormat(escape="\\", encoding=encoding)
    text = '"é,\\N,y","\\"a\\"",\\\\N\n\\,ü\\t,a\\nb,\\\\\\"\n1,2\n"","\\N",""""'
    prepared = read(text.encode(encoding), dialect)

    assert prepared is not None
    assert cells_by_line(prepared) == [
        ["é,N,y", '"a"', "\\N"],
        [",ü\t", "a\nb", '\\"'],
        None,
        ["", None, '"'],
    ]


@pytest.mark.parametrize(
    "text", ["a\\0,b,c", "a,b\\\nc,d\n", '"a\\"', "a,b,c\\", 'a\\""b,c,d', '"a"\\b,c,d']
)
def test_escapes_that_may_mean_more_than_their_cell_are_not_read(text: str) -> None:
    assert read(text.encode(), FileFormat(escape="\\")) is None


def test_another_delimiter_and_quote_are_read_too() -> None:
    prepared = read(b"a|'b|''c'|d\n", FileFormat(delimiter="|", quote="'"))

    assert prepared is not None
    assert cells_by_line(prepared) == [["a", "b|'c", "d"]]


@pytest.mark.parametrize("quote", [chr(code) for code in range(1, 128) if code not in (10, 13)])
def test_cells_of_any_quote_and_delimiter_are_those_of_the_reference(quote: str) -> None:
    for code in range(1, 128):
        if chr(code) in f"{quote}\r\n":
            continue
        dialect = FileFormat(quote=quote, delimiter=chr(code))
        signs = str.maketrans({",": chr(code), '"': quote})
        for text in ['Ä,"Ö,""Ü""",\n,"",É\nÀ,È\n', 'Ä,"Ö\nÜ",É\n', 'Ä,Ö"Ü,É\n']:
            data = text.translate(signs).encode()
            prepared = read(data, dialect)
            expected = reference_split(data, dialect, width=WIDTH, cap=CAP)
            if prepared is not None:
                assert cells_by_line(prepared) == [record.cells for record in expected]
            else:
                assert text.startswith('Ä,Ö"')


@pytest.mark.parametrize(
    "data",
    [
        b"a,b,c\r\n",
        b"a,b\rb,c\n",
        b"a,b\0,c\n",
        b"a,b\xff,c\n",
        b"a,b,c\n\na,b,c\n",
        b'a,"b\nb"b,c\n',
        b'a,b"b,c\n',
        b'a,"b"b,c\n',
        b'a,b,"c\n',
        b"a,b," + b"c" * CAP + b"\n",
    ],
)
def test_a_block_with_anything_uncommon_is_left_to_the_splitter(data: bytes) -> None:
    assert read(b"a,b,c\n" + data) is None


def test_a_line_that_a_constraint_may_refuse_is_suspected() -> None:
    shapes = [ColumnCodec(Kind.INTEGER, 4), ColumnCodec(Kind.NUMERIC, 6, 2), ColumnCodec(Kind.TEXT)]
    limits = [Limit(1, Comparison.AT_LEAST, 150), Limit(0, Comparison.DIFFERENT, 7)]
    suspicion = RowPredicates([False, False, True], limits, is_complete=True)

    prepared = plan(shapes=shapes, suspicion=suspicion).prepare(
        block(b"1,1.5,a\n1,1.49,a\n7,2,a\n,,a\n1,2,\n2,3,b\n")
    )

    assert prepared is not None
    assert prepared.certain.lines.tolist() == [0, 3, 5]
    assert prepared.suspected.lines.tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    ("comparison", "passes"),
    [
        (Comparison.AT_LEAST, [1, 2]),
        (Comparison.ABOVE, [2]),
        (Comparison.AT_MOST, [0, 1]),
        (Comparison.BELOW, [0]),
        (Comparison.EQUAL, [1]),
        (Comparison.DIFFERENT, [0, 2]),
    ],
)
def test_a_limit_says_what_its_comparison_says(comparison: Comparison, passes: list[int]) -> None:
    suspicion = RowPredicates([False] * WIDTH, [Limit(0, comparison, 5)], is_complete=True)
    shapes = [ColumnCodec(Kind.INTEGER, 4), *TEXTS[1:]]

    prepared = plan(shapes=shapes, suspicion=suspicion).prepare(block(b"4,a,b\n5,a,b\n6,a,b\n"))

    assert prepared is not None
    assert prepared.certain.lines.tolist() == passes


def test_doubtful_cells_are_reported_with_their_line_column_and_text() -> None:
    shapes = [ColumnCodec(Kind.INTEGER, 2), ColumnCodec(Kind.FLOAT, 8), ColumnCodec(Kind.TEXT, 2)]

    prepared = plan(shapes=shapes).prepare(
        block(b'1,1.5,ab\nx,"NaN","a""b"\n2,1,\xc3\xa9\n70000,1e999,abc\n3,3,\n4,4,\n')
    )

    assert prepared is not None
    assert sorted(prepared.type_check_cells) == [
        (1, 0, "x"),
        (1, 1, "NaN"),
        (1, 2, 'a"b'),
        (3, 0, "70000"),
        (3, 1, "1e999"),
        (3, 2, "abc"),
    ]
    assert prepared.certain.lines.tolist() == [0, 2, 4, 5]


def test_rows_end_with_their_line_number_where_their_order_is_to_be_kept() -> None:
    numbered = plan(has_lines=True)

    prepared = numbered.prepare(block(b"a,b,c\n1,2\n,,x\n"))

    assert prepared is not None
    assert list(tuples(prepared.encoded)) == [
        [b"a", b"b", b"c", struct.pack(">q", FIRST_LINE)],
        [None, None, b"x", struct.pack(">q", FIRST_LINE + 2)],
    ]
    assert list(tuples(prepared.certain.for_target())) == [
        [b"a", b"b", b"c"],
        [None, None, b"x"],
    ]
    assert list(tuples(prepared.certain.without(np.array([0])).for_sink())) == [
        [None, None, b"x", struct.pack(">q", FIRST_LINE + 2)]
    ]


@given(st.lists(st.lists(st.text("ab\xe9", max_size=20), min_size=3, max_size=3), min_size=1))
def test_some_rows_can_be_picked(texts: list[list[str]]) -> None:
    rows = [[f"{place}{cell}" for cell in row] for place, row in enumerate(texts)]
    encoder = Encoder(FileFormat(), TEXTS, NOTHING, has_lines=False)
    data = "".join(",".join(row) + "\n" for row in rows).encode()
    wide = BlockPlan(
        FileFormat(),
        encoder,
        RecordSplitter(FileFormat(), width=WIDTH),
        1000,
    )

    prepared = wide.prepare(block(data))

    assert prepared is not None
    odd = prepared.certain.without(np.arange(0, len(rows), 2))
    assert list(tuples(odd.for_sink())) == [[cell.encode() for cell in row] for row in rows[1::2]]
