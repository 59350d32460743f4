"""Rows of a text COPY hold what the record splitter reads, whatever the cells hold."""

import re

from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.block import Block
from libs.common.csv.dialect import FileFormat
from libs.common.csv.records import RecordSplitter
from libs.common.postgres.copy.check_prefilter import RowPredicates
from libs.common.postgres.copy.column_types import AS_TEXT, LEFT_OUT, ColumnCodec, Kind
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.row_forms import TEXT
from libs.common.postgres.copy.row_layout import RowLayout
from libs.common.postgres.copy.written_forms import fixed_form
from services.loader.blocks.preparation import BlockPlan
from services.loader.blocks.prepared_block import Prepared

WIDTH, CAP, FIRST_LINE = 3, 60, 7
PIECES = (
    *("a", "é", " ", ",", ",", ",", '"', '""', '"a"', '"b,c"', '","', "\n", "\n", "\r\n"),
    *("\\", "\\N", "\\.", "\t", "\\t", '"\\""\t"', "abcdefgh\\ijklmnop\tqr", "\x01", "\x0b"),
)
FILES = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces).encode())
UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
Cells = list[str | None]


def open_plan(
    codecs: list[ColumnCodec],
    dialect: FileFormat | None = None,
    layout: RowLayout | None = None,
    *,
    has_lines: bool = False,
) -> BlockPlan:
    """Return how blocks of three columns become text rows."""
    dialect = dialect or FileFormat()
    nothing = RowPredicates([False] * WIDTH, [], is_complete=True)
    return BlockPlan(
        dialect,
        Encoder(dialect, codecs, nothing, layout, TEXT, has_lines=has_lines),
        RecordSplitter(dialect, width=WIDTH, max_record_bytes=CAP),
        CAP,
    )


def prepare(plan: BlockPlan, data: bytes) -> Prepared | None:
    """Prepare a block of lines."""
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return plan.prepare(Block(0, FIRST_LINE, data, None, len(data), FIRST_LINE + lines))


def read_back(copied: bytes) -> list[Cells]:
    """Read rows as COPY does."""
    return [
        [
            None if cell == "\\N" else re.sub(r"\\.", lambda found: UNESCAPED[found.group()], cell)
            for cell in line.split("\t")
        ]
        for line in copied.decode().removesuffix("\n").split("\n")
        if copied
    ]


@given(data=FILES, null=st.sampled_from(["", "\\N", ["", "a"]]), has_lines=st.booleans())
def test_text_rows_hold_what_the_splitter_reads(
    data: bytes, null: str | list[str], *, has_lines: bool
) -> None:
    dialect = FileFormat(null=null)
    plan = open_plan([AS_TEXT] * WIDTH, dialect, has_lines=has_lines)
    prepared = prepare(plan, data)
    if prepared is None:
        return

    splitter = RecordSplitter(dialect, width=WIDTH, max_record_bytes=CAP)
    records = splitter.split(prepared.block)
    sound = [(record.line_number, record.cells) for record in records if not record.fault]

    cells = [[None if c is None else c.decode() for c in row] for _, row in sound]
    assert read_back(prepared.certain.for_target()) == cells
    numbers: list[Cells] = [[str(line).zfill(19)] if has_lines else [] for line, _ in sound]
    assert read_back(prepared.encoded) == [a + b for a, b in zip(cells, numbers, strict=True)]


def test_what_a_codec_knows_is_read_and_written_as_postgres_reads_it() -> None:
    german = ColumnCodec(Kind.NUMERIC, 6, 2, point=ord(","), mark=ord("."))
    form = fixed_form("%d.%m.%Y")
    assert form is not None
    dates = ColumnCodec(Kind.DATE, forms=(form,), is_plain_read=False)
    lines = b'"1.234,5",31.12.2026,\\\n"x",31.12.2026,b\n"1,5",31.02.2026,c\n,,\n'

    prepared = prepare(open_plan([german, dates, AS_TEXT]), lines)

    assert prepared is not None
    assert read_back(prepared.encoded) == [["1234.5", "2026-12-31", "\\"], [None, None, None]]
    # Of a line with a cell to check those are checked, too, that nobody has read.
    assert list(prepared.type_check_cells) == [
        (1, 0, "x"),
        (1, 2, "b"),
        (2, 1, "31.02.2026"),
        (2, 2, "c"),
    ]


def test_texts_that_are_too_long_and_values_of_no_type_are_to_be_checked() -> None:
    codecs = [ColumnCodec(Kind.TEXT, 2), ColumnCodec(Kind.UUID), ColumnCodec(Kind.INTEGER, 2)]
    known = "00000000-0000-0000-0000-000000000007"
    lines = (
        f"éa,{known},-5\nabc,{known},5\nab,7,5\nab,{known},40000\nab,{known},\n"
        + 3 * f"a,{known},1\n"
    )

    prepared = prepare(open_plan(codecs), lines.encode())

    assert prepared is not None
    assert read_back(prepared.encoded) == [["éa", known, "-5"], ["ab", known, None]] + 3 * [
        ["a", known, "1"]
    ]
    assert list(prepared.type_check_cells) == [(1, 0, "abc"), (2, 1, "7"), (3, 2, "40000")]


def test_cells_that_nobody_has_read_can_be_had_alone() -> None:
    codecs = [AS_TEXT, ColumnCodec(Kind.INTEGER, 4), AS_TEXT]
    plan = open_plan(codecs)
    prepared = prepare(plan, b'a,1,"b"\nc,2\nd,3,\n"e\t",x,f\n')

    assert prepared is not None
    assert plan.unread is not None
    encoded = plan.unread.encode(prepared.lines, 0, skipped=(1, 3))
    assert encoded is not None
    assert plan.unread.columns == [0, 2]
    assert read_back(encoded.certain.for_sink()) == [["a", "b"], ["d", None]]


def test_cells_that_are_left_out_have_no_field_and_lines_that_are_added_do() -> None:
    layout = RowLayout((-1, 0, 1), line_sizes=(4,))
    plan = open_plan([LEFT_OUT, AS_TEXT, AS_TEXT], layout=layout)

    encoder = Encoder(
        FileFormat(),
        [LEFT_OUT, AS_TEXT, AS_TEXT],
        RowPredicates([False] * WIDTH, [], is_complete=True),
        RowLayout((-1, 0, 1), same=1, line_sizes=(4,)),
        TEXT,
        has_lines=True,
    )
    prepared = prepare(plan, b"a,b,c\nd,e,\n")
    assert prepared is not None
    encoded = encoder.encode(prepared.lines, 5, same=TEXT.fields_of(b"x\\\\y\n"), line_in_file=12)

    assert encoded is not None
    assert read_back(encoded.certain.for_sink()) == [
        ["b", "c", "x\\y", "12".zfill(19), "5".zfill(19)],
        ["e", None, "x\\y", "13".zfill(19), "6".zfill(19)],
    ]
    assert read_back(encoded.certain.for_target()) == [
        ["b", "c", "x\\y", "12".zfill(19)],
        ["e", None, "x\\y", "13".zfill(19)],
    ]
