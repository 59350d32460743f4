import pytest

from libs.common.csv.dialect import FileFormat
from services.api.exports.csv_report import cells_of

SEMICOLONS = FileFormat(delimiter=";", quote="'", null="NULL")
LATIN = FileFormat(encoding="latin-1")


@pytest.mark.parametrize(
    ("raw", "dialect", "cells"),
    [
        (b"a,b,c", FileFormat(), ["a", "b", "c"]),
        (b'a,"b\n""x""",', FileFormat(), ["a", 'b\n"x"', None]),
        (b"a;'b;';NULL", SEMICOLONS, ["a", "b;", None]),
        ("é,b,c".encode("latin-1"), LATIN, ["é", "b", "c"]),
    ],
    ids=["plain", "quoted", "dialect", "encoding"],
)
def test_a_record_is_cut_as_the_loader_cuts_it(
    raw: bytes, dialect: FileFormat, cells: list[str | None]
) -> None:
    assert cells_of(raw, 3, dialect, 1000) == cells


def test_missing_cells_are_left_empty() -> None:
    assert cells_of(b"a,b", 3, FileFormat(), 1000) == ["a", "b", None]


@pytest.mark.parametrize("raw", [b"a,b,c,d", b'a"b,c,d', b'"open', b"a,\xff,c", b"a,\0,c"])
def test_a_record_that_cannot_be_cut_stands_whole_in_the_first_cell(raw: bytes) -> None:
    whole = raw.decode("utf-8", "backslashreplace")

    assert cells_of(raw, 3, FileFormat(), 1000) == [whole, None, None]
