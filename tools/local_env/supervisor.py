"""Run the local stack: servers, migrations, services, what watches them; stop them in the opposite order.

A daemon that `./dev up` starts and `./dev down` ends with SIGTERM. What it starts dies with it;
what outlives that (grandchildren) carries its mark and is ended by the next command that looks.
"""

import logging
import sys
import time
from pathlib import Path

from libs.devstack.addresses import Credentials, StackAddresses
from libs.devstack.binaries import missing_monitoring
from libs.devstack.child_process import ChildProcess
from libs.devstack.daemon import become_daemon
from libs.devstack.errors import StackError
from libs.devstack.monitoring import RunningMonitoring, start_monitoring
from libs.devstack.os_user import Account, make_own_folder
from libs.devstack.ports import LOOPBACK, free_port, free_ports
from libs.devstack.process_identity import ProcessIdentity
from libs.devstack.servers import RunningServers, StackPlan, start_servers
from libs.devstack.service_process import service_command
from tools.local_env.layout import Layout
from tools.local_env.monitoring import plan_monitoring
from tools.local_env.services import SERVICES, ServicePorts, environment_of
from tools.local_env.state import LocalState, Phase, ProcessRecord
from tools.local_env.supervision import Supervised

PREFERRED_API_PORT = 8000
SERVICE_GRACE_SECONDS = 30.0
_POLL_SECONDS = 0.3

log = logging.getLogger(__name__)


class Supervisor:
    """The local stack of one folder."""

    def __init__(self, layout: Layout) -> None:
        self._identity = ProcessIdentity.own()
        self._layout = layout
        self._ports = _choose_ports()
        self._servers: RunningServers | None = None
        self._monitoring: RunningMonitoring | None = None
        self._supervised: list[Supervised] = []

    def run(self) -> None:
        """Start everything and look after it until a signal ends this process."""
        try:
            self._start()
            while True:
                changed = [one for one in self._supervised if one.look_after()]
                for one in changed:
                    log.warning("%s: %s", one.command.name, one.note() or "started again")
                if changed:
                    self._publish(Phase.UP)
                time.sleep(_POLL_SECONDS)
        except Exception as exc:
            log.exception("the local stack failed")
            self._stop()
            self._publish(Phase.FAILED, error=str(exc))
            raise
        except SystemExit:
            self._publish(Phase.STOPPING)
            self._stop()
            self._layout.state.unlink()
            raise

    def _start(self) -> None:
        # Commands import this module to find the daemon; Alembic would make each of them slow.
        from migrations.runner import upgrade  # noqa: PLC0415

        self._publish(Phase.SERVERS)
        self._servers = servers = start_servers(_plan(self._layout))
        self._supervised += [
            Supervised(child.command, _address_of(child, servers), child)
            for child in servers.children
        ]
        self._publish(Phase.MIGRATING)
        upgrade(servers.addresses.database_url("owner"))
        self._publish(Phase.SERVICES)
        urls = self._ports.metrics_urls() | {"api": self._ports.api_url}
        for service in SERVICES:
            environment = environment_of(service, self._layout, servers.addresses, self._ports)
            command = service_command(service.name, environment, self._layout.logs)
            child = ChildProcess.start(command)
            self._supervised.append(Supervised(command, urls[service.name], child))
        if not missing_monitoring():
            self._watch(servers.addresses)
        self._publish(Phase.UP)

    def _watch(self, addresses: StackAddresses) -> None:
        """Start Prometheus and its companions; `./dev up` waits until they answer."""
        data = self._layout.data(Account.current())
        plan = plan_monitoring(data, self._layout.logs, addresses, self._ports)
        self._monitoring = started = start_monitoring(plan)
        urls = started.addresses.urls()
        self._supervised += [
            Supervised(child.command, urls[child.command.name], child) for child in started.children
        ]

    def _stop(self) -> None:
        """End services first, all at once, so that they can still finish what needs the servers."""
        names = {service.name for service in SERVICES}
        services = [one.child for one in self._supervised if one.command.name in names]
        for child in services:
            child.ask_to_stop()
        end = time.monotonic() + SERVICE_GRACE_SECONDS
        for child in services:
            child.stop(max(0.0, end - time.monotonic()))
        for one in reversed(self._supervised):
            one.child.stop(SERVICE_GRACE_SECONDS)

    def _publish(self, phase: Phase, error: str = "") -> None:
        LocalState(
            phase=phase,
            supervisor=self._identity,
            api_url=self._ports.api_url,
            addresses=None if self._servers is None else self._servers.addresses,
            monitoring=None if self._monitoring is None else self._monitoring.addresses,
            metrics=self._ports.metrics_urls(),
            processes=[
                ProcessRecord(
                    name=one.command.name,
                    address=one.address,
                    log=str(one.command.log),
                    identity=one.child.identity(),
                    restarts=one.restarts,
                    note=one.note(),
                )
                for one in self._supervised
            ],
            error=error,
        ).write(self._layout)


def _choose_ports() -> ServicePorts:
    others = [service.name for service in SERVICES if service.name != "api"]
    return ServicePorts(
        api=free_port(PREFERRED_API_PORT),
        metrics=dict(zip(others, free_ports(len(others)), strict=True)),
    )


def _plan(layout: Layout) -> StackPlan:
    data = make_own_folder(layout.data(Account.current()))
    return StackPlan(
        folder=data,
        logs=layout.logs,
        durable=True,
        # They lie beside the data that were made with them, since each is useless alone.
        credentials=Credentials.kept_in(data / "credentials.json"),
    )


def _address_of(child: ChildProcess, servers: RunningServers) -> str:
    addresses = servers.addresses
    ports = {
        "PostgreSQL": addresses.postgres_port,
        "Valkey": addresses.redis_port,
        "RabbitMQ": addresses.broker_port,
    }
    port = ports.get(child.command.name)
    return "" if port is None else f"{LOOPBACK}:{port}"


def main(arguments: list[str]) -> int:
    """Become the supervisor of the local stack in the folder given."""
    layout = Layout(Path(arguments[0]))
    become_daemon(layout)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        Supervisor(layout).run()
    except StackError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
