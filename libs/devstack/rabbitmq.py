"""Run a private RabbitMQ node on free ports, beside and apart from the system's own.

RabbitMQ comes from the system. What makes the node private: its own node name, Erlang port mapper
(epmd), ports, data folder, cookie, configuration and log. The port mapper is started here in the
foreground; Erlang would otherwise leave one behind as a daemon.
"""

import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.binaries import rabbitmq_server
from libs.devstack.child_process import ChildProcess
from libs.devstack.errors import ServerMissingError
from libs.devstack.ports import LOOPBACK
from libs.devstack.server_home import ServerHome

# Above the longest load, which acknowledges its message at its end (RabbitMQ's default is 30
# minutes).
CONSUMER_TIMEOUT_HOURS = 24
_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus].\n"


@dataclass(frozen=True)
class RabbitPorts:
    """The ports of one node: clients, management API, metrics, and Erlang's two."""

    amqp: int
    management: int
    prometheus: int
    distribution: int
    epmd: int


@dataclass(frozen=True)
class RabbitServer:
    """A node whose data lie in its folder; its only user is made on the first start."""

    home: ServerHome
    ports: RabbitPorts
    user: str
    password: str
    vhost: str
    cookie: str
    durable: bool
    host: str

    def start_port_mapper(self) -> ChildProcess:
        """Start epmd, which the node asks for its peers."""
        program = shutil.which("epmd")
        if program is None:
            raise ServerMissingError(
                "epmd, a part of Erlang, is not installed; reinstall rabbitmq-server"
            )
        arguments = [program, "-address", LOOPBACK, "-port", str(self.ports.epmd)]
        return self._start("RabbitMQ's port mapper", arguments)

    def start(self) -> ChildProcess:
        """Start the node; it is not ready yet. The port mapper must listen already."""
        self._write_files()
        return self._start("RabbitMQ", [rabbitmq_server()])

    def _start(self, name: str, arguments: Sequence[str | Path]) -> ChildProcess:
        stop_signal = signal.SIGTERM if self.durable else signal.SIGKILL
        return self.home.start(name, arguments, self._environment(), stop_signal=stop_signal)

    def _write_files(self) -> None:
        self.home.write("rabbitmq.conf", self._configuration())
        self.home.write("enabled_plugins", _PLUGINS)
        self.home.write("rabbitmq-env.conf", "")
        # Erlang refuses a cookie that others may read.
        self.home.write(".erlang.cookie", self.cookie, mode=0o400)

    def _configuration(self) -> str:
        lines = [
            f"listeners.tcp.local = {self.host}:{self.ports.amqp}",
            f"management.tcp.ip = {self.host}",
            f"management.tcp.port = {self.ports.management}",
            f"prometheus.tcp.ip = {LOOPBACK}",
            f"prometheus.tcp.port = {self.ports.prometheus}",
            # The first start makes this user in place of guest.
            f"default_user = {self.user}",
            f"default_pass = {self.password}",
            "default_user_tags.administrator = true",
            f"default_vhost = {self.vhost}",
            f"consumer_timeout = {CONSUMER_TIMEOUT_HOURS * 3_600_000}",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
        ]
        return "\n".join(lines) + "\n"

    def _environment(self) -> dict[str, str]:
        node = self.home.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(node),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.ports.epmd),
            # The start script then becomes the server (exec) and so keeps the pid and the tie to
            # its parent.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": "adsp@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(node / "mnesia"),
            "RABBITMQ_LOG_BASE": str(node / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(node / "generated"),
            "RABBITMQ_CONFIG_FILE": str(node / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(node / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(node / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(node / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(node / "node.pid"),
        }
