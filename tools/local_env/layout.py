"""Name the places of the local stack: everything lies in one ignored folder of the checkout."""

import hashlib
from pathlib import Path

from libs.devstack.daemon import DaemonFolder
from libs.devstack.os_user import Account, machine_folder, make_own_folder
from tools.bootstrap.locations import ROOT


class Layout(DaemonFolder):
    """The files and folders of one local stack."""

    @classmethod
    def of_checkout(cls) -> "Layout":
        """Return the places that belong to this checkout."""
        return cls(ROOT / ".adsp" / "local")

    @property
    def state(self) -> Path:
        """What runs now, for every other command to read."""
        return self.path / "state.json"

    @property
    def log(self) -> Path:
        """What the supervisor itself says."""
        return self.log_of("supervisor")

    @property
    def logs(self) -> Path:
        """One log per server and service."""
        return self.path / "logs"

    @property
    def incoming(self) -> Path:
        """A source root of this stack's own: put files to load here."""
        return self.path / "incoming"

    @property
    def uploads(self) -> Path:
        """Where the api keeps uploaded files."""
        return self.path / "uploads"

    def log_of(self, name: str) -> Path:
        """Return the log of a server or service."""
        return self.logs / f"{name}.log"

    def data(self, account: Account) -> Path:
        """Return the servers' data folder: here, or elsewhere when the checkout is private."""
        if account.can_reach(self.path):
            return self.path / "data"
        key = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        return machine_folder() / f"local-{key}"

    def make_folders(self) -> None:
        """Make what is missing."""
        for folder in (self.path, self.logs, self.incoming, self.uploads):
            make_own_folder(folder)
