"""A header is read whatever the dialect, and matched to columns by name with a cure for each misfit."""

import io

import pytest

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import Header, read_header
from libs.common.errors import HeaderError, SourceError
from libs.common.postgres.header_mapping import match_header
from libs.common.postgres.target_table import TargetColumn, TargetTable


def column(name: str, **traits: object) -> TargetColumn:
    values = {
        "type": "text",
        "is_not_null": False,
        "has_default": False,
        "is_computed": False,
        "identity": "",
        "is_domain": False,
    }
    return TargetColumn(name=name, **{**values, **traits})  # type: ignore[arg-type]


TABLE = TargetTable(
    schema="public",
    relation="t",
    oid=1,
    columns=(
        column("id", is_not_null=True),
        column("Name"),
        column("made", is_not_null=True, has_default=True),
        column("total", is_computed=True),
        column("number", is_not_null=True, identity="a"),
        column("place", is_not_null=True, identity="d"),
    ),
    unique_keys=(),
    constraint_columns={},
    referenced_columns=frozenset(),
    is_partitioned=False,
    tables_changed_by_deletes=(),
    has_unique_index=False,
    has_several_unique_indexes=False,
    references_itself=False,
    has_foreign_keys=False,
    has_user_triggers=False,
    calls_user_functions=False,
)


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


def test_cells_are_matched_by_name_in_the_order_of_the_header() -> None:
    matched = match_header(["Name", "id"], TABLE, {})

    assert [c.name for c in matched] == ["Name", "id"]


def test_the_mapping_names_columns_for_cells_that_differ() -> None:
    matched = match_header(["Number", "place"], TABLE, {"Number": "id", "absent": "Name"})

    assert [c.name for c in matched] == ["id", "place"]


@pytest.mark.parametrize(
    ("cells", "mapping", "code", "hint"),
    [
        (["id", "x"], {}, "header-unknown-column", "'Name'"),
        (["id", "name "], {}, "header-unknown-column", "'Name' differs only in case or spaces"),
        (["id", ""], {}, "header-unknown-column", "no column ''"),
        (["id", "x"], {"x": "y"}, "header-unknown-column", "(mapped from 'x')"),
        (["id", "total"], {}, "header-unknown-column", "generated by Postgres"),
        (["id", "number"], {}, "header-unknown-column", "generated by Postgres"),
        (["Name"], {}, "header-missing-column", "'id'"),
        (["id", "id"], {}, "header-repeated-column", "'id' and 'id'"),
        (["id", "x"], {"x": "id"}, "header-repeated-column", "'id' and 'x'"),
    ],
)
def test_a_misfit_is_refused_with_a_code_and_a_cure(
    cells: list[str], mapping: dict[str, str], code: str, hint: str
) -> None:
    with pytest.raises(HeaderError) as caught:
        match_header(cells, TABLE, mapping)

    assert caught.value.code == code
    assert hint in caught.value.message


def test_the_key_of_an_upsert_must_be_in_the_header() -> None:
    with pytest.raises(HeaderError, match="'Name'"):
        match_header(["id"], TABLE, {}, key=["Name"])
