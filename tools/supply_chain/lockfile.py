"""Read what the project's lock pins: each package with its version, files, hashes and dependencies."""

import re
from dataclasses import dataclass

from tools.bootstrap.environments import read_lock

LOCK = "python-default.lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r";.*\bextra\s*==")


@dataclass(frozen=True)
class Locked:
    """One pinned package; `hashes` are the SHA-256 of its files by their URL."""

    name: str
    version: str
    hashes: dict[str, str]
    needs: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """Return the package as pip takes it, with the hashes of all its files."""
        return " ".join(
            [
                f"{self.name}=={self.version}",
                *(f"--hash=sha256:{one}" for one in self.hashes.values()),
            ]
        )


def locked_packages(name: str = LOCK) -> list[Locked]:
    """Return every package of a lock by name; a dependency that the lock lacks is for other systems."""
    (resolve,) = read_lock(name)["locked_resolves"]
    pinned = sorted(resolve["locked_requirements"], key=lambda one: one["project_name"])
    known = {_canonical(one["project_name"]) for one in pinned}
    return [
        Locked(
            name=_canonical(one["project_name"]),
            version=one["version"],
            hashes={artifact["url"]: artifact["hash"] for artifact in one["artifacts"]},
            needs=tuple(sorted(_names(one["requires_dists"]) & known)),
        )
        for one in pinned
    ]


def _names(requirements: list[str]) -> set[str]:
    """Return what is needed without an extra: extras are asked for by nobody unless pinned too."""
    return {
        _canonical(found.group())
        for one in requirements
        if not _EXTRA.search(one) and (found := _NAME.match(one))
    }


def _canonical(name: str) -> str:
    """Write a name as package indexes do (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
