"""What goes wrong between hosts: one is cut off in the middle of a job, falls silent for good, or has a wrong clock.

Whatever it is, the job ends by itself and its rows are there once; afterwards every host is at work again.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from libs.devstack.testing.waiting import wait_for
from libs.devstack.waiting import wait_until
from tests.faults.harness.clients import Accepted
from tests.faults.harness.verdicts import Verdict
from tests.hosts.clocks import can_shift_clocks
from tests.hosts.network import cut
from tests.hosts.site import LOADERS, SPARE, Site

ROWS = 30_000
"""Of the file that is loaded meanwhile, a dozen chunks of `CHUNK_BYTES`."""
CHUNK_BYTES = 1 << 18
VARIABLES = {"ADSP_CHUNK_BYTES": str(CHUNK_BYTES), "ADSP_CHUNKS_AT_ONCE": "16"}
SLOW_MBIT = 8.0
PATIENCE = 420.0
"""Seconds within which a job has ended once all is well; a plan whose host is lost is begun again after 5 minutes."""

Moment = Literal["plan", "load"]


@dataclass(frozen=True)
class HostFault:
    """A fault: `strike` at a moment of the job, healed after so many seconds, or never where they are 0."""

    name: str
    strike: Callable[[Site], None]
    moment: Moment = "load"
    seconds: float = 10.0
    clock: tuple[str, int] | None = None
    """The service whose clock is wrong from the start, and by how many minutes."""


@dataclass
class Outcome:
    """What became of the job of a fault."""

    fault: HostFault
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0
    """From the fault to the end of the job."""
    at_work: float = 0.0
    """From then on until each host of a loader had loaded something again."""

    def __str__(self) -> str:
        """Return a line for the person who watches."""
        healed = f"healed after {self.fault.seconds:.0f} s" if self.fault.seconds else "for good"
        return (
            f"{self.fault.name}, {healed}: {self.verdict}, job over after {self.seconds:.1f} s,"
            f" every loader at work {self.at_work:.1f} s later"
        )


def host_faults() -> list[HostFault]:
    """List every fault."""
    cuts = [
        HostFault(
            f"{who} is cut off from {server} in its {moment}", _cutting(hosts, server), moment
        )
        for who, hosts, moment in _WHO
        for server in ("PostgreSQL", "RabbitMQ", "store", "all")
    ]
    losses = [
        HostFault("a loader's host is lost", lambda site: site.lose("loader-1"), seconds=0),
        HostFault("two loaders' hosts are lost", _lose_two, seconds=0),
        HostFault("the worker's host is lost in its plan", _replace_worker, "plan", 0),
        HostFault("the worker's host is lost in its load", _replace_worker, "load", 0),
    ]
    return [*cuts, *losses, *_wrong_clocks()]


def _wrong_clocks() -> list[HostFault]:
    """List the faults of clocks; a loader is lost as well, so that what depends on time is needed."""
    if not can_shift_clocks():
        return []
    return [
        HostFault(
            f"the clock of {service} is wrong by {minutes:+d} min",
            lambda site: site.lose("loader-2"),
            seconds=0,
            clock=(service, minutes),
        )
        for service in ("worker", "scheduler", "loader-1", "api")
        for minutes in (5, -5)
    ]


_WHO: list[tuple[str, tuple[str, ...], Moment]] = [
    ("a loader", ("loader-1",), "load"),
    ("every loader", LOADERS, "load"),
    ("the worker", ("worker",), "load"),
    ("the worker", ("worker",), "plan"),
]


def by_seed(seed: int) -> HostFault:
    """Choose a fault and how long it lasts: the same for the same seed."""
    rng = random.Random(seed)
    fault = rng.choice(host_faults())
    return replace(fault, seconds=fault.seconds and round(rng.uniform(1, 40)))


def run_fault(site: Site, fault: HostFault) -> Outcome:
    """Let a fault strike in the middle of a job; see that all is well in the end."""
    site.revive()
    if fault.clock is not None:
        site.set_clock(*fault.clock)
        site.system.wait_ready()
    slow = [site.host(name) for name in (LOADERS if fault.moment == "load" else ("worker",))]
    for host in slow:
        host.limit(SLOW_MBIT)
    job = site.deliver(ROWS)
    _wait_for_moment(site, job, fault.moment)
    outcome = _strike(site, fault, job)
    for host in slow:
        host.unlimit()
    outcome.at_work = _all_at_work(site, outcome.verdict)
    return outcome


def _strike(site: Site, fault: HostFault, job: Accepted) -> Outcome:
    """Do the fault, heal it after its time, and wait until the job has ended, which may be before."""
    start = time.monotonic()
    fault.strike(site)
    early = wait_until(lambda: not site.is_open(job), fault.seconds) if fault.seconds else False
    taken = time.monotonic() - start
    if fault.seconds:
        time.sleep(max(0.0, fault.seconds - taken))
        site.network.heal()
    verdict = site.wait_over(job, PATIENCE)
    return Outcome(fault, verdict, taken if early else time.monotonic() - start)


def _wait_for_moment(site: Site, job: Accepted, moment: Moment) -> None:
    if moment == "load":
        site.wait_chunks(job)
        return
    planned = (
        f"adsp.jobs AS j WHERE id = '{job.job_id}' AND state = 'running'"
        " AND NOT EXISTS (SELECT FROM adsp.chunks WHERE job_id = j.id)"
    )
    wait_for(lambda: site.system.count(planned) > 0, 60, "the job is being planned")


def _all_at_work(site: Site, verdict: Verdict) -> float:
    """Have files loaded until every loader that lives has loaded some of them; return the seconds."""
    start = time.monotonic()
    missing = set(LOADERS) & set(site.system.processes)
    while missing:
        job = site.deliver(ROWS)
        verdict.add(site.wait_over(job, PATIENCE))
        missing -= {name for name, chunks in site.chunks_by_loader(job).items() if chunks}
        if time.monotonic() - start > PATIENCE:
            verdict.faults.append(f"{sorted(missing)} load nothing any more")
            break
    return time.monotonic() - start


def _cutting(names: tuple[str, ...], server: str) -> Callable[[Site], None]:
    """Return what cuts hosts off from a server, or from all."""

    def strike(site: Site) -> None:
        for host in (site.host(name) for name in names):
            if server == "all":
                host.unplug()
            else:
                place, port = _places(site)[server]
                cut(host, site.host(place), port)

    return strike


def _places(site: Site) -> dict[str, tuple[str, int]]:
    """Return the host and port of each server."""
    return {
        "PostgreSQL": ("servers", site.addresses.postgres_port),
        "RabbitMQ": ("servers", site.addresses.broker_port),
        "store": ("store", site.store_port),
    }


def _replace_worker(site: Site) -> None:
    """Lose the worker's host, and have another one from then on."""
    site.lose("worker")
    site.system.start(SPARE)


def _lose_two(site: Site) -> None:
    for name in LOADERS[:2]:
        site.lose(name)


def choose(names: str, seeds: int, first: int) -> Iterator[HostFault]:
    """Yield the faults whose name has a text in it, or those of so many seeds."""
    if seeds:
        yield from (by_seed(seed) for seed in range(first, first + seeds))
        return
    yield from (fault for fault in host_faults() if names in fault.name)
