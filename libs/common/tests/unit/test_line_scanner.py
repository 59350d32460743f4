"""Lines that are found at once are the records that the framer finds one by one, or none are found."""

import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.line_ends import line_ends_of
from libs.common.csv.line_scanner import Lines, find_lines, find_skipped
from libs.common.csv.records import split
from libs.common.csv.skipped_records import SkippedRecords
from libs.common.csv.text import Text

DIALECT = FileFormat()
PIECES = [
    "a",
    "é",
    ",",
    ",",
    '"',
    '""',
    '"a"',
    '"b,c"',
    '"","',
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\t",
    "\x0b",
    "\\",
    "\\N",
    ",\\N,",
]
FILES = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces).encode())


def assert_records(data: bytes, dialect: FileFormat, *, has_returns: bool = False) -> None:
    """Fail unless each line that is found is a sound record of the splitter, where lines may end at CR or not."""
    newline = line_ends_of(dialect.line_end, cr_ends_records=has_returns).newline
    lines = find_lines(data, dialect, newline)
    if lines is None:
        return

    begins, texts = lines.texts(range(len(lines)))

    assert [
        data[begin : begin + len(text)] for begin, text in zip(begins, texts, strict=True)
    ] == texts
    assert lines.ends == len(re.findall(b"\r?\n" if newline == b"\n" else newline, data))
    assert lines.longest == max(map(len, texts))
    form = dialect.model_copy(update={"comment": None})
    framer = Framer(Text(BytesIO(data), form.encoding), form, cr_ends_records=has_returns)
    records = [record for block in split(framer) for record in block]
    numbers = (1 + lines.number(np.arange(len(lines)))).tolist()
    assert [(one.line_number, one.byte_offset, one.raw, one.fault) for one in records] == [
        (number, begin, text, None)
        for number, begin, text in zip(numbers, begins, texts, strict=True)
    ]


@given(data=FILES, has_returns=st.booleans())
def test_each_line_found_is_one_sound_record(data: bytes, *, has_returns: bool) -> None:
    assert_records(data, DIALECT, has_returns=has_returns)


ASCII = [chr(code) for code in range(1, 128) if chr(code) not in "\r\n"]
DIALECTS = st.permutations(ASCII).map(lambda order: FileFormat(quote=order[0], delimiter=order[1]))
CONTROLS = [FileFormat(quote=quote, delimiter=";") for quote in "\x01\b\t\x0b\x0c\x0e"]


OPTIONS = [
    FileFormat(quote=None),
    FileFormat(quote=None, delimiter="\t", line_end="crlf"),
    FileFormat(escape="\\"),
    FileFormat(line_end="lf"),
    FileFormat(line_end="crlf", escape="\\"),
    FileFormat(line_end="cr"),
    FileFormat(comment="a"),
    FileFormat(delimiter=",,"),
]


@settings(max_examples=600)
@given(dialect=st.sampled_from(OPTIONS), data=FILES, has_returns=st.booleans())
def test_lines_of_any_options_are_those_of_the_splitter(
    dialect: FileFormat, data: bytes, *, has_returns: bool
) -> None:
    assert_records(
        data.replace(b"\n", b"\r") if has_returns else data, dialect, has_returns=has_returns
    )


@settings(max_examples=1000)
@given(
    dialect=st.sampled_from(OPTIONS[:7]),
    data=FILES,
    has_returns=st.booleans(),
    size=st.integers(1, 12),
    cap=st.integers(1, 40),
)
def test_blocks_whose_lines_are_counted_hold_the_same_records(
    dialect: FileFormat, data: bytes, *, has_returns: bool, size: int, cap: int
) -> None:
    """However the stream is cut, also in the middle of a CRLF, and with a Ctrl-Z at its end."""
    if has_returns:
        data = data.replace(b"\n", b"\r").replace(b"\0", b"\n") + b"\r\x1a"

    def read(**more: Any) -> list[Any]:
        framer = Framer(
            Text(BytesIO(data), dialect.encoding),
            dialect,
            block_bytes=size,
            cr_ends_records=has_returns,
            max_record_bytes=cap,
            **more,
        )
        return [record for block in split(framer) for record in block]

    def find(text: bytes, newline: bytes, *, may_go_on: bool) -> Lines | None:
        lines = find_lines(text, dialect, newline, may_go_on=may_go_on)
        return lines if lines is not None and lines.longest <= cap else None

    assert read(find_lines=find) == read()


@pytest.mark.parametrize("dialect", OPTIONS[:6])
def test_lines_without_what_is_uncommon_are_found_at_once(dialect: FileFormat) -> None:
    data = b"a,b\n1,2\n".replace(b",", dialect.delimiter.encode())
    ending = {"crlf": b"\r\n", "cr": b"\r"}.get(dialect.line_end, b"\n")

    lines = find_lines(
        data.replace(b"\n", ending), dialect, ending if dialect.line_end != "auto" else b"\n"
    )

    assert lines is not None
    assert lines.texts([0, 1])[1] == data.split(b"\n")[:2]
    assert (
        find_lines(data.replace(b"\n", ending), dialect, b"\r" if ending != b"\r" else b"\n")
        is None
    )


SKIPS = [
    FileFormat(comment="a"),
    FileFormat(blank_records="skip"),
    FileFormat(blank_records="skip", quote=None, comment="ab"),
    FileFormat.model_validate({"header": {"repeated": True}, "blank_records": "skip"}),
]


@settings(max_examples=600)
@given(st.sampled_from(SKIPS), FILES, st.sampled_from([b"a", b"a,a", b'"a"', b",a"]))
def test_lines_that_are_no_records_are_found_as_one_by_one(
    dialect: FileFormat, data: bytes, header: bytes
) -> None:
    skips, lines = SkippedRecords(dialect, header), find_lines(data, dialect)
    if lines is None:
        return

    found = find_skipped(lines, skips)

    _, texts = lines.texts(range(len(lines)))
    reasons = enumerate(map(skips.reason, texts))
    assert found == {line: reason for line, reason in reasons if reason is not None}


@settings(max_examples=300)
@given(st.sampled_from(CONTROLS) | DIALECTS, FILES)
def test_lines_of_any_quote_and_delimiter_are_those_of_the_splitter(
    dialect: FileFormat, data: bytes
) -> None:
    signs = bytes.maketrans(b'",', f"{dialect.quote}{dialect.delimiter}".encode())

    assert_records(data.translate(signs), dialect)


@pytest.mark.parametrize("quote", ASCII)
def test_each_character_quotes_beside_each_delimiter(quote: str) -> None:
    for delimiter in ASCII:
        if delimiter == quote:
            continue
        dialect = FileFormat(quote=quote, delimiter=delimiter)
        for text in ['a,"b\nc"\nd,e\n', '"a,""b"",",c\n,""\n', 'a,b"c\nd,e\n', '"a"b,c\n']:
            signs = str.maketrans({",": delimiter, '"': quote})
            assert_records(text.translate(signs).encode(), dialect)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a,\0\n",
        b"a\n\nb\n",
        b"a\r\nb\n",
        b"a\rb\n",
        b"a\r\n\r\n",
        b'"a\nb',
        b'"a\nb"c\n',
        b'"a\0\nb"\n',
        b'a"b\n',
        b'"a"b\n',
        b'"a\n',
        b'""" ""\n',
        b'a,b"\n',
    ],
)
def test_nothing_is_found_where_a_line_is_not_certainly_a_record(data: bytes) -> None:
    assert find_lines(data, DIALECT) is None


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_cells_hold_line_ends(ending: bytes) -> None:
    records = [b'1,"a\n\r\n"', b'2,"b""\n"', b"3,c"]
    data = ending.join([*records, b'4,"d\n'])

    lines = find_lines(data, DIALECT, may_go_on=True)

    assert lines is not None
    assert lines.texts(range(3))[1] == records
    assert (lines.number(np.arange(4)).tolist(), lines.ends) == ([0, 3, 5, 6], 6)
    assert lines.data + b'4,"d\n' == data
    assert find_lines(data, DIALECT) is None


def test_lines_of_one_kind_of_end_are_found() -> None:
    lines = find_lines(b'1,"a,""b"""\r\n,\r\n"",x,y', DIALECT)

    assert lines is not None
    assert lines.texts([0, 2]) == ([0, 16], [b'1,"a,""b"""', b'"",x,y'])
