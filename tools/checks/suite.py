"""Run the whole test suite through Pants on one private stack, and every check beside it.

The stack is held here for the time of the tests, so that no test file waits for servers that
another one just gave up. What matters stands at the end of the output: the checks, the result
line of each test file, and the totals as the last line.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from xml.etree import ElementTree as ET

from invoke.exceptions import Exit

from libs.devstack.child_process import ending_with_parent
from libs.devstack.errors import StackError
from libs.devstack.shared import shared_stack
from tools.bootstrap.locations import ROOT, STATE
from tools.checks.lint import Check, run_checks

REPORTS = STATE / "dist" / "test" / "reports"
_COMPILE = "from services.loader.main import compile_everything; compile_everything()"
"""Once, while Pants gets ready: many tests at a time would each find nothing and do it."""
_RESULT_LINE = re.compile(r"^(\x1b\[\d+m)*[✓✕] ")


@dataclass(frozen=True)
class Totals:
    """The counts of all test files together."""

    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        """Return the one line that a person or a program looks for."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run_everything(
    pants: Sequence[str], variables: dict[str, str], checks: Sequence[Check]
) -> bool:
    """Run the tests, then the checks; return whether all passed."""
    start = time.monotonic()
    rmtree(REPORTS, ignore_errors=True)
    _say("Starting the test stack (PostgreSQL, RabbitMQ, Valkey) …", start)
    try:
        with shared_stack():
            _say("Compiling what the loader needs, and running all tests: pants test ::", start)
            with subprocess.Popen([sys.executable, "-c", _COMPILE], cwd=ROOT) as compiling:
                at_once = f"--process-execution-local-parallelism={_files_at_once()}"
                status, results = _run_tests([*pants, at_once, "test", "::"], variables)
    except StackError as error:
        raise Exit(str(error), code=1) from error
    if compiling.returncode:
        raise Exit("what the loader needs could not be compiled: the reason stands above", code=1)
    _say("Running the checks …", start)
    findings = run_checks(checks)
    _say("Done.", start)
    return _conclude(status, results, [finding.passed for finding in findings])


def _files_at_once() -> int:
    """Return how many test files to run at a time: one and a half per core, for they wait a part of their time."""
    cores = len(os.sched_getaffinity(0))
    return max(2, cores * 3 // 2)


def _say(text: str, start: float) -> None:
    print(f"[{time.monotonic() - start:6.1f} s] {text}", flush=True)


def _run_tests(command: Sequence[str], variables: dict[str, str]) -> tuple[int, list[str]]:
    """Run Pants, showing what it says; return its status and the result line of each file."""
    results = []
    with subprocess.Popen(
        [*command, "--no-dynamic-ui"],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Pants would go on with its tests; asked like this, it ends them.
        preexec_fn=ending_with_parent(signal.SIGINT),  # noqa: PLW1509  # there is one thread
    ) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            if _RESULT_LINE.match(line):
                results.append(line.rstrip())
    return process.returncode, results


def _conclude(status: int, results: list[str], checks: list[bool]) -> bool:
    """Print what the run comes to, the totals as the very last line."""
    totals = count_results(REPORTS)
    broken_files = sum("✕" in line for line in results)
    if status and totals.failed < broken_files:
        # A file that timed out or did not even load leaves no report, and still failed.
        totals = Totals(totals.passed, broken_files, totals.skipped)
    print("\nTests", *results, sep="\n")
    for reason in skip_reasons(REPORTS):
        print(f"skipped: {reason}")
    for note in noted_properties(REPORTS):
        print(note)
    if status:
        print(f"pants test failed (exit {status}): the reason stands above")
    passed = status == 0 and all(checks)
    if not all(checks):
        print("A check failed: see the table of checks above")
    print(totals, flush=True)
    return passed


def count_results(reports: Path) -> Totals:
    """Add up the JUnit reports of a folder."""
    passed = failed = skipped = 0
    for file in reports.rglob("*.xml"):
        for suite in ET.parse(file).iter("testsuite"):  # noqa: S314  # written by our own pytest
            counts = {
                name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")
            }
            bad = counts["failures"] + counts["errors"]
            failed += bad
            skipped += counts["skipped"]
            passed += counts["tests"] - bad - counts["skipped"]
    return Totals(passed, failed, skipped)


def noted_properties(reports: Path) -> list[str]:
    """List what test files have noted in a folder's JUnit reports, as the seeds that they chose at random."""
    return [
        f"{noted.get('name')}: {noted.get('value')}"
        for file in sorted(reports.rglob("*.xml"))
        for noted in ET.parse(file).iter("property")  # noqa: S314  # written by our own pytest
        if not str(noted.get("name")).startswith("hypothesis-statistics")
    ]


def skip_reasons(reports: Path) -> list[str]:
    """List the skipped tests of a folder's JUnit reports, each with its reason."""
    return [
        f"{case.get('classname')}.{case.get('name')}: {skipped.get('message')}"
        for file in sorted(reports.rglob("*.xml"))
        for case in ET.parse(file).iter("testcase")  # noqa: S314  # written by our own pytest
        for skipped in case.iter("skipped")
    ]
