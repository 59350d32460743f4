"""A place tells the file and the position, and places are in the order of files and positions."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.places import MOST_PLACES, from_place, to_place

FILES = st.integers(0, 999)
POSITIONS = st.integers(0, MOST_PLACES - 1)


@given(FILES, POSITIONS)
def test_a_place_is_read_as_it_was_made(number: int, position: int) -> None:
    assert from_place(to_place(number, position)) == (number, position)


@given(st.tuples(FILES, POSITIONS), st.tuples(FILES, POSITIONS))
def test_places_are_in_the_order_of_the_delivery(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (to_place(*one) < to_place(*other)) is (one < other)


@given(POSITIONS)
def test_a_place_in_the_only_file_is_the_position(position: int) -> None:
    assert to_place(0, position) == position
