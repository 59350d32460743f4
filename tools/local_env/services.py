"""Say how each of our services is started on this machine: its module and its environment."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.addresses import Role, StackAddresses
from libs.devstack.child_process import Command
from libs.devstack.os_user import Account
from libs.devstack.ports import LOOPBACK
from tools.bootstrap.locations import ROOT
from tools.local_env.layout import Layout

SAMPLES = ROOT / "infra" / "sample"


@dataclass(frozen=True)
class Service:
    """One of our services: `role` is how it enters the database, None when it does not."""

    name: str
    role: Role | None

    @property
    def module(self) -> str:
        """Return the module that is the service's entry point."""
        return f"services.{self.name}.main"


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


def service_command(
    service: Service, layout: Layout, addresses: StackAddresses, ports: ServicePorts
) -> Command:
    """Return how to start a service; services run as us, only servers as the other account."""
    return Command(
        name=service.name,
        # -P: the import path is PYTHONPATH alone, not what the current folder happens to hold.
        arguments=[sys.executable, "-P", "-m", service.module],
        environment=_environment(service, layout, addresses, ports),
        folder=ROOT,
        log=layout.log_of(service.name),
        account=Account(os.geteuid(), os.getegid()),
    )


def _environment(
    service: Service, layout: Layout, addresses: StackAddresses, ports: ServicePorts
) -> dict[str, str]:
    """Return the caller's environment (ADSP_LOG_LEVEL and the like), our addresses on top."""
    ours = {
        "PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]),
        "PYTHONUNBUFFERED": "1",
        "ADSP_BROKER_URL": addresses.broker_url(),
        "ADSP_REDIS_URL": addresses.redis_url(),
        "ADSP_SOURCE_ROOTS": json.dumps([str(root) for root in source_roots(layout)]),
        "ADSP_UPLOAD_DIR": str(layout.uploads),
        "ADSP_LOG_FORMAT": "json",
    }
    if service.role is not None:
        ours["ADSP_DATABASE_URL"] = addresses.database_url(service.role)
    if service.name == "api":
        ours |= {"ADSP_API_HOST": LOOPBACK, "ADSP_API_PORT": str(ports.api)}
        # A demo on loopback needs no key, unless the caller asks for them.
        ours["ADSP_AUTH"] = os.environ.get("ADSP_AUTH", "off")
    else:
        ours["ADSP_METRICS_PORT"] = str(ports.metrics[service.name])
    return {**os.environ, **ours}


def source_roots(layout: Layout) -> list[Path]:
    """Return the folders of sources: the samples, our own, and those that the caller names."""
    named = json.loads(os.environ.get("ADSP_SOURCE_ROOTS", "[]"))
    return [SAMPLES, layout.incoming, *(Path(root) for root in named)]
