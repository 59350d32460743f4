"""Run a private Prometheus and Alertmanager, from the system's programs, on free ports of 127.0.0.1."""

import json
from collections.abc import Mapping
from pathlib import Path

from libs.devstack.binaries import monitoring_program
from libs.devstack.child_process import ChildProcess
from libs.devstack.errors import StackError
from libs.devstack.ports import LOOPBACK
from libs.devstack.server_home import ServerHome

RETENTION = "30d"


def start_prometheus(
    home: ServerHome, port: int, configuration: str, rules: Mapping[str, str], resend_delay: str
) -> ChildProcess:
    """Start a server whose series lie in `data` of its folder.

    `configuration` is the text of prometheus.yml; `rules` are rule files by name, which it finds
    in the folder `rules` beside itself. What still fires is sent again after `resend_delay`.
    """
    program = monitoring_program("prometheus")
    for old in home.make_folder("rules").iterdir():
        old.unlink()
    for name, text in rules.items():
        home.write(f"rules/{name}", text)
    arguments: list[str | Path] = [
        program,
        f"--config.file={home.write('prometheus.yml', configuration)}",
        f"--storage.tsdb.path={home.make_folder('data')}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={LOOPBACK}:{port}",
        f"--rules.alert.resend-delay={resend_delay}",
        "--log.level=warn",
    ]
    return home.start("Prometheus", arguments)


def start_alertmanager(home: ServerHome, port: int, configuration: str) -> ChildProcess:
    """Start a server that sends on what Prometheus reports; its notes lie in `data` of its folder."""
    arguments: list[str | Path] = [
        monitoring_program("prometheus-alertmanager"),
        f"--config.file={home.write('alertmanager.yml', configuration)}",
        f"--storage.path={home.make_folder('data')}",
        f"--web.listen-address={LOOPBACK}:{port}",
        # Alone: without peers it needs no second port.
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return home.start("Alertmanager", arguments)


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
