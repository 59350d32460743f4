"""Say where a job's source may lie: below the allowed roots, but for requests never in the upload area."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceAreas:
    """Folders that a source may lie in, and the one below which nothing is found or named."""

    roots: tuple[Path, ...]
    hidden: Path | None = None

    def resolved(self) -> "SourceAreas":
        """Follow the links of each folder."""
        hidden = None if self.hidden is None else _real(self.hidden)
        return SourceAreas(tuple(map(_real, self.roots)), hidden)

    def hides(self, path: Path) -> bool:
        """Return whether a path leads to the hidden folder, its links followed."""
        return self.hidden is not None and _real(path).is_relative_to(self.hidden)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
