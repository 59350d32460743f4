"""The short form of `./dev faults --load`: fewer jobs, a smaller file, the same outcome.

Times have four times the bound of the long form: other tests run beside these.
"""

from tests.faults.harness.load import (
    READ_BOUND,
    drain_under_kills,
    read_during_load,
    use_large_chunks,
)
from tests.faults.harness.machine import Machine
from tests.faults.harness.slow_uploads import HEALTH_BOUND, upload_slowly


def test_queued_jobs_drain_while_both_loaders_are_killed_again_and_again(
    machine: Machine,
) -> None:
    drain = drain_under_kills(machine, 100, pause=0.5, most_kills=4)

    assert drain.kills > 1
    assert drain.verdict.is_clean, str(drain)


def test_slow_uploads_take_neither_the_memory_nor_the_health_checks(machine: Machine) -> None:
    """Two hundred at once: as many as the api has room for are taken, the others are asked to come again."""
    slow = upload_slowly(machine, seconds=4)

    assert slow.is_fine(4 * HEALTH_BOUND), str(slow)


def test_reads_are_answered_in_time_while_a_file_loads(machine: Machine) -> None:
    use_large_chunks(machine)

    reads = read_during_load(machine, 400_000)

    assert len(reads.seconds) > 20
    assert reads.p99 <= 4 * READ_BOUND, str(reads)
