"""Choose faults by seed and do them to a machine, one after the other, from the thread that runs it."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import psycopg2
import redis

from libs.common.failpoints import FailPoint
from libs.common.messaging.names import WORK_QUEUES
from libs.devstack.addresses import VHOST
from libs.devstack.cluster import administration
from libs.devstack.management import call_management
from tests.faults.harness.machine import SERVICES, Machine, descendants, send_signal

LONGEST_STOP = 4.0
"""Seconds that a process is stopped at most; a lease lasts 3 s in these tests instead of 30."""

Undo = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong; `do` may return what must be done `lasts` seconds later."""

    name: str
    do: Callable[[Machine], Undo | None]
    lasts: float = 0.0


ChooseFaults = Callable[[random.Random], Iterator[tuple[float, Fault]]]


def choose_faults(rng: random.Random) -> Iterator[tuple[float, Fault]]:
    """Yield faults, each with the seconds to wait before it: the same for the same seed."""
    for _ in range(rng.randrange(3, 7)):
        pause = rng.uniform(0.1, 0.9)
        yield pause, _choose(rng)


def _choose(rng: random.Random) -> Fault:
    """Choose a kind by weight: a server that starts again takes seconds, a failpoint none."""
    kinds: list[tuple[Callable[[random.Random], Fault], int]] = [
        (_crash, 10),
        (_kill_parent, 5),
        (_kill_child, 5),
        (_stop_process, 5),
        (_disturb, 4),
        (_restart_server, 2),
    ]
    [kind] = rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
    return kind(rng)


def _crash(rng: random.Random) -> Fault:
    point = rng.choice(list(FailPoint))
    return Fault(f"crash {point}", lambda machine: machine.arm(point))


def _kill_parent(rng: random.Random) -> Fault:
    service = rng.choice(SERVICES)

    def do(machine: Machine) -> None:
        send_signal(machine.system.processes[service].pid, signal.SIGKILL)
        machine.system.processes[service].process.wait(10)

    return Fault(f"kill {service}", do)


def _kill_child(rng: random.Random) -> Fault:
    service, choice = rng.choice(["worker", "loader-1", "loader-2"]), rng.random()

    def do(machine: Machine) -> None:
        children = descendants(machine.system.processes[service].pid)
        if children:
            send_signal(children[int(choice * len(children))], signal.SIGKILL)

    return Fault(f"kill child of {service}", do)


def _stop_process(rng: random.Random) -> Fault:
    name = rng.choice([*SERVICES, "PostgreSQL", "RabbitMQ", "Valkey"])
    seconds, child = round(rng.uniform(0.5, LONGEST_STOP), 1), rng.random() < 0.5

    def do(machine: Machine) -> Undo:
        services = machine.system.processes
        parent = (services.get(name) or machine.server(name)).pid
        pids = descendants(parent) if child and name in services else [parent]
        for pid in pids:
            send_signal(pid, signal.SIGSTOP)

        def undo() -> None:
            for pid in pids:
                send_signal(pid, signal.SIGCONT)

        return undo

    who = f"children of {name}" if child and name in SERVICES else name
    return Fault(f"stop {who} for {seconds} s", do, seconds)


def _restart_server(rng: random.Random) -> Fault:
    [name] = rng.choices(["PostgreSQL", "RabbitMQ", "Valkey"], [3, 1, 2])
    return Fault(f"kill {name}", lambda machine: machine.kill_server(name))


def _disturb(rng: random.Random) -> Fault:
    return rng.choice(
        [
            Fault("FLUSHALL", flush),
            Fault("purge the queues", purge),
            Fault("cut all database connections", cut_sessions),
            Fault("cut all broker connections", _cut_broker),
        ]
    )


def flush(machine: Machine) -> None:
    """Empty Valkey, if it lives."""
    if not machine.server("Valkey").is_alive():
        return
    with redis.Redis.from_url(machine.addresses.redis_url(), socket_timeout=10) as client:
        client.flushall()


def purge(machine: Machine) -> None:
    """Take every message out of the work queues."""
    for queue in WORK_QUEUES:
        call_management(machine.addresses, "DELETE", f"/api/queues/{quote(VHOST)}/{queue}/contents")


def cut_sessions(machine: Machine) -> None:
    """End every session of the services in Postgres."""
    with administration(machine.addresses) as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename LIKE 'adsp_%' AND usename <> 'adsp_owner'"
        )


def _cut_broker(machine: Machine) -> None:
    for connection in call_management(machine.addresses, "GET", "/api/connections"):
        name = quote(connection["name"], safe="")
        call_management(machine.addresses, "DELETE", f"/api/connections/{name}")


_AWAY = (
    OSError,
    httpx.HTTPError,
    psycopg2.OperationalError,
    redis.ConnectionError,
    redis.TimeoutError,
)
"""What a server that is stopped answers to one that would purge it."""


class Injection:
    """Does faults while something else goes on, and notes them."""

    def __init__(self, machine: Machine) -> None:
        """Begin with a sound machine."""
        self._machine = machine
        self._undone: list[tuple[float, Undo]] = []
        self.done: list[str] = []

    def run(self, faults: Iterator[tuple[float, Fault]]) -> None:
        """Do the faults in turn; what died is started again before the next one."""
        for pause, fault in faults:
            self._wait(pause)
            self._machine.revive()
            self.done.append(fault.name)
            try:
                undo = fault.do(self._machine)
            except _AWAY as exc:
                self.done[-1] += f" (not possible: {type(exc).__name__})"
                continue
            if undo is not None:
                self._undone.append((time.monotonic() + fault.lasts, undo))

    def end(self) -> None:
        """Let the stopped go on when their time is over, start the dead, take back what was not used."""
        while self._undone:
            self._wait(0.1)
        self._machine.wake()
        self._machine.disarm()
        self._machine.revive()

    def _wait(self, seconds: float) -> None:
        """Let time pass for the system, waking those whose time has come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            due = [entry for entry in self._undone if entry[0] <= time.monotonic()]
            for entry in due:
                entry[1]()
                self._undone.remove(entry)
            time.sleep(0.02)
