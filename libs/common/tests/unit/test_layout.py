"""Header, records and footer are found where a plain reference finds them, however the stream is cut."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.csv.footer import BodyText, Footer
from libs.common.csv.framing import Framer
from libs.common.csv.header import read_header
from libs.common.csv.header_hints import show_header
from libs.common.csv.line_ends import line_ends_of
from libs.common.csv.records import RecordSplitter
from libs.common.csv.skipped_records import Skip, SkippedRecords
from libs.common.csv.text import Text
from libs.common.errors import HeaderError, SourceError
from libs.common.tests.unit.test_records import Trickle, as_reference
from libs.devstack.testing.reference_judgement import ReferenceRecord
from libs.devstack.testing.reference_layout import MARKS, reference_layout
from libs.devstack.testing.reference_splitter import reference_split

CAP = 1 << 16
LINES = ["sep=,", "#c", '#"x', "1,b", "", ",", '"1","b"', '"1\n2",b', "é,b", "T,2", " ", "a,b"]


def load_all(
    data: bytes, dialect: FileFormat, step: int, block_bytes: int
) -> tuple[tuple[str, ...], list[ReferenceRecord], Footer | None, RecordSplitter]:
    """Read a file as a loader does; return its names, records, and footer, and what has split it."""
    header = read_header(Trickle(data, step), dialect, max_record_bytes=CAP)
    body: Any = Text(Trickle(data[header.byte_end :], step), header.encoding, header.byte_end)
    ends = line_ends_of(dialect.line_end, cr_ends_records=header.cr_ends_records)
    if dialect.footer is not None:
        body = BodyText(body, dialect.footer, dialect.text_encoding, ends, CAP)
    framer = Framer(
        body,
        dialect,
        first_line=header.next_line,
        block_bytes=block_bytes,
        cr_ends_records=header.cr_ends_records,
    )
    splitter = RecordSplitter(framer.dialect, skips=SkippedRecords(dialect, header.line))
    found = [as_reference(record) for block in framer.blocks() for record in splitter.split(block)]
    return header.cells, found, body.footer if dialect.footer else None, splitter


HEADERS: list[dict[str, Any]] = [
    {},
    {"skip_before": 2},
    {"find": "a,b"},
    {"find": "^a,b$", "skip_after": 1, "repeated": True},
    {"lines": 0, "names": ["x", "y"]},
    {"lines": 0, "names": ["x"], "skip_before": 1},
    {"skip_before": 1, "skip_after": 2},
]


@settings(max_examples=600)
@given(
    top=st.lists(st.sampled_from(LINES), max_size=3),
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    header=st.sampled_from(HEADERS),
    footer=st.sampled_from([None, None, {"lines": 1}, {"lines": 3}]),
    comment=st.sampled_from([None, "#"]),
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16-le", "utf-16"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    last_end=st.sampled_from(["", "\n", "\n\n", "\n\x1a"]),
    marks=st.sampled_from([0, 0, 1, 2]),
    step=st.sampled_from([1, 3, 1 << 20]),
    block_bytes=st.sampled_from([1, 7, 1 << 20]),
    declares_end=st.booleans(),
)
def test_a_file_is_read_as_the_reference_reads_it(
    top: list[str],
    lines: list[str],
    header: dict[str, Any],
    footer: dict[str, Any] | None,
    comment: str | None,
    encoding: str,
    ending: str,
    last_end: str,
    marks: int,
    step: int,
    block_bytes: int,
    *,
    declares_end: bool,
) -> None:
    declared = {"\n": "lf", "\r\n": "crlf", "\r": "cr"}[ending] if declares_end else "auto"
    dialect = FileFormat.model_validate(
        {
            "header": header,
            "footer": footer,
            "comment": comment,
            "encoding": encoding,
            "line_end": declared,
            "blank_records": "skip",
        }
    )
    text = "\n".join([*top, "a,b", *lines]) + last_end
    stored = text.replace("\n", ending).encode("utf-16-le" if encoding == "utf-16" else encoding)
    data = MARKS.get(encoding, b"") * marks + stored
    try:
        expected = reference_layout(data, dialect, CAP)
        records = reference_split(
            expected.body,
            dialect,
            width=None,
            cap=CAP,
            first_line=expected.first_line,
            cr_ends_records=expected.ends_with_cr,
            header_line=expected.header_line,
        )
    except (IndexError, AssertionError):
        # There is no header or no footer where the format wants them.
        with pytest.raises((SourceError, HeaderError)):
            load_all(data, dialect, step, block_bytes)
        return

    cells, found, _, _ = load_all(data, dialect, step, block_bytes)

    assert list(cells) == expected.cells
    assert [(r.line_number, r.byte_offset, r.raw, r.cells, r.code) for r in found] == [
        (r.line_number, r.byte_offset + expected.byte_offset, r.raw, r.cells, r.code)
        for r in records
    ]


def test_what_is_skipped_is_counted() -> None:
    dialect = FileFormat.model_validate(
        {"comment": "#", "blank_records": "skip", "header": {"repeated": True}}
    )
    data = b'#by night\na,b\n1,2\n#x\n,\n"",\na,b\n\xef\xbb\xbfa,b\n3,4\n'

    _, records, _, splitter = load_all(data, dialect, 1 << 20, 1 << 20)

    assert [record.cells for record in records] == [["1", "2"], ["3", "4"]]
    assert splitter.skipped == {Skip.COMMENT: 1, Skip.BLANK: 2, Skip.REPEATED_HEADER: 2}


@pytest.mark.parametrize(
    ("footer", "end", "counted"),
    [
        ({"pattern": r"^T,(\d+)", "rows": 1}, "T,2,12.00\n", 2),
        ({"pattern": r"(?P<n>\d+) records", "rows": "n", "lines": 2}, "\n# 2 records\n-- end\n", 2),
        ({"pattern": "END OF FILE"}, "***END OF FILE***", None),
        ({}, "anything\n\n\n", None),
    ],
)
def test_a_footer_may_tell_how_many_records_there_are(
    footer: dict[str, Any], end: str, counted: int | None
) -> None:
    dialect = FileFormat.model_validate({"footer": footer})

    _, records, found, _ = load_all(f"a\n1\n2\n{end}".encode(), dialect, 1 << 20, 1 << 20)

    assert [record.cells for record in records] == [["1"], ["2"]]
    assert found is not None
    assert found.rows == counted
    found.check(2, "a.csv")
    if counted is not None:
        with pytest.raises(SourceError, match=r"a\.csv has 3 records, but its footer says 2"):
            found.check(3, "a.csv")


@pytest.mark.parametrize(
    ("footer", "data", "message"),
    [
        ({"lines": 3}, "a\n1\n2\n", "ends before its footer of 3"),
        ({"pattern": "^T"}, "a\n1\n2\n", "ends with '2', which 'footer.pattern'"),
        ({"pattern": "^T,(.*)", "rows": 1}, "a\nT,many\n", "has 'many' where 'footer.rows'"),
        ({}, "a\n", "ends before its footer of 1"),
        ({}, "a\n1\n" + "x" * (3 * CAP), "which are the footer, take more than 131,072 bytes"),
    ],
)
def test_a_footer_that_is_not_as_it_should_be_is_an_error(
    footer: dict[str, Any], data: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as error:
        load_all(data.encode(), FileFormat.model_validate({"footer": footer}), 1 << 12, 1 << 20)

    assert error.value.code == "trailer-mismatch"


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (
            b"\xff\xfei\0d\0\n\0",
            "utf-8",
            "mark of utf-16, but the dataset's encoding is utf-8; set",
        ),
        (b"\xfe\xff\0i\0d\0\n", "cp1252", "mark of utf-16, but the dataset's encoding is cp1252"),
        (b"\xef\xbb\xbfid\n", "cp1252", "mark of utf-8, but the dataset's encoding is cp1252; set"),
        (b"\xef\xbb\xbfid\n", "utf-16", "mark of utf-8, but the dataset's encoding is utf-16;"),
        (b"\xff\xfe\0\0i\0\0\0", "utf-16", "mark of utf-32, .*convert the file to utf-8"),
        (b"\0\0\xfe\xff\0\0\0i", "utf-8", "mark of utf-32"),
        (b"i\0d\0\n\x001\0", "utf-8", "looks like utf-16-le without a mark"),
        (b"\0i\0d\0\n\x001", "latin-1", "looks like utf-16-be without a mark"),
    ],
)
def test_a_mark_of_another_encoding_is_named_as_what_it_is(
    data: bytes, encoding: str, message: str
) -> None:
    with pytest.raises(HeaderError, match=message) as error:
        read_header(io.BytesIO(data), FileFormat(encoding=encoding))

    assert error.value.code == "header-malformed"


def test_a_header_that_is_not_where_it_should_be_is_an_error() -> None:
    dialect = FileFormat.model_validate({"header": {"find": "Buchungstag"}})

    with pytest.raises(HeaderError, match="no line of the first 2 holds 'Buchungstag'"):
        read_header(io.BytesIO(b"a,b\n1,2\n"), dialect)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_first_line_may_say_which_delimiter_there_is(encoding: str) -> None:
    data = "SEP=;\r\na;b\r\n1;2\r\n".encode(encoding)

    header = read_header(io.BytesIO(data), FileFormat(delimiter=";", encoding=encoding))

    assert (header.cells, header.next_line) == (("a", "b"), 3)
    with pytest.raises(
        HeaderError, match="says that the delimiter is ';', but the dataset's is ','"
    ):
        read_header(io.BytesIO(data), FileFormat(encoding=encoding))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("1,Ann\n", "line 1 was taken for the header: '1,Ann', which looks like data"),
        (
            "\n2026-11-24,x\n",
            "line 2 was taken for the header: '2026-11-24,x', which looks like data",
        ),
        ("<!DOCTYPE html>\n<html>", "'<!DOCTYPE html>', which looks like HTML"),
        ("a;b\n", "which has no ',' but ';': set 'delimiter'"),
        ("Konto,x\n", "if the header stands further down, say so by 'header.find'"),
        ("x" * 200, "x…'"),
    ],
)
def test_a_header_that_does_not_fit_is_shown_and_said_to_be_what_it_looks_like(
    data: str, words: str
) -> None:
    header = read_header(io.BytesIO(data.encode()), FileFormat())

    assert words in show_header(header, FileFormat())
