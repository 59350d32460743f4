"""Keep files that are made by code as the code makes them."""

from collections.abc import Iterable, Mapping
from pathlib import Path


def differing(texts: Mapping[Path, str], there: Iterable[Path] = ()) -> list[Path]:
    """Return the files that are missing or otherwise, and those that are there and not made at all."""
    return [file for file in sorted({*texts, *there}) if _read(file) != texts.get(file)]


def write(texts: Mapping[Path, str], there: Iterable[Path] = ()) -> list[Path]:
    """Write the files that differ, remove what is not made, and return both."""
    changed = differing(texts, there)
    for file in changed:
        if file in texts:
            file.write_text(texts[file], encoding="utf-8")
        else:
            file.unlink()
    return changed


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None
