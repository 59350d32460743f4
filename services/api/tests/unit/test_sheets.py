"""A sheet of corrections says of each row what its author means, whatever program has written it."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.enums import ErrorCode
from libs.common.errors import BadInput
from libs.common.ledger.models import Correction, FailedRow
from services.api.corrections.record_cells import change_cells, read_cells, write_record
from services.api.corrections.row_states import RowReader, RowState
from services.api.corrections.sheet import SheetRow, sheet_columns, write_row
from services.api.corrections.sheet_file import SheetRefused, read_sheet
from services.api.exports.csv_cells import write_line
from services.api.tests.unit.test_record_cells import DIALECTS

HEADER = ["sku", "=a,\nname", "sku"]
PATHS = ["/in/a.csv"]
READER = RowReader(HEADER, FileFormat())
COLUMNS = sheet_columns(HEADER, PATHS)
SIGNS = "ab ,;'\"=-+@1\t\r\n\\éß😀\ufeff"
CELLS = st.lists(st.none() | st.text(SIGNS, max_size=6), min_size=3, max_size=3)
Way = Callable[[str], str]


def _row(raw: bytes, **more: object) -> FailedRow:
    given = {"message": "wrong, \r\n'=1", "line_number": 7, "byte_offset": 60, **more}
    return FailedRow(raw=raw, error_code=ErrorCode.TYPE_ERROR, **given)


def _sheet(row: FailedRow, draft: Correction | None = None) -> str:
    return write_line(COLUMNS) + write_row(row, draft, READER, PATHS)


def _read(path: Path, text: str) -> list[SheetRow]:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return list(read_sheet(path, COLUMNS, len(HEADER)))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sheets") / "sheet.csv"


@given(came=CELLS)
def test_a_sheet_that_is_sent_back_as_it_is_changes_nothing(
    path: Path, came: list[str | None]
) -> None:
    row = _row(write_record(came, HEADER, FileFormat()))
    [sent] = _read(path, _sheet(row))

    assert (sent.place, sent.version, sent.line) == (60, None, 3)
    assert sent.cells == tuple(came)
    assert sent.state(READER.as_it_came(row)) == RowState(tuple(came))


@given(came=CELLS, written=CELLS)
def test_what_is_written_into_a_cell_is_what_is_meant(
    path: Path, came: list[str | None], written: list[str | None]
) -> None:
    """Line ends are those that the cell had: programs write their own."""
    row = _row(write_record(came, HEADER, FileFormat()))
    sheet = write_line(COLUMNS) + write_line([*written, None, "", *[None] * 6, "p60"])
    [sent] = _read(path, sheet)
    state = sent.state(READER.as_it_came(row))
    meant = [
        before if before is not None and after is not None and _same(before, after) else after
        for before, after in zip(came, written, strict=True)
    ]

    assert state == RowState(tuple(meant))


def _same(one: str, other: str) -> bool:
    return one.replace("\r\n", "\n").replace("\r", "\n") == other.replace("\r\n", "\n").replace(
        "\r", "\n"
    )


def _rewritten(text: str, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """Return a sheet as a program writes it that knows texts alone."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows(csv.reader(io.StringIO(text, newline="")))
    return written.getvalue()


WAYS: list[Way] = [
    _rewritten,
    lambda text: _rewritten(text, quoting=csv.QUOTE_ALL),
    lambda text: "\ufeff" + _rewritten(text, ";"),
    lambda text: _rewritten(text, "\t"),
]


@pytest.mark.parametrize("way", WAYS, ids=["minimal", "quoted", "semicolons", "tabs"])
@given(came=CELLS)
def test_a_program_that_knows_no_null_changes_nothing(
    path: Path, way: Way, came: list[str | None]
) -> None:
    row = _row(write_record(came, HEADER, FileFormat()))
    [sent] = _read(path, way(_sheet(row)))

    assert sent.state(READER.as_it_came(row)) == RowState(tuple(came))


@pytest.mark.parametrize("way", WAYS, ids=["minimal", "quoted", "semicolons", "tabs"])
def test_a_text_that_such_a_program_takes_out_is_null(path: Path, way: Way) -> None:
    row = _row(b'x,"",')
    [sent] = _read(path, way(_sheet(row)).replace("x", "", 1))

    assert sent.state(READER.as_it_came(row)) == RowState((None, "", None))


def test_the_draft_stands_in_the_sheet_with_its_version(path: Path) -> None:
    row = _row(b"1,b,")
    drafts = [
        Correction(version=5, discarded=False, cells={"=a,\nname": None}, record=None),
        Correction(version=6, discarded=False, cells=None, record='9,"",x'),
        Correction(version=7, discarded=True, cells=None, record=None),
    ]
    sent = [_read(path, _sheet(row, draft))[0] for draft in drafts]

    assert [each.version for each in sent] == [5, 6, 7]
    assert sent[0].cells == ("1", None, None)
    assert (sent[1].cells, sent[1].record) == ((None, None, None), '9,"",x')
    assert (sent[2].cells, sent[2].discard) == (("1", "b", None), "yes")
    for each, draft in zip(sent, drafts, strict=True):
        state = READER.as_drafted(READER.as_it_came(row), draft)
        assert each.state(state) == state


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
@given(came=CELLS, written=CELLS)
def test_a_sheet_corrects_rows_of_every_dialect_or_is_refused(
    path: Path, dialect: dict[str, Any], came: list[str | None], written: list[str | None]
) -> None:
    header, form = ["a", "b", "c"], FileFormat.model_validate(dialect)
    try:
        raw = write_record(came, header, form)
    except BadInput:
        return
    reader, columns = RowReader(header, form), sheet_columns(header, PATHS)
    seen = reader.as_it_came(_row(raw))
    line = [*written, None, "", *[None] * 6, "p60"]
    path.write_text(write_line(columns) + write_line(line), encoding="utf-8", newline="")
    [sent] = read_sheet(path, columns, 3)
    wanted = sent.state(seen)
    assert wanted is not None
    try:
        correction = reader.correction(seen, wanted)
    except BadInput:
        return
    corrected = change_cells(raw, header, form, (correction or {"cells": {}})["cells"])

    assert read_cells(corrected, header, form) == list(wanted.cells or ())


@pytest.mark.parametrize("raw", [b'1,"b', b"1,2,3,4", b"1,\xff,3", b"1,\0,3"])
def test_a_row_that_is_not_cut_into_cells_stands_whole(path: Path, raw: bytes) -> None:
    row = _row(raw)
    [sent] = _read(path, _sheet(row))
    seen = READER.as_it_came(row)

    assert sent.cells == (None, None, None)
    assert sent.record == seen.record
    assert sent.state(seen) == seen


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('1,2,,"",7,,,,,,p60', "line 3: it has 11 cells, and the first line 12"),
        ('1,2,3,,"",7,,,,,,p60,', "line 3: it has 13 cells, and the first line 12"),
        ('1,2,"3,,"",7,,,,,,p60', "line 3: it is no line of CSV in UTF-8"),
        ('1,2,\udcff,,"",7,,,,,,p60', "line 3: it is no line of CSV in UTF-8"),
        ('1,2,3,,"",7,,,,,x,p60', "line 3: adsp_version is 'x'"),
        ('1,2,3,,"",7,,,,,,1.2E+11', "line 3: adsp_place is '1.2E+11'"),
        ('1,2,3,,"",7,,,,,,', "line 3: adsp_place is ''"),
        ('1,2,3,,"",7,,,,,,p9223372036854775808', "line 3: adsp_place is '9223"),
        ("1,2,3,,no,7,,,,,,p60", "line 3: adsp_discard is 'no'"),
    ],
)
def test_a_line_that_is_no_row_is_refused_with_its_number(path: Path, line: str, said: str) -> None:
    with pytest.raises(SheetRefused) as refused:
        _read(path, write_line(COLUMNS) + line + "\r\n")

    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "sku,name\r\n1,2\r\n", "\ufeff", "\xff\xfes\0k\0"])
def test_a_file_that_is_another_one_is_refused(path: Path, text: str) -> None:
    with pytest.raises(SheetRefused, match="line 1: this is no sheet"):
        _read(path, text)
