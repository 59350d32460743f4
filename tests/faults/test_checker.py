"""Twelve episodes by seeds of the day leave every row once; and the checker notices when the system is broken."""

import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from libs.common.failpoints import FailPoint
from tests.endtoend.forgetful_ledger import forgetful_ledger
from tests.faults.harness.checker import run_seeds, settle, unfinished
from tests.faults.harness.clients import Accepted, Feed, make_table
from tests.faults.harness.contents import write_content
from tests.faults.harness.machine import Machine, running_machine, send_signal
from tests.faults.harness.verdicts import judge

SEEDS = 8


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with running_machine() as started:
        yield started


def test_random_faults_lose_nothing_and_load_nothing_twice(
    machine: Machine, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Other seeds each time. The report names them, and `./dev faults --seed N --seeds 1` does one again."""
    first = secrets.randbelow(1_000_000)
    report = run_seeds(machine, range(first, first + SEEDS))
    print(report)
    record_testsuite_property("random faults", report)

    assert report.verdict.is_clean, str(report)
    assert len(report.episodes) == SEEDS


def _load_with_a_crash(machine: Machine) -> Accepted:
    """Load a file while a loader dies between its commit and its acknowledgement.

    Nobody sweeps meanwhile: the job goes on when its chunk's message comes again.
    """
    name = f"redone-{time.monotonic_ns()}"
    table = make_table(machine.system, name.replace("-", "_"), keyed=False)
    content = write_content(machine.system.incoming / f"{name}.csv", random.Random(1), 50)
    definition = {"table": table, "mode": "append"}
    feed = Feed(name, table, definition, [content])
    send_signal(machine.system.processes["scheduler"].pid, signal.SIGSTOP)
    try:
        machine.arm(FailPoint.AFTER_COMMIT)
        with machine.system.client as client:
            client.put_dataset(name, definition)
            job = client.submit(dataset=name, source=content.path.name)
        accepted = Accepted(job.id, feed, content)
        assert settle(machine, lambda: not unfinished(machine, [accepted]))
    finally:
        machine.wake()
    assert not (machine.tokens / FailPoint.AFTER_COMMIT).exists()
    return accepted


def test_a_load_whose_loader_dies_after_its_commit_is_not_done_again(machine: Machine) -> None:
    verdict = judge(machine.system, [_load_with_a_crash(machine)])

    assert verdict.is_clean, str(verdict)


def test_without_the_done_check_the_checker_reports_duplicates(machine: Machine) -> None:
    """The same crash in a system whose ledger forgets that a chunk is done: the checker can fail."""
    with forgetful_ledger(machine.system.database):
        accepted = _load_with_a_crash(machine)
    verdict = judge(machine.system, [accepted])

    assert verdict.duplicated > 0, str(verdict)
