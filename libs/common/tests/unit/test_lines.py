"""Lines that are found at once are the records that the framer finds one by one, or none are found."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.datasets import FileFormat
from libs.common.records import split
from libs.common.scanning.lines import find_lines

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
]
FILES = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces).encode())


@given(FILES)
def test_each_line_found_is_one_sound_record(data: bytes) -> None:
    lines = find_lines(data, DIALECT)
    if lines is None:
        return

    begins, texts = lines.texts(range(len(lines)))

    assert [
        data[begin : begin + len(text)] for begin, text in zip(begins, texts, strict=True)
    ] == texts
    assert lines.ends == data.count(b"\n")
    assert lines.longest == max(map(len, texts))
    records = [record for block in split(BytesIO(data), DIALECT) for record in block]
    assert [(record.byte_offset, record.raw, record.fault) for record in records] == [
        (begin, text, None) for begin, text in zip(begins, texts, strict=True)
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a,\0\n",
        b"a\n\nb\n",
        b"a\r\nb\n",
        b"a\rb\n",
        b"a\r\n\r\n",
        b'"a\nb"\n',
        b'a"b\n',
        b'"a"b\n',
        b'"a\n',
        b'""" ""\n',
        b'a,b"\n',
    ],
)
def test_nothing_is_found_where_a_line_is_not_certainly_a_record(data: bytes) -> None:
    assert find_lines(data, DIALECT) is None


def test_lines_of_one_kind_of_end_are_found() -> None:
    lines = find_lines(b'1,"a,""b"""\r\n,\r\n"",x,y', DIALECT)

    assert lines is not None
    assert lines.texts([0, 2]) == ([0, 16], [b'1,"a,""b"""', b'"",x,y'])
