from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import MESSAGE_LIMIT, BadInput, cut_message


@given(st.text(max_size=50), st.integers(0, 3 * MESSAGE_LIMIT), st.text(max_size=50))
def test_a_message_is_short_and_keeps_its_start_and_its_end(
    start: str, filling: int, end: str
) -> None:
    message = start + "x" * filling + end
    cut = cut_message(message)

    assert len(cut) <= MESSAGE_LIMIT
    assert cut.startswith(start)
    assert cut.endswith(end)
    assert (cut == message) == (len(message) <= MESSAGE_LIMIT)


def test_bad_input_never_carries_more_than_a_message() -> None:
    """A header of megabytes would stand in the job, in lists, events and logs."""
    error = BadInput("header-unknown", "a" * 4_000_000)

    assert len(error.message) <= MESSAGE_LIMIT
    assert str(error) == error.message
