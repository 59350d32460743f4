"""Start what watches a stack, Prometheus, Alertmanager and the exporters, together; stop them together."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from libs.devstack.addresses import DATABASE, StackAddresses
from libs.devstack.child_process import ChildProcess
from libs.devstack.exporters import start_postgres_exporter, start_redis_exporter
from libs.devstack.monitoring_addresses import MonitoringAddresses
from libs.devstack.ports import free_port, free_ports
from libs.devstack.probes import web_answers
from libs.devstack.prometheus import start_alertmanager, start_prometheus
from libs.devstack.scraping import Target, broker_targets, scrape_configuration
from libs.devstack.server_home import ServerHome

READY_SECONDS = 30.0
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class MonitoringPlan:
    """What to watch and how: data below `folder`, logs in `logs`.

    `services` are the services' targets; those of the servers are found by `addresses`. `rules` are
    texts of rule files by name, `alertmanager` is the text of its configuration.
    """

    folder: Path
    logs: Path
    addresses: StackAddresses
    services: Sequence[Target]
    rules: Mapping[str, str]
    alertmanager: str
    database: str = DATABASE
    interval: str = "15s"
    resend_delay: str = "1m"
    preferred_port: int | None = None


@dataclass
class RunningMonitoring:
    """What watches a stack, children of this process; use `start_monitoring` to make one."""

    addresses: MonitoringAddresses
    children: list[ChildProcess] = field(default_factory=list)

    def wait_ready(self) -> None:
        """Return when Prometheus and Alertmanager are ready."""
        urls = self.addresses.ready_urls().values()
        self.children[-1].wait_ready(lambda: all(map(web_answers, urls)), READY_SECONDS)

    def stop(self) -> None:
        """Stop all, the last started first."""
        for child in reversed(self.children):
            child.stop(_GRACE_SECONDS)


def start_monitoring(plan: MonitoringPlan) -> RunningMonitoring:
    """Start everything; nothing is ready yet.

    Raises `ServerMissingError` when a program is not installed.
    """
    running = RunningMonitoring(_choose_addresses(plan.preferred_port))
    try:
        for child in _start(plan, running.addresses):
            running.children.append(child)
    except BaseException:
        running.stop()
        raise
    return running


@contextmanager
def monitored(plan: MonitoringPlan) -> Iterator[RunningMonitoring]:
    """Watch a stack as long as the block runs, from when Prometheus and Alertmanager are ready."""
    running = start_monitoring(plan)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def _choose_addresses(preferred_port: int | None) -> MonitoringAddresses:
    return MonitoringAddresses(free_port(preferred_port), *free_ports(3))


def _start(plan: MonitoringPlan, ports: MonitoringAddresses) -> Iterator[ChildProcess]:
    def home(name: str, log: str | None = None) -> ServerHome:
        made = ServerHome.below(plan.folder, plan.logs, name)
        return replace(made, log=plan.logs / f"{log or name}.log")

    exporter = home("exporters", "postgres-exporter")
    yield start_postgres_exporter(
        exporter, plan.addresses, plan.database, ports.postgres_exporter_port
    )
    exporter = home("exporters", "redis-exporter")
    yield start_redis_exporter(exporter, plan.addresses, ports.redis_exporter_port)
    yield start_alertmanager(home("alertmanager"), ports.alertmanager_port, plan.alertmanager)
    targets = [*plan.services, *broker_targets(plan.addresses), *ports.targets()]
    configuration = scrape_configuration(targets, ports.alertmanager_port, plan.interval)
    yield start_prometheus(
        home("prometheus"), ports.prometheus_port, configuration, plan.rules, plan.resend_delay
    )
