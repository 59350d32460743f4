"""The live proof can fail: what it says of answers that are wrong."""

import math

from tests.dashboards.expressions import Asked
from tests.dashboards.prometheus import Series
from tests.dashboards.verdicts import complaints

ASKED = Asked("board", "panel", "sum by (state) (up)", "{{state}}", instant=False, is_column=False)


def test_a_right_answer_is_left_alone() -> None:
    assert complaints(ASKED, [Series({"state": "a"}, [math.nan, 1.0])], {}) == []


def test_no_series_and_only_nan_are_reported() -> None:
    assert complaints(ASKED, [], {}) == ["board / panel / {{state}}: no series"]
    assert complaints(ASKED, [Series({"state": "a"}, [math.nan])], {}) == [
        "board / panel / {{state}}: only NaN"
    ]


def test_a_series_without_the_legends_label_is_reported() -> None:
    [complaint] = complaints(ASKED, [Series({"instance": "x"}, [1.0])], {})

    assert "has no state" in complaint


def test_two_series_of_one_name_are_reported() -> None:
    duplicates = [Series({"state": "a", "instance": one}, [1.0]) for one in "xy"]

    assert complaints(ASKED, duplicates, {}) == [
        "board / panel / {{state}}: 2 series are called 'a'"
    ]


def test_a_question_that_is_listed_as_empty_must_be_empty() -> None:
    listed = {str(ASKED): "nothing is wrong"}

    assert complaints(ASKED, [], listed) == []
    assert "not empty" in complaints(ASKED, [Series({"state": "a"}, [0.0])], listed)[0]
