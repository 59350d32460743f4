"""A header is read whatever the dialect."""

import io

import pytest

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import Header, read_header
from libs.common.errors import HeaderError, SourceError


@pytest.mark.parametrize(
    ("data", "dialect", "expected"),
    [
        pytest.param(b"a,b\n1,2\n", FileFormat(), Header(("a", "b"), 4, 2), id="plain"),
        pytest.param(b"a,b", FileFormat(), Header(("a", "b"), 3, 1), id="no-line-end"),
        pytest.param(b"a,b\r\n1", FileFormat(), Header(("a", "b"), 5, 2), id="crlf"),
        pytest.param(
            b"a,b\r1", FileFormat(), Header(("a", "b"), 4, 2, cr_ends_records=True), id="cr"
        ),
        pytest.param(b'"a\rx",b\n1', FileFormat(), Header(("a\rx", "b"), 8, 2), id="cr-in-quotes"),
        pytest.param(
            "a\r1".encode("utf-16-le"),
            FileFormat(encoding="utf-16-le"),
            Header(("a",), 4, 2, "utf-16-le", cr_ends_records=True),
            id="cr-of-utf-16",
        ),
        pytest.param(
            b"\n\r\na,b\n", FileFormat(), Header(("a", "b"), 7, 4), id="blank-lines-first"
        ),
        pytest.param(
            b"\xef\xbb\xbfa,b\n", FileFormat(), Header(("a", "b"), 7, 2), id="byte-order-mark"
        ),
        pytest.param(b'"a\n""x""",b\n', FileFormat(), Header(('a\n"x"', "b"), 12, 3), id="quoted"),
        pytest.param(
            b"NA;;b\n",
            FileFormat(delimiter=";", null="NA"),
            Header(("NA", "", "b"), 6, 2),
            id="null",
        ),
        pytest.param(
            b"\xe4,b\n",
            FileFormat(encoding="latin-1"),
            Header(("ä", "b"), 4, 2, "iso8859-1"),
            id="latin-1",
        ),
        pytest.param(
            "\ufeffä,b\r\n".encode("utf-16-be"),
            FileFormat(encoding="utf-16"),
            Header(("ä", "b"), 12, 2, "utf-16-be"),
            id="mark-of-the-big-order",
        ),
        pytest.param(
            "\n漢,b\n".encode("utf-16-le"),
            FileFormat(encoding="utf-16"),
            Header(("漢", "b"), 10, 3, "utf-16-le"),
            id="no-mark-is-the-little-order",
        ),
        pytest.param(
            "\ufeffa\n".encode("utf-16-le"),
            FileFormat(encoding="utf-16-be"),
            Header(("a",), 6, 2, "utf-16-le"),
            id="mark-wins",
        ),
    ],
)
def test_a_header_is_read_with_the_place_of_what_follows(
    data: bytes, dialect: FileFormat, expected: Header
) -> None:
    assert read_header(io.BytesIO(data), dialect) == expected


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_a_source_without_any_record_is_empty(data: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read_header(io.BytesIO(data), FileFormat())

    assert caught.value.code == "source-empty"


@pytest.mark.parametrize("data", [b'a,"b\n', b'a"b\n', b"a\0\n", b"\xff\n", b"x" * 2000 + b"\n"])
def test_a_header_that_is_not_well_formed_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError) as caught:
        read_header(io.BytesIO(data), FileFormat(), max_record_bytes=1024)

    assert caught.value.code == "header-malformed"
