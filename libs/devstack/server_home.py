"""Give each server of a stack a folder and a log, and start it there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.os_user import Account, make_own_folder

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True)
class ServerHome:
    """Where a server runs, and as whom; the folder belongs to that account alone."""

    folder: Path
    log: Path
    account: Account

    @classmethod
    def below(cls, folder: Path, logs: Path, name: str) -> "ServerHome":
        """Make the folder of a server below one of a stack; the log has the server's name."""
        account = Account.current()
        make_own_folder(folder)
        make_own_folder(logs)
        return cls(account.make_folder(folder / name), logs / f"{name}.log", account)

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        """Write a file that the server alone may read: passwords stand there, since arguments are public."""
        return self.account.write_secret(self.folder / name, text, mode)

    def make_folder(self, name: str) -> Path:
        """Make a folder in this one."""
        return self.account.make_folder(self.folder / name)

    def start(
        self,
        name: str,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str] = ENVIRONMENT,
        **signals: Signals,
    ) -> ChildProcess:
        """Start a program as the server called `name`; it is not ready yet. `signals`: see `Command`."""
        command = Command(
            name, arguments, environment, self.folder, self.log, self.account, **signals
        )
        return ChildProcess.start(command)
