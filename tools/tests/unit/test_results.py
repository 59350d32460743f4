"""The last line of a test run counts every test of every file, and every file that broke."""

from pathlib import Path

import pytest

from tools.checks.suite import Totals, count_results, noted_properties

_REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


def test_the_counts_of_all_reports_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.xml").write_text(_REPORT.format(10, 1, 2, 3))
    (tmp_path / "two.xml").write_text(_REPORT.format(5, 0, 0, 0))

    totals = count_results(tmp_path)

    assert totals == Totals(passed=9, failed=3, skipped=3)


def test_no_report_counts_nothing(tmp_path: Path) -> None:
    totals = count_results(tmp_path / "absent")

    assert totals == Totals(passed=0, failed=0, skipped=0)


def test_what_a_test_noted_is_reported_though_it_passed(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_text(
        '<testsuites><testsuite><properties><property name="random seed" value="7"/>'
        '<property name="hypothesis-statistics-one.py::by_chance" value="c2VydmljZXM"/></properties>'
        '<testcase name="at random"/></testsuite></testsuites>'
    )

    assert noted_properties(tmp_path) == ["random seed: 7"]


@pytest.mark.parametrize(
    ("totals", "line"),
    [
        (Totals(512, 0, 0), "512 passed, 0 failed, 0 skipped"),
        (Totals(511, 1, 1), "511 passed, 1 failed, 1 skipped"),
    ],
)
def test_the_line_names_every_count(totals: Totals, line: str) -> None:
    text = str(totals)

    assert text == line
