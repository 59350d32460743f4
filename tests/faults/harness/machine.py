"""Run a whole system of one's own, servers too, so that each of its processes can be killed and frozen."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from libs.common.failpoints import FailPoint
from libs.devstack.addresses import Credentials, Role, StackAddresses
from libs.devstack.child_process import ChildProcess
from libs.devstack.os_user import machine_folder
from libs.devstack.ports import free_port
from libs.devstack.probes import postgres_answers, rabbitmq_answers, redis_answers
from libs.devstack.servers import RunningServers, StackPlan, start_servers
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from migrations.runner import upgrade
from tests.endtoend.system import System

SERVICES = ("api", "worker", "scheduler", "loader-1", "loader-2")
SERVERS = ("PostgreSQL", "RabbitMQ", "Valkey")
START_SECONDS = 60.0
PATIENT = {
    "ADSP_CHUNK_BYTES": str(1 << 13),
    "ADSP_BLOCK_BYTES": str(1 << 14),
    "ADSP_PUBLISH_TIMEOUT": "2",
    "ADSP_CHUNK_MAX_ATTEMPTS": "100",
    "ADSP_PLAN_MAX_ATTEMPTS": "100",
    "ADSP_QUEUE_DELIVERY_LIMIT": "100",
    "ADSP_BROKER_HEARTBEAT": "3",
    "ADSP_SWEEP_LOCK_SECONDS": "15",
    "ADSP_COMPARISON_ROWS": "0",
}
"""Small chunks and blocks, so that faults strike between them; no job gives up for a number of attempts."""


@dataclass
class Machine:
    """Servers and services that are ours alone."""

    servers: RunningServers
    system: System
    tokens: Path

    @property
    def addresses(self) -> StackAddresses:
        """Return where the servers listen."""
        return self.servers.addresses

    @property
    def service_logs(self) -> list[Path]:
        """Return the files that the services log into."""
        return sorted(self.system.folder.glob("*.log"))

    def server(self, name: str) -> ChildProcess:
        """Return a running server by the name that its command has."""
        return next(child for child in self.servers.children if child.command.name == name)

    def kill_server(self, name: str) -> None:
        """End a server and all that it has started, as kill -9 does."""
        child = self.server(name)
        family = [child.pid, *descendants(child.pid)]
        for pid in family:
            send_signal(pid, signal.SIGKILL)
        child.process.wait(10)
        wait_for(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in family[1:]), 20, "all are dead"
        )

    def start_server(self, name: str) -> None:
        """Start a server again where it was, and wait until it answers."""
        old = self.server(name)
        new = ChildProcess.start(old.command)
        self.servers.children[self.servers.children.index(old)] = new
        new.wait_ready(lambda: self._answers(name), START_SECONDS)

    def revive(self) -> list[str]:
        """Start what is dead, as a supervisor does; return its names."""
        servers = [name for name in SERVERS if not self.server(name).is_alive()]
        for name in servers:
            self.start_server(name)
        services = [name for name in SERVICES if not self.system.processes[name].is_alive()]
        for name in services:
            self.system.start(name)
        return servers + services

    def revive_dead(self, service: str) -> None:
        """See that a service has died, and start it again."""
        self.system.processes[service].process.wait(10)
        self.system.start(service)
        self.system.wait_ready()

    def wake(self) -> None:
        """Let every process go on that may be stopped."""
        children = [*self.servers.children, *self.system.processes.values()]
        for pid in [child.pid for child in children if child.is_alive()]:
            for each in [pid, *descendants(pid)]:
                send_signal(each, signal.SIGCONT)

    def arm(self, point: FailPoint) -> None:
        """Have the next process that comes by this point die there."""
        (self.tokens / point).touch()

    def disarm(self) -> None:
        """Take back what nobody has used up."""
        for point in FailPoint:
            (self.tokens / point).unlink(missing_ok=True)

    def keep_logs(self) -> Path:
        """Copy the services' and servers' logs out of the folder that is removed in the end."""
        kept = Path(mkdtemp(prefix="faults-logs-", dir=machine_folder()))
        for log in [*self.service_logs, *self.system.folder.parent.glob("logs/*.log")]:
            shutil.copy(log, kept)
        return kept

    def _answers(self, name: str) -> bool:
        probes = {
            "PostgreSQL": postgres_answers,
            "RabbitMQ": rabbitmq_answers,
            "Valkey": redis_answers,
        }
        return probes[name](self.addresses)


Prepare = Callable[[StackPlan, RunningServers], None]


@contextmanager
def running_machine(prepare: Prepare | None = None, **variables: str) -> Iterator[Machine]:
    """Start servers and services; stop them and remove their files in the end.

    `prepare` may add servers before anything is in them.
    """
    folder = Path(mkdtemp(prefix="faults-", dir=machine_folder()))
    folder.chmod(0o755)
    plan = StackPlan(folder / "data", folder / "logs", durable=True, credentials=Credentials())
    servers = start_servers(plan)
    try:
        if prepare is not None:
            prepare(plan, servers)
        upgrade(servers.addresses.database_url("owner"))
        machine = _make_machine(folder, servers, variables)
        try:
            for service in SERVICES:
                machine.system.start(service)
            machine.system.wait_ready()
            yield machine
        finally:
            machine.wake()
            for child in machine.system.processes.values():
                child.process.kill()
                child.process.wait(10)
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _make_machine(folder: Path, servers: RunningServers, variables: dict[str, str]) -> Machine:
    addresses = servers.addresses
    work = folder / "work"
    tokens = work / "tokens"
    tokens.mkdir(parents=True)

    def environment_of(role: str) -> dict[str, str]:
        known: Role = role  # type: ignore[assignment]  # a service is called as its role
        return addresses.environment(known)

    faults = {
        "ADSP_FAULTS": "1",
        "ADSP_FAILPOINTS": ",".join(FailPoint),
        "ADSP_FAILPOINT_TOKENS": str(tokens),
    }
    database = ScratchDatabase("adsp", addresses)
    system = System(work, database, environment_of, free_port())
    system.incoming.mkdir()
    system.variables.update({**PATIENT, **faults, **variables})
    return Machine(servers, system, tokens)


def descendants(pid: int) -> list[int]:
    """List the children of a process, and theirs."""
    found: list[int] = []
    with suppress(OSError):  # it may end while we look
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process of ours, which may have ended meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
