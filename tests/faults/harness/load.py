"""Put load on a machine: jobs that queue while loaders are killed, reads while a large file loads, slow uploads.

``python -m tests.faults.harness.load --jobs 10000 --rows 5000000`` or ``./dev faults --load``.
"""

import argparse
import random
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from libs.devstack.testing.waiting import wait_for
from tests.endtoend.system import System
from tests.faults.harness.clients import Accepted, Feed, make_table
from tests.faults.harness.contents import Content, write_content
from tests.faults.harness.machine import Machine, running_machine
from tests.faults.harness.slow_uploads import upload_slowly
from tests.faults.harness.verdicts import Verdict, judge
from tools.client.sample_items import write_items

CLIENTS = 4
LOADERS = ("loader-1", "loader-2")
ROWS_OF_A_JOB = 3
WORK_SECONDS = 4.0
"""Seconds that both loaders are at work before they are killed."""
LARGE = {"ADSP_CHUNK_BYTES": str(64 << 20), "ADSP_BLOCK_BYTES": str(4 << 20)}
BACK_SECONDS = 120.0
_LOADED = "adsp.chunks WHERE state = 'done'"
DRAIN_DEADLINE = 3_600.0
SLOW_SECONDS = 60.0
READ_BOUND = 0.25
"""Seconds that 99 of 100 reads may take at most while a large file loads."""


@dataclass(frozen=True)
class Drain:
    """What became of the queued jobs."""

    jobs: int
    kills: int
    queueing: float
    seconds: float
    verdict: Verdict

    def __str__(self) -> str:
        """Return the figures."""
        return (
            f"{self.jobs} jobs, queued in {self.queueing:.0f} s, drained in {self.seconds:.0f} s while both "
            f"loaders were killed {self.kills} times\n{self.verdict}"
        )


@dataclass(frozen=True)
class Reads:
    """How long reads took while a large file was loaded."""

    rows: int
    load_seconds: float
    seconds: list[float]

    @property
    def p99(self) -> float:
        """Return the time within which 99 of 100 reads were answered."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]

    def __str__(self) -> str:
        """Return the figures."""
        return (
            f"{len(self.seconds)} reads while {self.rows:,} rows were loaded in {self.load_seconds:.0f} s: "
            f"p99 {self.p99 * 1000:.0f} ms, slowest {max(self.seconds) * 1000:.0f} ms"
        )


def drain_under_kills(
    machine: Machine, jobs: int, pause: float = WORK_SECONDS, most_kills: int = 10_000
) -> Drain:
    """Queue jobs while nobody is there to do them, then kill both loaders every few seconds until all are over.

    The pause begins when they are at work: on a busy machine their start alone may take longer.
    """
    feed = _make_feed(machine.system, jobs)
    for service in ("worker", *LOADERS):
        machine.system.kill(service)
    submitted = time.monotonic()
    accepted = _submit_all(machine, feed)
    start, kills = time.monotonic(), 0
    for service in ("worker", *LOADERS):
        machine.system.start(service)
    while _open_jobs(machine, feed) and time.monotonic() - start < DRAIN_DEADLINE:
        _await_load(machine, feed)
        time.sleep(pause)
        if kills < most_kills and _open_jobs(machine, feed):
            for loader in LOADERS:
                machine.system.kill(loader)
                machine.system.start(loader)
            kills += 1
    seconds = time.monotonic() - start
    left = _open_jobs(machine, feed)
    verdict = judge(machine.system, accepted)
    if left:
        verdict.faults.append(f"{left} jobs are not over")
    return Drain(jobs, kills, start - submitted, seconds, verdict)


def _await_load(machine: Machine, feed: Feed) -> None:
    """Wait until another chunk is loaded, or none is left to load."""
    before = machine.system.count(_LOADED)
    wait_for(
        lambda: machine.system.count(_LOADED) > before or not _open_loads(machine, feed),
        BACK_SECONDS,
        "something is loaded again",
    )


def use_large_chunks(machine: Machine) -> None:
    """Start worker and loaders with the sizes that they have in production."""
    for service in ("worker", *LOADERS):
        machine.system.kill(service)
        machine.system.start(service, **LARGE)


def read_during_load(machine: Machine, rows: int) -> Reads:
    """Load one large file and read jobs all the while, one read after the other."""
    name = f"large-{uuid.uuid4().hex[:6]}"
    table = make_table(machine.system, name.replace("-", "_"), keyed=False)
    write_items(machine.system.incoming / f"{name}.csv", rows)
    taken: list[float] = []
    with machine.system.client as client:
        client.put_dataset(name, {"table": table, "source": f"{name}.csv", "atomic": False})
        job = client.submit(dataset=name)
        start = time.monotonic()
        while not job.is_over:
            for path in ("/v1/jobs?page_size=20", f"/v1/jobs/{job.id}"):
                asked = time.monotonic()
                client.get(path).raise_for_status()
                taken.append(time.monotonic() - asked)
            job = client.job(job.id)
    if job.rows_loaded != rows:
        raise AssertionError(f"{job.rows_loaded} of {rows} rows were loaded: {job}")
    return Reads(rows, time.monotonic() - start, taken)


def _make_feed(system: System, jobs: int) -> Feed:
    name = f"many-{uuid.uuid4().hex[:6]}"
    rng = random.Random(jobs)
    table = make_table(system, name.replace("-", "_"), keyed=False)
    contents = [
        write_content(system.incoming / f"{name}-{number}.csv", rng, ROWS_OF_A_JOB)
        for number in range(jobs)
    ]
    definition = {"table": table, "mode": "append"}
    with system.client as client:
        client.put_dataset(name, definition)
    return Feed(name, table, definition, contents)


def _submit_all(machine: Machine, feed: Feed) -> list[Accepted]:
    """Share the files among the clients."""
    shares = [feed.contents[first::CLIENTS] for first in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [
            accepted
            for share in pool.map(lambda share: _submit(machine, feed, share), shares)
            for accepted in share
        ]


def _submit(machine: Machine, feed: Feed, contents: list[Content]) -> list[Accepted]:
    with machine.system.client as client:
        return [
            Accepted(client.submit(dataset=feed.name, source=content.path.name).id, feed, content)
            for content in contents
        ]


def _open_loads(machine: Machine, feed: Feed) -> int:
    """Return how many jobs are not loaded, since they have one chunk each."""
    return machine.system.count(
        f"adsp.jobs AS j WHERE dataset = '{feed.name}' AND finished_at IS NULL"
        f" AND NOT EXISTS (SELECT FROM {_LOADED} AND job_id = j.id)"
    )


def _open_jobs(machine: Machine, feed: Feed) -> int:
    return machine.system.count(f"adsp.jobs WHERE dataset = '{feed.name}' AND finished_at IS NULL")


def main() -> None:
    """Run all as the command line asks; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(description="Put load on a system of its own.")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    with running_machine() as machine:
        slow = upload_slowly(machine, SLOW_SECONDS)
        print(slow, flush=True)
        drain = drain_under_kills(machine, arguments.jobs)
        print(drain, flush=True)
        use_large_chunks(machine)
        reads = read_during_load(machine, arguments.rows)
        print(reads, flush=True)
    is_well = slow.is_fine() and drain.verdict.is_clean and reads.p99 <= READ_BOUND
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
