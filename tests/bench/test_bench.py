"""The benchmark's short run: every case ends with the right rows, whatever time it takes."""

import json
from pathlib import Path

import pytest

from tools.bench.cases import ALL, SHORT_ROWS
from tools.bench.program import Plan, run_bench
from tools.bench.report import BEGIN, END, Report, write_into


@pytest.fixture(scope="module")
def report() -> Report:
    """Run all cases once; a wrong count raises."""
    return run_bench(Plan.short(), print)


def test_every_case_runs_and_finds_the_rows_that_it_must(report: Report) -> None:
    found = {one.name: one for one in report.comparisons}

    assert list(found) == [case.name for case in ALL]
    assert found["append-keyed"].rows == SHORT_ROWS
    assert found["narrow-atomic"].rows == 2 * SHORT_ROWS
    assert found["upsert"].rows == SHORT_ROWS // 5
    assert 900 < found["bad-1"].bad_rows < 1_100
    assert 19_000 < found["bad-20"].bad_rows < 21_000


def test_times_and_memory_are_measured(report: Report) -> None:
    assert report.small is not None
    assert (report.small.files, len(report.small.alone_seconds)) == (40, 5)
    assert min(report.small.seconds, report.small.one_job_seconds) > 0
    assert report.passing is not None
    assert min(report.passing.seconds) > 0
    for spent in (
        "job_cpu",
        "psql_cpu",
    ):  # a single short run may need less than what the kernel counts
        runs = [getattr(one, spent)[0] for one in report.comparisons]
        assert sum(run.server for run in runs) > 1
        assert sum(run.client for run in runs) > 0.1
    for one in report.comparisons:
        assert one.ratio > 0
        assert one.peak_loader_bytes > 50_000_000
        assert one.peak_process_bytes > 50_000_000


def test_a_report_is_json_and_markdown(report: Report, tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_into(document, report.to_markdown())

    written = document.read_text()
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert all(f"| {case.name}: " in written for case in ALL)
    numbers = json.loads(report.to_json())
    assert numbers["comparisons"][0]["ratio"] == report.comparisons[0].ratio
    assert numbers["machine"]["postgres"]["fsync"] == "on"
