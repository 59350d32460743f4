import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.output import Column, fitting, made_table, size

COLUMNS = (
    Column("job", 36, rank=0),
    Column("dataset", 12, rank=2),
    Column("state", 22, rank=1),
    Column("rejected", 8, rank=3, is_number=True),
)


def _printed(width: int) -> list[str]:
    written = io.StringIO()
    rows = [("0" * 36, "a" * 40, "completed_with_rejects", "39")]
    console = Console(file=written, width=width, force_terminal=False)
    console.print(made_table(COLUMNS, rows, width))
    return [line.rstrip() for line in written.getvalue().splitlines()]


@given(st.integers(min_value=36, max_value=200))
def test_a_table_is_never_wider_than_the_terminal(width: int) -> None:
    lines = _printed(width)

    assert all(len(line) <= width for line in lines)
    assert len(lines) == 2
    assert lines[1].startswith("0" * 36)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (20, {0: 20}),
        (36, {0: 36}),
        (59, {0: 36}),
        (60, {0: 36, 2: 22}),
        (74, {0: 36, 1: 12, 2: 22}),
        (84, {0: 36, 1: 12, 2: 22, 3: 8}),
        (90, {0: 36, 1: 18, 2: 22, 3: 8}),
        (10_000, {0: 36, 1: 40, 2: 22, 3: 8}),
    ],
)
def test_columns_of_the_lowest_rank_go_first_and_what_is_left_is_used(
    width: int, shown: dict[int, int]
) -> None:
    assert fitting(COLUMNS, [36, 40, 22, 8], width) == shown


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (387_000_000, "387.0 MB")],
)
def test_sizes_are_written_for_people(number: int | None, text: str) -> None:
    assert size(number) == text
