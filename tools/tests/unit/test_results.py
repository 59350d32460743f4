"""The last line of a test run counts every test of every file, and every file that broke."""

import subprocess
import sys
from pathlib import Path

import pytest

from libs.devstack.process_identity import ProcessIdentity
from libs.devstack.testing.waiting import wait_for
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


def test_the_tests_end_with_the_command_that_runs_them() -> None:
    """Killed in any way: Pants would go on, and its tests with their servers."""
    tests = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    command = (
        "import os, sys; from tools.checks.suite import _run_tests; "
        f"_run_tests([sys.executable, '-c', {tests!r}], dict(os.environ))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        running.kill()

    wait_for(lambda: ProcessIdentity.of(pid) is None, 10, "what ran the tests is gone")
