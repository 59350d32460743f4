"""Say where a job's source may lie: below the allowed roots, but for requests never in the upload area; in stores."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from libs.common.sources.stores.connections import Connections


@dataclass(frozen=True)
class SourceAreas:
    """Folders and stores that a source may lie in, and the folder and URL below which nothing is found or named."""

    roots: tuple[Path, ...]
    hidden: Path | None = None
    connections: Connections = field(default_factory=Connections)
    hidden_url: str | None = None

    def resolved(self) -> "SourceAreas":
        """Follow the links of each folder."""
        hidden = None if self.hidden is None else _real(self.hidden)
        return replace(self, roots=tuple(map(_real, self.roots)), hidden=hidden)

    def hides(self, real: Path) -> bool:
        """Return whether a path, whose links are followed, is in the hidden folder."""
        return self.hidden is not None and real.is_relative_to(self.hidden)

    def hides_url(self, url: str) -> bool:
        """Return whether a URL lies below the hidden one."""
        return self.hidden_url is not None and url.startswith(self.hidden_url)


class RealPaths:
    """Follows links, those of each folder once: a search looks at many files of few folders."""

    def __init__(self) -> None:
        """Know no folder."""
        self._folders: dict[str, str] = {}

    def find(self, path: Path) -> Path:
        """Return the path with every link followed."""
        folder, name = os.path.split(path)
        if name in {"", ".", ".."}:
            return _real(path)
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        found = Path(real, name)
        return _real(found) if os.path.islink(found) else found  # noqa: PTH114  # answers for any name


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
