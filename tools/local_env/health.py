"""Check every endpoint and server of the local stack, one line of a table each."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from libs.devstack.addresses import StackAddresses
from libs.devstack.monitoring_addresses import MonitoringAddresses
from libs.devstack.probes import postgres_answers, rabbitmq_answers, redis_answers
from tools.local_env.control import status_of
from tools.local_env.prometheus import faulty_rules, targets_down
from tools.local_env.state import LocalState

_API_PATHS = ("/livez", "/readyz", "/health", "/docs")


@dataclass(frozen=True)
class Check:
    """What was checked, where, and how it went."""

    name: str
    address: str
    healthy: bool
    finding: str


def check_all(state: LocalState) -> list[Check]:
    """Check processes, servers and endpoints, in this order."""
    checks = list(_processes(state))
    if state.addresses is not None:
        checks += _servers(state.addresses)
    checks += _endpoints(state)
    if state.monitoring is not None:
        checks += _monitoring(state.monitoring)
    return checks


def _processes(state: LocalState) -> Iterator[Check]:
    for record in state.processes:
        condition = record.condition()
        restarts = f", {record.restarts} restarts" if record.restarts else ""
        yield Check(
            name=f"process {record.name}",
            address=record.address,
            healthy=condition == "running",
            finding=condition + restarts,
        )


def _servers(addresses: StackAddresses) -> Iterator[Check]:
    probes = {
        "PostgreSQL": postgres_answers(addresses),
        "Valkey": redis_answers(addresses),
        "RabbitMQ": rabbitmq_answers(addresses),
    }
    for name, healthy in probes.items():
        finding = "lets clients in" if healthy else "refuses clients or has an alarm"
        yield Check(f"server {name}", "", healthy, finding)


def _endpoints(state: LocalState) -> Iterator[Check]:
    urls = {f"api {path}": f"{state.api_url}{path}" for path in _API_PATHS}
    urls |= {f"{name} /metrics": url for name, url in state.metrics.items()}
    if state.monitoring is not None:
        urls |= state.monitoring.ready_urls()
    for name, url in urls.items():
        status = status_of(url)
        yield Check(
            name, url, status == HTTPStatus.OK, "no answer" if status is None else f"HTTP {status}"
        )


def _monitoring(addresses: MonitoringAddresses) -> Iterator[Check]:
    """Ask Prometheus whether it reaches all that it watches, and can evaluate its rules."""
    url = addresses.prometheus_url
    for name, ask in (("targets", targets_down), ("rules", faulty_rules)):
        try:
            troubles = ask(url)
        except httpx.HTTPError as exc:
            troubles = [f"no answer: {exc}"]
        yield Check(f"Prometheus' {name}", url, not troubles, "; ".join(troubles) or "all well")
