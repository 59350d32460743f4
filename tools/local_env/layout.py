"""Name the places of the local stack: everything lies in one ignored folder of the checkout."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.os_user import Account, machine_folder, make_own_folder
from tools.bootstrap.locations import ROOT


@dataclass(frozen=True)
class Layout:
    """The files and folders of one local stack."""

    folder: Path

    @classmethod
    def of_checkout(cls) -> "Layout":
        """Return the places that belong to this checkout."""
        return cls(ROOT / ".adsp" / "local")

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.folder / "supervisor.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the command that starts or stops the supervisor."""
        return self.folder / "start.lock"

    @property
    def state(self) -> Path:
        """What runs now, for every other command to read."""
        return self.folder / "state.json"

    @property
    def mark(self) -> Path:
        """The mark of the processes of the last start."""
        return self.folder / "mark"

    @property
    def logs(self) -> Path:
        """One log per server and service."""
        return self.folder / "logs"

    @property
    def incoming(self) -> Path:
        """A source root of this stack's own: put files to load here."""
        return self.folder / "incoming"

    @property
    def uploads(self) -> Path:
        """Where the api keeps uploaded files."""
        return self.folder / "uploads"

    def log_of(self, name: str) -> Path:
        """Return the log of a server or service."""
        return self.logs / f"{name}.log"

    def data(self, account: Account) -> Path:
        """Return the servers' data folder: here, or elsewhere when the checkout is private."""
        if account.can_reach(self.folder):
            return self.folder / "data"
        key = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return machine_folder() / f"local-{key}"

    def make_folders(self) -> None:
        """Make what is missing."""
        for folder in (self.folder, self.logs, self.incoming, self.uploads):
            make_own_folder(folder)
