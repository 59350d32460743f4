"""A header that is written is read again as the same names, whatever they are."""

import io

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.header import read_header
from libs.common.csv.records import split
from libs.common.csv.text import Text
from libs.common.enums import ErrorCode
from services.api.exports.source_file import source_blocks, write_header

DIALECTS = [
    FileFormat(),
    FileFormat(delimiter=";", quote="'"),
    FileFormat(delimiter="\t"),
    FileFormat(delimiter="="),
    FileFormat(encoding="utf-16-le"),
    FileFormat(encoding="utf-16-be"),
    FileFormat(line_end="lf", comment="#", delimiter="||"),
    FileFormat(line_end="crlf", escape="\\", trailing_delimiter=True),
    FileFormat(line_end="cr", escape="\\", quote="'"),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    cells=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1
    )
)
@example(cells=["SEP=", "x"])
@example(cells=["sep", "x"])
@example(cells=["sep=;"])
def test_a_header_comes_back(dialect: FileFormat, cells: list[str]) -> None:
    written = write_header(cells, dialect)

    assert read_header(io.BytesIO(written), dialect).cells == tuple(cells)


@pytest.mark.parametrize("dialect", [form for form in DIALECTS if form.line_end != "cr"])
def test_a_record_that_ends_with_a_bare_return_is_refused_again(dialect: FileFormat) -> None:
    """Were its return part of the line end, the replay would load what was refused."""
    raws = [text.encode(dialect.encoding) for text in ("1\r", "2", "3\rx")]
    written = b"".join(source_blocks(raws, ["id"], dialect))
    header = read_header(io.BytesIO(written), dialect)

    framer = Framer(
        Text(io.BytesIO(written[header.byte_end :]), header.encoding, header.byte_end),
        dialect,
        header.next_line,
    )
    records = [record for block in split(framer) for record in block]

    assert [record.raw for record in records] == raws
    assert [record.fault and record.fault.code for record in records] == [
        ErrorCode.BARE_CARRIAGE_RETURN,
        None,
        ErrorCode.BARE_CARRIAGE_RETURN,
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", "=", "s"])
@given(st.lists(st.text(st.characters(codec="latin-1", exclude_characters='\0\r\n"'), min_size=1)))
@example(["sep=,", "1"])
@example(["SEP=", "1"])
@example(["sep=;a"])
@example(["\ufeff1"])
@example(["\xef\xbb\xbf1"])
def test_records_of_a_file_without_a_header_come_back(
    delimiter: str, encoding: str, records: list[str]
) -> None:
    """Also where the first was not the first of its file, and would mean something else there."""
    dialect = FileFormat.model_validate(
        {
            "header": {"lines": 0, "names": ["id", "v"]},
            "delimiter": delimiter,
            "encoding": encoding,
        }
    )
    raws = [record.encode(encoding, "ignore") for record in records]
    assume(all(raws))

    written = b"".join(source_blocks(raws, ["id", "v"], dialect))

    assume(written)
    header = read_header(io.BytesIO(written), dialect)
    text = Text(io.BytesIO(written[header.byte_end :]), header.encoding, header.byte_end)
    found = [record for block in split(Framer(text, dialect)) for record in block]
    assert [record.raw for record in found] == raws


def test_rows_of_a_file_without_a_header_stand_alone() -> None:
    dialect = FileFormat.model_validate({"header": {"lines": 0, "names": ["id", "v"]}})

    written = b"".join(source_blocks([b"1,a", b"2,b"], ["id", "v"], dialect))

    assert written == b"1,a\n2,b\n"


def test_a_plain_header_stands_as_it_stood() -> None:
    assert write_header(["sku", "Größe"], FileFormat(encoding="latin-1")) == b"sku,Gr\xf6\xdfe\n"
