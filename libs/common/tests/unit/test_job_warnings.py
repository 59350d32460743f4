from libs.common.datasets.job_warnings import JobWarning, merge_warnings
from libs.common.enums import WarningCode
from libs.common.errors import MESSAGE_LIMIT


def test_of_each_code_there_is_one_warning_with_the_sum_of_the_counts() -> None:
    """A list of jobs stays small however many chunks they have."""
    first = JobWarning(WarningCode.SHRUNK, "first", {"rows_loaded": 0, "rows_before": 3})
    second = JobWarning(WarningCode.SHRUNK, "second", {"rows_loaded": 2, "left": 1})
    other = JobWarning(WarningCode.HEADER_CHANGED, "other")

    merged = merge_warnings([each.as_document() for each in (first, other, second)])

    assert merged == [
        {"code": "shrunk", "message": "first", "counts": {"rows_loaded": 2, "rows_before": 3, "left": 1}},
        {"code": "header-changed", "message": "other", "counts": {}},
    ]  # fmt: skip


def test_a_message_is_cut() -> None:
    """It may name columns, and a header may be a megabyte long."""
    document = JobWarning(WarningCode.HEADER_CHANGED, "x" * 1_000_000).as_document()

    assert len(document["message"]) <= MESSAGE_LIMIT


def test_ambiguous_dates_need_both_kinds_which_chunks_may_have_seen_apart() -> None:
    """Dates that fit both orders alone are everyday, and so is a typing error."""
    contradicting, fitting = (
        JobWarning(WarningCode.AMBIGUOUS_DATES, "dates", counts).as_document()
        for counts in ({"refused": 1, "ambiguous": 0}, {"refused": 0, "ambiguous": 5})
    )

    assert merge_warnings([contradicting]) == merge_warnings([fitting, fitting]) == []
    [merged] = merge_warnings([contradicting, fitting])
    assert merged["counts"] == {"refused": 1, "ambiguous": 5}
