"""Say which services the local stack runs, at which ports, with which environment."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.addresses import Role, StackAddresses
from libs.devstack.ports import LOOPBACK
from tools.bootstrap.locations import ROOT
from tools.local_env.layout import Layout

SAMPLES = ROOT / "infra" / "sample"


@dataclass(frozen=True)
class Service:
    """One of our services: `role` is how it enters the database, None when it does not."""

    name: str
    role: Role | None


# Listed in the order in which they start.
SERVICES = (
    Service("api", "api"),
    Service("worker", "worker"),
    Service("loader", "loader"),
    Service("scheduler", None),
)


@dataclass(frozen=True)
class ServicePorts:
    """The port of the api, and that of every other service's metrics by its name."""

    api: int
    metrics: Mapping[str, int]

    @property
    def api_url(self) -> str:
        """Return the URL of the api."""
        return f"http://{LOOPBACK}:{self.api}"

    def of_metrics(self) -> dict[str, int]:
        """Return the ports of the metrics by service."""
        return {"api": self.api, **self.metrics}

    def metrics_urls(self) -> dict[str, str]:
        """Return the metrics' URLs by service."""
        return {
            name: f"http://{LOOPBACK}:{port}/metrics" for name, port in self.of_metrics().items()
        }


def environment_of(
    service: Service, layout: Layout, addresses: StackAddresses, ports: ServicePorts
) -> dict[str, str]:
    """Return the variables of a service of the local stack."""
    variables = addresses.environment(service.role) | {
        "ADSP_SOURCE_ROOTS": json.dumps([str(root) for root in source_roots(layout)]),
        "ADSP_UPLOAD_DIR": str(layout.uploads),
    }
    if service.name != "api":
        return variables | {"ADSP_METRICS_PORT": str(ports.metrics[service.name])}
    return variables | {
        "ADSP_API_HOST": LOOPBACK,
        "ADSP_API_PORT": str(ports.api),
        # A demo on loopback needs no key, unless the caller asks for them.
        "ADSP_AUTH": os.environ.get("ADSP_AUTH", "off"),
    }


def source_roots(layout: Layout) -> list[Path]:
    """Return the folders of sources: the samples, our own, and those that the caller names."""
    named = json.loads(os.environ.get("ADSP_SOURCE_ROOTS", "[]"))
    return [SAMPLES, layout.incoming, *(Path(root) for root in named)]
