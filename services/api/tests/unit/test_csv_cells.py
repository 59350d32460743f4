import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.exports.csv_cells import defuse, write_line


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "--1",
        "-",
        "+-1",
        "=",
        "-1,5",
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert defuse(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-12.5", "+1", "-.5", "-1e-3", "1", "a=b", "", "'", "-7.", "ü"])
def test_numbers_and_plain_text_stay_as_they_are(cell: str) -> None:
    assert defuse(cell) == cell


def test_digits_of_other_scripts_are_no_number() -> None:
    assert defuse("-١") == "'-١"


def test_null_and_the_empty_string_stay_apart() -> None:
    assert write_line([None, "", 3]) == ',"",3\r\n'


cells = st.lists(st.text(), min_size=1)


@given(cells)
def test_every_line_reads_back_as_its_cells_less_the_apostrophes(line: list[str]) -> None:
    [read] = csv.reader(io.StringIO(write_line(line), newline=""), strict=True)

    assert read == [defuse(cell) for cell in line]


@given(cells)
def test_no_cell_begins_like_a_formula_unless_it_is_a_number(line: list[str]) -> None:
    [read] = csv.reader(io.StringIO(write_line(line), newline=""), strict=True)

    for cell in read:
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            float(cell)
