"""A corrected record says what its cells say, in every dialect, or it is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.errors import BadInput
from services.api.corrections.record_cells import (
    change_cells,
    encode_record,
    read_cells,
    write_record,
)

HEADER = ["a", "b", "c"]
DIALECTS: list[dict[str, Any]] = [
    {},
    {"delimiter": ";", "quote": "'", "null": ["NULL", ""]},
    {"delimiter": "||", "encoding": "utf-16"},
    {"delimiter": "\t", "quote": None},
    {"delimiter": "\u0001", "quote": None, "null": "\\N", "encoding": "cp1252"},
    {"escape": "\\", "encoding": "latin-1"},
    {"quoted_null": True, "null": "-", "comment": "#"},
    {"trailing_delimiter": True, "line_end": "crlf"},
    {"line_end": "cr", "blank_records": "skip"},
    {"type": "jsonl"},
]
CELLS = st.none() | st.text(st.sampled_from("ab ,;'\"|\t\r\n\\#-NULé€😀\u0001{}\ufeff"), max_size=5)


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
@given(cells=st.lists(CELLS, min_size=3, max_size=3))
def test_what_is_written_is_read_again_or_refused(
    dialect: dict[str, Any], cells: list[str | None]
) -> None:
    form = FileFormat.model_validate(dialect)
    try:
        raw = write_record(cells, HEADER, form)
    except BadInput:
        return

    assert read_cells(raw, HEADER, form) == cells


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_plain_cells_can_be_written_in_every_dialect(dialect: dict[str, Any]) -> None:
    form = FileFormat.model_validate(dialect)

    assert read_cells(write_record(["x", "1.5", "y z"], HEADER, form), HEADER, form) == [
        "x",
        "1.5",
        "y z",
    ]


def test_cells_that_are_not_changed_keep_their_meaning() -> None:
    """A NULL stays NULL, an empty text stays one; cells that were missing are NULL."""
    form = FileFormat()

    assert change_cells(b'"",,x', HEADER, form, {"c": "y"}) == b'"",,y'
    assert change_cells(b"x", HEADER, form, {"b": ""}) == b'x,"",'


@pytest.mark.parametrize(
    ("raw", "changes", "code"),
    [
        (b"1,2,3,4", {"a": "x"}, "cells-unknown"),
        (b'1,"2,3', {"a": "x"}, "cells-unknown"),
        (b"1,\xff,3", {"a": "x"}, "cells-unknown"),
        (b"1,2,3", {"d": "x"}, "cell-unknown"),
    ],
)
def test_cells_that_are_not_there_cannot_be_changed(
    raw: bytes, changes: dict[str, str | None], code: str
) -> None:
    with pytest.raises(BadInput) as refused:
        change_cells(raw, HEADER, FileFormat(), changes)

    assert refused.value.code == code


def test_a_cell_that_the_header_has_twice_is_changed_in_the_record_alone() -> None:
    with pytest.raises(BadInput, match="more than once"):
        change_cells(b"1,2", ["a", "a"], FileFormat(), {"a": "x"})


@pytest.mark.parametrize("text", ["", "\n", "a\nb", 'a,"b', "a,b\r\nc"])
def test_a_text_that_is_not_one_record_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        encode_record(text, FileFormat())

    assert refused.value.code == "not-one-record"
