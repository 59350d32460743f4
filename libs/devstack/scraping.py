"""Say what a Prometheus of a stack without Docker scrapes: the jobs of infra/prometheus, at their ports here."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from libs.devstack.addresses import StackAddresses
from libs.devstack.ports import LOOPBACK

QUEUE_FAMILIES = ("queue_coarse_metrics", "queue_consumer_count")


@dataclass(frozen=True)
class Target:
    """One endpoint of a scrape job; `parameters` go into the query string."""

    job: str
    port: int
    path: str = "/metrics"
    parameters: Mapping[str, list[str]] = field(default_factory=dict)


def broker_targets(addresses: StackAddresses) -> list[Target]:
    """Return RabbitMQ's own endpoints: the node as a whole, and queue by queue."""
    port = addresses.broker_metrics_port
    detailed = {"family": list(QUEUE_FAMILIES)}
    return [
        Target("rabbitmq", port),
        Target("rabbitmq-detailed", port, "/metrics/detailed", detailed),
    ]


def scrape_configuration(
    targets: Iterable[Target], alertmanager_port: int | None = None, interval: str = "15s"
) -> str:
    """Return prometheus.yml as JSON, which is YAML too; jobs are in the order of `targets`."""
    jobs: dict[str, list[Target]] = {}
    for target in targets:
        jobs.setdefault(target.job, []).append(target)
    configuration = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": _alertmanagers(alertmanager_port)},
        "scrape_configs": [_job(name, found) for name, found in jobs.items()],
    }
    return json.dumps(configuration, indent=2)


def _alertmanagers(port: int | None) -> list[object]:
    return [] if port is None else [{"static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}]


def _job(name: str, targets: list[Target]) -> dict[str, object]:
    return {
        "job_name": name,
        "metrics_path": targets[0].path,
        "params": dict(targets[0].parameters),
        "static_configs": [{"targets": [f"{LOOPBACK}:{target.port}" for target in targets]}],
    }
