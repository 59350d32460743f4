"""The splitter agrees with a slow reference on every file, however the stream is cut."""

import hashlib
import io
import tracemalloc
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libs.common.csv.chunk_boundaries import find_boundaries
from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.records import Record, split
from libs.common.csv.text import Text
from libs.common.enums import ErrorCode
from libs.common.sources.fingerprints import PartDigests
from libs.common.sources.stream import SourceLimits, SourceStream
from libs.devstack.testing.reference_judgement import ReferenceRecord
from libs.devstack.testing.reference_splitter import reference_split

DIALECTS = [
    FileFormat(),
    FileFormat(delimiter=";", quote="'", null="NULL"),
    FileFormat(delimiter="\t", encoding="latin-1"),
    FileFormat(delimiter="|", encoding="cp1252", null="\\N"),
    FileFormat(delimiter="^", quote="]", encoding="utf-8", null="é"),
    FileFormat(null=["", "a", '"'], quoted_null=True),
    FileFormat(delimiter=";", null=["NULL", "é", "漢"], quoted_null=True, encoding="latin-1"),
    FileFormat(null=[]),
    FileFormat(encoding="utf-16-le"),
    FileFormat(delimiter="\t", encoding="utf-16-be", null="NULL"),
    FileFormat(delimiter="\t", quote=None, line_end="lf"),
    FileFormat(delimiter="||", comment="^", blank_records="skip", trailing_delimiter=True),
    FileFormat(escape="\\", comment="a", line_end="crlf"),
    FileFormat(escape="\\", quote="'", delimiter=",;", null="\\N", encoding="utf-16-le"),
    FileFormat(quote=None, delimiter=",", line_end="cr", trailing_delimiter=True),
]


def _choose_format(
    delimiter: str, quote: str | None, encoding: str, null: str, **options: Any
) -> FileFormat | None:
    """Return a format, or None where its options contradict each other."""
    try:
        return FileFormat(delimiter=delimiter, quote=quote, encoding=encoding, null=null, **options)
    except ValueError:
        return None


ANY_FORMAT = st.builds(
    _choose_format,
    delimiter=st.sampled_from([",", ";", "\t", "|", "||", "^^;", ",;,"]),
    quote=st.sampled_from(['"', '"', "'", None]),
    escape=st.sampled_from([None, "\\"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "cp1252", "utf-16-le"]),
    null=st.sampled_from(["", "NULL", "\\N"]),
    comment=st.sampled_from([None, None, "^", "a", "b1"]),
    blank_records=st.sampled_from(["load", "skip"]),
    line_end=st.sampled_from(["auto", "auto", "lf", "crlf", "cr"]),
    trailing_delimiter=st.booleans(),
).filter(lambda made: made is not None)
FORMATS = st.sampled_from(DIALECTS) | ANY_FORMAT
PIECES = [
    b",",
    b";",
    b"\t",
    b"|",
    b"^",
    b'"',
    b'""',
    b"'",
    b"]",
    b"\n",
    b"\r\n",
    b"\r",
    b"a",
    b"b1",
]
PIECES += [
    b" ",
    b"NULL",
    b"\\N",
    b"\\.",
    b"\0",
    b"\xc3\xa9",
    b"\xe9",
    b"\x81",
    b"\xff",
    b'"x\ny"',
    b"long" * 4,
    b"\\",
    b'\\"',
    b"||",
    b"\\n\\0",
    b"\\\r",
    b"\n\x1a",
]
BYTES = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
# Letters whose bytes look like delimiters and line ends, halves of pairs, and half a unit at the end.
WIDE_PIECES = [piece.decode("latin-1") for piece in PIECES] + [
    "\u0a0d",
    "\u0d0a",
    "ঢ",
    "\u2c00",
    "漢",
    "😀",
]
WIDE_PIECES += ["\ud83d", "\ude00", "\ud83d\ud83d"]
WIDE_TEXTS = st.lists(st.sampled_from(WIDE_PIECES), max_size=40).map("".join)
WIDE_FILES = st.builds(
    lambda text, encoding, odd: text.encode(encoding, "surrogatepass") + odd,
    WIDE_TEXTS,
    st.sampled_from(["utf-16-le", "utf-16-be"]),
    st.sampled_from([b"", b"", b"\n", b"\xd8"]),
)
FILES = BYTES | WIDE_FILES
BARE_RETURN = ErrorCode.BARE_CARRIAGE_RETURN


class Trickle:
    """A stream that gives at most `step` bytes a read, as a pipe or a decompressor may."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = io.BytesIO(data), step

    def read(self, size: int, /) -> bytes:
        """Return fewer bytes than asked for."""
        return self._data.read(min(size, self._step))


def as_reference(record: Record) -> ReferenceRecord:
    """Put a record into the form of the reference."""
    cells = None if record.fault else [c if c is None else c.decode() for c in record.cells]
    code = record.fault.code if record.fault else None
    return ReferenceRecord(record.line_number, record.byte_offset, record.raw, cells, code)


def split_all(
    data: bytes,
    dialect: FileFormat,
    *,
    width: int | None = None,
    first_offset: int = 0,
    end_offset: int | None = None,
    **options: Any,
) -> list[Record]:
    """Split `data` in one go, framed with these options."""
    text = Text(io.BytesIO(data), dialect.encoding, first_offset, end_offset)
    framer = Framer(text, dialect, **options)
    return [r for block in split(framer, width=width) for r in block]


@settings(max_examples=600)
@given(
    data=FILES,
    dialect=FORMATS,
    block_bytes=st.sampled_from([1, 2, 3, 5, 7, 64, 1 << 20]),
    step=st.sampled_from([1, 3, 1 << 20]),
    cap=st.sampled_from([4, 9, 1 << 20]),
    kept=st.sampled_from([0, 12, 1 << 20]),
    width=st.sampled_from([None, 2, 3]),
    cr=st.booleans(),
)
@example(
    data=b",NULL\r\n1,2\n",
    dialect=DIALECTS[0],
    block_bytes=1,
    step=1,
    cap=4,
    kept=12,
    width=2,
    cr=False,
)
@example(
    data=b'"' + b"x" * 8 + b"\r\n1,2\n",
    dialect=DIALECTS[0],
    block_bytes=1,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=True,
)
@example(
    data=b'"' + b"x" * 7 + b"\r" + b"\n1,2\n",
    dialect=DIALECTS[0],
    block_bytes=1,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=True,
)
@example(
    data=b"x" * 9 + b"\r",
    dialect=DIALECTS[0],
    block_bytes=2,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=True,
)
@example(
    data=b'"' + b"x" * 8 + b"\r\n1,2\n",
    dialect=DIALECTS[0],
    block_bytes=1,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=False,
)
@example(
    data=b'"' + b"x" * 7 + b"\r" + b"\n1,2\n",
    dialect=DIALECTS[0],
    block_bytes=1,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=False,
)
@example(
    data=b"x" * 9 + b"\r",
    dialect=DIALECTS[0],
    block_bytes=2,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=False,
)
@example(
    data=b"x" * 8 + b"\r\r\n1,2\n",
    dialect=DIALECTS[0],
    block_bytes=2,
    step=1,
    cap=9,
    kept=0,
    width=2,
    cr=False,
)
@example(
    data=b'""||,,',
    dialect=FileFormat(delimiter="||", blank_records="skip"),
    block_bytes=1,
    step=1,
    cap=4,
    kept=0,
    width=2,
    cr=False,
)
def test_agrees_with_the_reference_for_every_block_size(
    data: bytes,
    dialect: FileFormat,
    block_bytes: int,
    step: int,
    cap: int,
    kept: int,
    width: int | None,
    *,
    cr: bool,
) -> None:
    framer = Framer(
        Text(Trickle(data, step), dialect.encoding),
        dialect,
        max_record_bytes=cap,
        block_bytes=block_bytes,
        cr_ends_records=cr,
        kept_record_bytes=kept,
    )

    records = [record for block in split(framer, width=width) for record in block]

    assert [as_reference(r) for r in records] == reference_split(
        data, dialect, width=width, cap=cap, cr_ends_records=cr, kept=kept
    )


@settings(max_examples=200)
@given(
    data=FILES,
    dialect=FORMATS,
    cap=st.sampled_from([4, 1 << 20]),
    cr=st.booleans(),
)
def test_a_file_cut_at_any_record_splits_into_the_same_records_and_messages(
    data: bytes, dialect: FileFormat, cap: int, *, cr: bool
) -> None:
    whole = split_all(data, dialect, max_record_bytes=cap, cr_ends_records=cr)

    for cut in whole:
        start, line = cut.byte_offset, cut.line_number
        head = split_all(data, dialect, max_record_bytes=cap, end_offset=start, cr_ends_records=cr)
        tail = split_all(
            data[start:],
            dialect,
            max_record_bytes=cap,
            first_offset=start,
            first_line=line,
            cr_ends_records=cr,
        )
        assert head + tail == whole


@settings(max_examples=200)
@given(
    data=FILES,
    dialect=FORMATS,
    chunk_bytes=st.integers(1, 60),
    block_bytes=st.sampled_from([1, 3, 16, 1 << 20]),
    cap=st.sampled_from([4, 1 << 20]),
    cr=st.booleans(),
)
def test_boundaries_cut_a_file_into_chunks_that_hold_every_record_once(
    data: bytes, dialect: FileFormat, chunk_bytes: int, block_bytes: int, cap: int, *, cr: bool
) -> None:
    with PartDigests() as digests:
        stream = SourceStream(
            cast(io.RawIOBase, io.BytesIO(data)), None, SourceLimits(1 << 40, 1 << 10), digests
        )
        boundaries = find_boundaries(
            Text(stream, dialect.encoding),
            dialect,
            chunk_bytes,
            max_record_bytes=cap,
            block_bytes=block_bytes,
            cr_ends_records=cr,
            parts=digests,
        )
        assert stream.read(1) == b""
        whole_digest, part_digests = digests.finish()

    starts = [b.byte_offset for b in boundaries]
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert part_digests == [hashlib.sha256(part).hexdigest() for part in parts]
    assert whole_digest == hashlib.sha256(data).hexdigest()

    ends = [*(b.byte_offset for b in boundaries[1:]), None]
    chunks = [
        split_all(
            data[b.byte_offset :],
            dialect,
            max_record_bytes=cap,
            first_offset=b.byte_offset,
            first_line=b.line_number,
            end_offset=end,
            cr_ends_records=cr,
        )
        for b, end in zip(boundaries, ends, strict=True)
    ]
    whole = split_all(data, dialect, max_record_bytes=cap, cr_ends_records=cr)
    assert [r for chunk in chunks for r in chunk] == whole
    assert all(b.byte_offset < len(data) for b in boundaries[1:])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"a,b\n", [[b"a", b"b"]], id="plain"),
        pytest.param(b'a,\n"",""\n', [[b"a", None], [b"", b""]], id="null-and-empty"),
        pytest.param(b'"a\nb",c\r\nd,e', [[b"a\nb", b"c"], [b"d", b"e"]], id="newline-in-quotes"),
        pytest.param(b"a,b\rc\nd,e\r\n", [BARE_RETURN, [b"d", b"e"]], id="lone-cr"),
        pytest.param(b"a\r,b\r\nd,e\n", [BARE_RETURN, [b"d", b"e"]], id="lone-cr-ends-a-cell"),
        pytest.param(b"a,b\r\r\nd,e\n", [BARE_RETURN, [b"d", b"e"]], id="lone-cr-before-crlf"),
        pytest.param(b'a,"b"\r\r\nd,e\n', [BARE_RETURN, [b"d", b"e"]], id="lone-cr-after-quote"),
        pytest.param(b'a\r"b\nd,e\n', [BARE_RETURN, [b"d", b"e"]], id="lone-cr-before-quote"),
        pytest.param(b'a"\rb\nd,e\n', [ErrorCode.MALFORMED_QUOTE, [b"d", b"e"]], id="quote-first"),
        pytest.param(b'a,"b\rc"\nd,e\r', [[b"a", b"b\rc"], BARE_RETURN], id="lone-cr-in-quotes"),
        pytest.param(b"\n\r\n\na,b\n\n", [[b"a", b"b"]], id="blank-lines"),
        pytest.param(b' "a",b\nc,d\n', [ErrorCode.MALFORMED_QUOTE, [b"c", b"d"]], id="space-quote"),
        pytest.param(b'"a"x,b\nc,d\n', [ErrorCode.MALFORMED_QUOTE, [b"c", b"d"]], id="text-after"),
        pytest.param(b'a,"b\nc,d\n', [ErrorCode.MALFORMED_QUOTE], id="never-closed"),
        pytest.param(b"a\0,b\nc,d\n", [ErrorCode.ENCODING_ERROR, [b"c", b"d"]], id="nul"),
        pytest.param(b"\xff,b\nc,d\n", [ErrorCode.ENCODING_ERROR, [b"c", b"d"]], id="bad-utf8"),
        pytest.param(b"a\na,b,c\n", [ErrorCode.MISSING_CELL, ErrorCode.EXTRA_CELL], id="ragged"),
    ],
)
def test_examples_by_hand(data: bytes, expected: list[object]) -> None:
    records = split_all(data, FileFormat(), width=2)

    assert [r.fault.code if r.fault else r.cells for r in records] == expected


def test_where_the_header_ends_with_a_lone_cr_each_line_end_ends_a_record() -> None:
    data = b"a,b\rc,d\n\r\ne,f\r\r\n\rg,h\r"

    records = split_all(data, FileFormat(), width=2, cr_ends_records=True)

    assert [(r.line_number, *r.cells) for r in records] == [
        (1, b"a", b"b"),
        (2, b"c", b"d"),
        (4, b"e", b"f"),
        (7, b"g", b"h"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le", "utf-16-be"])
def test_a_bare_return_keeps_all_its_bytes_and_is_no_line_end(encoding: str) -> None:
    lines = ["1,a\rb", "2,ok", '3,"x\ry"', "4,c\r\rd"]
    data = "\n".join(lines).encode(encoding)

    records = split_all(data, FileFormat(encoding=encoding), width=2)

    assert [(r.line_number, r.raw) for r in records] == [
        (number, line.encode(encoding)) for number, line in enumerate(lines, 1)
    ]
    assert [r.fault and r.fault.code for r in records] == [BARE_RETURN, None, None, BARE_RETURN]
    start, end = records[3].byte_offset, len(data)
    assert records[3].fault is not None
    assert (
        f"(bytes {start} to {end}) has a carriage return outside quotes" in records[3].fault.message
    )


def test_a_quote_that_never_closes_in_a_long_file_fails_one_record_and_the_rest_loads() -> None:
    data = b'1,"oops\n' + b"2,fine\n" * 1000

    records = split_all(data, FileFormat(), width=2, max_record_bytes=1024, block_bytes=256)

    assert records[0].fault is not None
    assert records[0].fault.code is ErrorCode.LINE_TOO_LONG
    assert len(records[0].raw) == 1024
    assert f"bytes 0 to {records[1].byte_offset}" in records[0].fault.message
    assert all(r.cells == [b"2", b"fine"] for r in records[1:])
    assert records[1].line_number == data[: records[1].byte_offset].count(b"\n") + 1


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be"])
def test_of_a_record_above_the_cap_as_much_is_kept_as_asked(
    encoding: str, block_bytes: int
) -> None:
    line = '1,"' + "é" * 2_000 + '"'
    data = f"{line}\n2,b\n".encode(encoding)
    dialect = FileFormat(encoding=encoding)
    size, kept = len(line.encode(encoding)), {}
    for most in (0, 3_000, 1 << 20):
        framer = Framer(
            Text(io.BytesIO(data), encoding),
            dialect,
            1,
            1024,
            block_bytes,
            kept_record_bytes=most,
        )
        records = [record for block in split(framer) for record in block]
        fault = records[0].fault
        assert fault is not None
        kept[most] = (len(records[0].raw), fault.is_cut, fault.places)
        assert line.encode(encoding).startswith(records[0].raw)
        assert records[1].cells == [b"2", b"b"]

    unit = len("\n".encode(encoding))
    assert kept[1 << 20] == (size, False, (0, size + unit))
    assert [is_cut for _, is_cut, _ in kept.values()] == [True, True, False]
    assert 1_000 < kept[0][0] < 1_100 < kept[3_000][0] < 3_100


@pytest.mark.parametrize(("encoding", "size"), [("utf-8", 100 << 20), ("utf-16-le", 30 << 20)])
def test_an_endless_record_is_skipped_in_bounded_memory(encoding: str, size: int) -> None:
    class Endless:
        """One long line, made as it is read; it remembers the largest read."""

        left, largest = size, 0

        def read(self, size: int, /) -> bytes:
            self.largest = max(self.largest, size)
            size = min(size, self.left)
            self.left -= size
            return b"xx" * (size // 2)

    stream, unit = Endless(), len("x".encode(encoding))
    dialect = FileFormat(encoding=encoding)
    tracemalloc.start()
    try:
        [[record]] = split(
            Framer(Text(stream, encoding), dialect, max_record_bytes=1 << 16, block_bytes=1 << 16)
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert record.fault is not None
    assert record.fault.code is ErrorCode.LINE_TOO_LONG
    assert f"bytes 0 to {size}" in record.fault.message
    # Two bytes that are one letter of UTF-16 are three bytes of UTF-8.
    assert len(record.raw) == (1 << 16 if unit == 1 else (1 << 16) // 3 * 2)
    assert stream.largest <= 1 << 18
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param("1,\ud83dx", "bytes 0x3dd8 at offset 22 are not valid utf-16-le", id="lone"),
        pytest.param("é,\0", "there is a NUL at offset 22;", id="nul"),
        pytest.param('1,a"b', "the record (bytes 18 to 30) has a quote", id="quote"),
        pytest.param("漢" * 9, "the record (bytes 18 to 38) is longer than 20 bytes", id="long"),
        pytest.param("1", "the record has 1 cells, the header has 2", id="ragged"),
    ],
)
def test_damage_of_utf_16_is_reported_with_offsets_of_the_file(record: str, message: str) -> None:
    data = f"1,😀\n\r\n漢\n{record}\n2,x\n".encode("utf-16-le", "surrogatepass")

    found = split_all(
        data, FileFormat(encoding="utf-16-le"), width=2, max_record_bytes=20, block_bytes=4
    )

    assert [r.line_number for r in found] == [1, 3, 4, 5]
    fault = found[2].fault
    assert fault is not None
    assert message in fault.message
    assert found[2].raw == data[18 : 18 + len(record.encode("utf-16-le", "surrogatepass"))][:12]
    assert found[3].cells == [b"2", b"x"]


def test_half_a_unit_at_the_end_fails_the_last_record() -> None:
    data = "1,a\n2,b".encode("utf-16-be") + b"\0"

    [good, bad] = split_all(data, FileFormat(encoding="utf-16-be"), width=2)

    assert good.cells == [b"1", b"a"]
    assert (bad.raw, bad.fault and bad.fault.code) == (data[8:], ErrorCode.ENCODING_ERROR)
    assert bad.fault is not None
    assert "byte 0x00 at offset 14 is not valid utf-16-be" in bad.fault.message


@settings(max_examples=300)
@given(
    data=WIDE_FILES,
    dialect=st.sampled_from(DIALECTS[-2:]),
    block_bytes=st.sampled_from([1, 3, 16, 1 << 20]),
    step=st.sampled_from([1, 3, 1 << 20]),
    cap=st.sampled_from([4, 9, 1 << 20]),
    kept=st.sampled_from([0, 12, 1 << 20]),
    cr=st.booleans(),
)
@example(
    data=",NULL\r\n".encode("utf-16-le"),
    dialect=FileFormat(encoding="utf-16-le"),
    block_bytes=1,
    step=1,
    cap=4,
    kept=12,
    cr=False,
)
def test_utf_16_agrees_with_the_reference(
    data: bytes, dialect: FileFormat, block_bytes: int, step: int, cap: int, kept: int, *, cr: bool
) -> None:
    framer = Framer(
        Text(Trickle(data, step), dialect.encoding),
        dialect,
        max_record_bytes=cap,
        block_bytes=block_bytes,
        cr_ends_records=cr,
        kept_record_bytes=kept,
    )

    found = [as_reference(record) for block in split(framer) for record in block]
    assert found == reference_split(
        data, dialect, width=None, cap=cap, cr_ends_records=cr, kept=kept
    )
