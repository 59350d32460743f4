"""Lines and cells that share their reasons and texts are those that were given."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from libs.common.enums import ErrorCode
from libs.common.postgres.copy.encoded_block import TypeCheckCell, TypeCheckCells
from services.loader.rejects.line_rejections import LineRejections
from services.loader.rejects.rejection import Rejection

REASONS = {number: Rejection(ErrorCode.CHECK, f"reason {number}") for number in (2, 3, 5, 7)}
LINES = st.lists(st.tuples(st.integers(0, 99), st.sampled_from(sorted(REASONS))), max_size=9)
CELLS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.sampled_from(["", "a", "é"])))


@given(st.lists(LINES, min_size=1, max_size=3))
def test_joined_rejections_are_those_of_their_parts(parts: list[list[tuple[int, int]]]) -> None:
    made = [
        LineRejections.of(
            np.array([line for line, _ in part], np.int64),
            np.array([number for _, number in part], np.int64),
            REASONS,
        )
        for part in parts
    ]

    joined = LineRejections.join(made)

    expected = [(line, REASONS[number]) for part in parts for line, number in part]
    assert list(joined) == expected
    assert len(joined) == len(expected)


@given(CELLS, st.data())
def test_cells_are_kept_as_they_were_given_each_text_once(
    cells: list[TypeCheckCell], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))

    made = TypeCheckCells.of(cells)
    kept = made.keep(np.array(chosen, np.bool_))

    assert list(made) == cells
    assert list(kept) == [cell for cell, is_chosen in zip(cells, chosen, strict=True) if is_chosen]
    for found in (made, kept):
        assert sorted(found.distinct) == sorted({(column, text) for _, column, text in found})
