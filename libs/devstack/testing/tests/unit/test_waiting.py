"""Waiting ends with the first true answer, or fails and says what it waited for."""

from itertools import count

import pytest

from libs.devstack.testing.waiting import wait_for


def test_the_first_true_answer_is_returned() -> None:
    numbers = count()

    assert wait_for(lambda: next(numbers), 10, "a number other than 0") == 1


def test_the_failure_names_what_was_awaited_and_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"a full list: not within 0\.05 s.*\[\]"):
        wait_for(list, 0.05, "a full list")
