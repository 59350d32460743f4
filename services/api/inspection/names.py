"""Name columns, a table and a source after a file."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

_MAX_BYTES = 63
_DATES = (
    (re.compile(r"(?<!\d)20\d{2}-[01]\d-[0-3]\d(?!\d)"), "{data_date}"),
    (re.compile(r"(?<!\d)20\d{2}[01]\d[0-3]\d(?!\d)"), "{data_date:%Y%m%d}"),
    (re.compile(r"(?<!\d)[0-3]\d\.[01]\d\.20\d{2}(?!\d)"), "{data_date:%d.%m.%Y}"),
)


def column_names(cells: Sequence[str]) -> list[str]:
    """Return a plain name for each header cell, each once."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        plain = plain_name(cell) or f"column_{number}"
        name, count = plain, 1
        while name in names:
            count += 1
            name = f"{_cut(plain, _MAX_BYTES - 4)}_{count}"
        names.append(name)
    return names


def plain_name(given: str) -> str:
    """Return a name that needs no quotes in SQL, where it is of ASCII; nothing of a text without letters."""
    name = re.sub(r"\W+", "_", given.strip().lower()).strip("_")
    return _cut(f"_{name}" if name[:1].isdigit() else name, _MAX_BYTES)


def table_name(filename: str) -> str:
    """Return a name for the table of a file, without its date and its endings."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    for date, _ in _DATES:
        name = date.sub("", name)
    return plain_name(name.partition(".")[0]) or "items"


def dataset_name(table: str) -> str:
    """Return a name for the dataset of a table."""
    name = re.sub(r"[^a-z0-9_-]+", "-", table.rpartition(".")[2].lower()).strip("-_")
    return (name if name[:1].isalpha() else f"d-{name}")[:63].rstrip("-") or "items"


def source_pattern(filename: str) -> str:
    """Return the pattern of the files of all days after one of them."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    for date, pattern in _DATES:
        changed, count = date.subn(pattern, _escaped(name), count=1)
        if count:
            return changed
    return _escaped(name)


def twice(cells: Iterable[str]) -> list[str]:
    """Return what stands more than once."""
    listed = list(cells)
    return sorted({cell for cell in listed if listed.count(cell) > 1})


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")


def _escaped(name: str) -> str:
    """Let braces and the signs of globs stand for themselves as far as a pattern can."""
    return re.sub(r"[*?\[\]{}]", "?", name)
