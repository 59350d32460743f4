"""Write docs/reference from the code, and name the pages that are not as the code makes them.

`python -m tools.reference.pages` fails where a page is stale; the lint runs it.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools import generated_files
from tools.bootstrap.locations import ROOT
from tools.reference import adsp, cli, dataset_schema, error_codes, events, metrics, settings

FOLDER = ROOT / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "adsp.md": adsp.page,
    "cli.md": cli.page,
    "dataset.schema.json": dataset_schema.page,
    "error-codes.md": error_codes.page,
    "events.md": events.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
}
_NOTE = "<!-- Made from the code: ./dev docs writes this page anew. -->\n\n"


def write(folder: Path = FOLDER) -> list[str]:
    """Write the pages that are stale, and name them."""
    return [file.name for file in generated_files.write(_texts(folder))]


def stale(folder: Path = FOLDER) -> list[str]:
    """Name the pages of a folder that are not as the code makes them, or not there."""
    return [file.name for file in generated_files.differing(_texts(folder))]


def _texts(folder: Path) -> dict[Path, str]:
    return {
        folder / name: ("" if name.endswith(".json") else _NOTE) + make()
        for name, make in PAGES.items()
    }


def main() -> int:
    """Print each stale page; return 1 if there is one."""
    found = stale()
    if found:
        print(f"not as the code makes them: {', '.join(found)} in docs/reference; run ./dev docs")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
