"""Run a private Prometheus and Alertmanager, from the system's programs, on free ports of 127.0.0.1."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.devstack.binaries import monitoring_program
from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.errors import StackError
from libs.devstack.os_user import Account
from libs.devstack.ports import LOOPBACK

RETENTION = "30d"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True)
class PrometheusServer:
    """A server whose series lie in `folder`/data.

    `configuration` is the text of prometheus.yml; `rules` are rule files by name, which it finds
    in the folder `rules` beside itself. What still fires is sent again after `resend_delay`.
    """

    folder: Path
    log: Path
    account: Account
    port: int
    configuration: str
    rules: Mapping[str, str] = field(default_factory=dict)
    resend_delay: str = "1m"

    def start(self) -> ChildProcess:
        """Start the server; it is not ready yet."""
        program = monitoring_program("prometheus")
        configuration = self._write_files()
        return ChildProcess.start(
            Command(
                name="Prometheus",
                arguments=[
                    program,
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={self.account.make_folder(self.folder / 'data')}",
                    f"--storage.tsdb.retention.time={RETENTION}",
                    f"--web.listen-address={LOOPBACK}:{self.port}",
                    f"--rules.alert.resend-delay={self.resend_delay}",
                    "--log.level=warn",
                ],
                environment=ENVIRONMENT,
                folder=self.folder,
                log=self.log,
                account=self.account,
            )
        )

    def _write_files(self) -> Path:
        rules = self.account.make_folder(self.folder / "rules")
        for old in rules.iterdir():
            old.unlink()
        for name, text in self.rules.items():
            self.account.write_secret(rules / name, text)
        return self.account.write_secret(self.folder / "prometheus.yml", self.configuration)


@dataclass(frozen=True)
class AlertmanagerServer:
    """A server that sends on what Prometheus reports; its notes lie in `folder`/data."""

    folder: Path
    log: Path
    account: Account
    port: int
    configuration: str

    def start(self) -> ChildProcess:
        """Start the server; it is not ready yet."""
        program = monitoring_program("prometheus-alertmanager")
        configuration = self.account.write_secret(
            self.folder / "alertmanager.yml", self.configuration
        )
        return ChildProcess.start(
            Command(
                name="Alertmanager",
                arguments=[
                    program,
                    f"--config.file={configuration}",
                    f"--storage.path={self.account.make_folder(self.folder / 'data')}",
                    f"--web.listen-address={LOOPBACK}:{self.port}",
                    # Alone: without peers it needs no second port.
                    "--cluster.listen-address=",
                    "--log.level=warn",
                ],
                environment=ENVIRONMENT,
                folder=self.folder,
                log=self.log,
                account=self.account,
            )
        )


def name_webhooks(configuration: str, urls: Mapping[str, str]) -> str:
    """Put URLs into an Alertmanager's configuration, where the variables of their names stand.

    infra/alertmanager/start.sh does the same in a container.
    """
    for variable, url in urls.items():
        place = f"webhook_configs: [] # {variable}\n"
        if place not in configuration:
            raise StackError(f"the configuration of Alertmanager has no line {place.strip()!r}")
        named = f"webhook_configs: [{{ url: {json.dumps(url)} }}]\n"
        configuration = configuration.replace(place, named)
    return configuration
