"""Fields are picked out of the tuples of a binary COPY, and the tuples of an answer are read, as the protocol says."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.postgres.copy.picked_fields import pick_fields, read_numbered_texts
from libs.common.postgres.copy.row_forms import BINARY, HEADER, TRAILER
from libs.common.postgres.copy.rows import Rows

WIDTH = 4
FIELD = st.none() | st.binary(max_size=300)
ROWS = st.lists(st.lists(FIELD, min_size=WIDTH, max_size=WIDTH), max_size=20)


def _tuple(fields: Sequence[bytes | None]) -> bytes:
    written = [
        struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field
        for field in fields
    ]
    return struct.pack(">h", len(fields)) + b"".join(written)


def _rows(tuples: Sequence[bytes]) -> Rows:
    ends = np.cumsum([len(HEADER), *map(len, tuples)], dtype=np.int64)
    copied = b"".join((HEADER, *tuples, TRAILER))
    lines = np.arange(len(tuples))
    return Rows(copied, ends[:-1], ends[1:], lines, WIDTH, form=BINARY, has_lines=False)


@given(ROWS, st.lists(st.integers(0, WIDTH - 1), unique=True))
def test_picked_fields_come_in_the_order_asked_with_the_number_of_their_row(
    rows: list[list[bytes | None]], places: list[int]
) -> None:
    picked = pick_fields(_rows([_tuple(row) for row in rows]), places)

    expected = [
        _tuple([*(row[place] for place in places), struct.pack(">i", number)])
        for number, row in enumerate(rows)
    ]
    assert picked == b"".join((HEADER, *expected, TRAILER))


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.binary(max_size=300))))
def test_numbers_and_texts_of_an_answer_are_found(answer: list[tuple[int, bytes]]) -> None:
    tuples = [_tuple([struct.pack(">i", number), text]) for number, text in answer]
    data = b"".join((HEADER, *tuples, TRAILER))

    numbers, begins, ends = read_numbered_texts(data, len(answer))

    texts = [data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    assert list(zip(numbers.tolist(), texts, strict=True)) == answer


def test_a_field_is_not_picked_twice() -> None:
    """There would be no room for it."""
    with pytest.raises(ValueError, match="twice"):
        pick_fields(_rows([_tuple([b"a"] * WIDTH)]), [1, 1])


@pytest.mark.parametrize("count", [0, 2, 1_000])
def test_an_answer_of_another_number_of_rows_than_counted_is_a_fault(count: int) -> None:
    data = b"".join((HEADER, _tuple([struct.pack(">i", 1), b"a"]), TRAILER))

    with pytest.raises(RuntimeError, match="should have ended"):
        read_numbered_texts(data, count)
