"""Run the compose file as a person does, in a copy of the checkout's part that it needs."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.client.client import Client
from libs.client.models import Job
from libs.common.enums import Scope
from libs.devstack.ports import free_ports
from libs.devstack.testing.waiting import wait_for
from tests.compose.engine import Engine, run
from tests.compose.images import REPOSITORY
from tools.local_env.keystore import COMPOSE, KeyStore
from tools.local_env.passwords import ensure_passwords

PROJECT = "adsptest"
# Grafana is the one service without a stand-in: Debian does not package it.
SERVICES = (
    *("api", "worker", "scheduler", "loader"),
    *("prometheus", "alertmanager", "postgres-exporter", "redis-exporter"),
)
_READY_SECONDS = 150.0


@dataclass
class ComposeStack:
    """The stack in a folder, its api and its Prometheus on free ports."""

    engine: Engine
    folder: Path
    api_port: int = field(default=0)
    prometheus_port: int = field(default=0)
    key: str | None = field(default=None)

    def prepare(self) -> None:
        """Copy what the compose file names, readable for the users of the containers."""
        shutil.copy(REPOSITORY / "docker-compose.yml", self.folder)
        shutil.copytree(REPOSITORY / "infra", self.folder / "infra")
        run(["chmod", "-R", "a+rX", self.folder / "infra"], {"PATH": "/usr/bin:/bin"})
        ensure_passwords(self.folder)
        self.api_port, self.prometheus_port = free_ports(2)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run Compose with this stack's file."""
        environment = {
            **self.engine.environment,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "ADSP_API_PORT": str(self.api_port),
            "ADSP_PROMETHEUS_PORT": str(self.prometheus_port),
        }
        return run(["docker-compose", *arguments], environment, check=check, cwd=self.folder)

    def up(self, *options: str) -> None:
        """Start everything and wait until our services and the servers are healthy."""
        self.compose("up", "--detach", *options, *SERVICES)
        wait_for(self._all_healthy, _READY_SECONDS, "every container is healthy")
        self.key = self.key or self._make_key()

    def down(self, *options: str) -> None:
        """Stop and remove the containers; the volumes stay unless `--volumes` is given."""
        self.compose("down", "--remove-orphans", *options)

    @property
    def client(self) -> Client:
        """Return a new client of the api at its published port."""
        return Client(f"http://127.0.0.1:{self.api_port}", key=self.key)

    def wait_over(self, job: Job, seconds: float = 120) -> Job:
        """Wait for a job's end and return it."""
        with self.client as client:
            return client.wait(job, seconds=seconds)

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine knows about a container."""
        described: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", container))
        return described[0]

    def _make_key(self) -> str:
        """Make a key as `./dev keys create` does."""
        command = ["docker-compose", "--project-name", PROJECT]
        command += ["--project-directory", str(self.folder)]
        command += ["--file", str(self.folder / "docker-compose.yml")]
        store = KeyStore([*command, *COMPOSE], self.engine.environment)
        return store.create("compose tests", "tests", [Scope.ADMIN]).text

    def _all_healthy(self) -> bool:
        found = {service: self.containers(service) for service in SERVICES}
        return all(found.values()) and all(
            self.inspect(container)["State"].get("Health", {}).get("Status") == "healthy"
            for containers in found.values()
            for container in containers
        )
