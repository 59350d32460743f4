"""Make files of which it is known what must become of each record."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

Row = tuple[str, str, str, int]
"""A row as the checker compares it: sku, name, price, quantity."""

_HEADER = "sku,name,category,price,quantity,updated_at"
TAIL = "2026-01-01 00:00:00+00"


@dataclass(frozen=True)
class Content:
    """A file and its expected outcome: rows in the table, failed rows by line, superseded records."""

    path: Path
    rows: Counter[Row]
    failed: dict[int, str]
    superseded: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return the records loaded, rejected and superseded."""
        return self.rows.total(), len(self.failed), self.superseded


def write_content(
    path: Path,
    rng: random.Random,
    rows: int,
    *,
    upsert: bool = False,
    keys: str | None = None,
    bad: float = 0.02,
) -> Content:
    """Write a file of `rows` records under its final name at once; its keys are its own.

    The share `bad` of them is refused. With `upsert` some keys come again, and the last record of a key wins; `keys`
    is what keys begin with that other files have as well.
    """
    stem = keys or f"{path.stem}-{rng.randrange(1 << 32):08x}"
    loaded: dict[str, Row] = {}
    failed: dict[int, str] = {}
    superseded = 0
    lines = [_HEADER]
    for number in range(rows):
        line_number = number + 2
        again = upsert and loaded and rng.random() < 0.1
        sku = rng.choice(list(loaded)) if again and number % 7 == 0 else f"{stem}-{number}"
        if rng.random() < bad:
            line, failed[line_number] = _bad_line(sku, rng)
        else:
            row = (sku, f"name {rng.randrange(10_000)}", f"{rng.randrange(99_999)}.25", number)
            superseded += sku in loaded
            loaded[sku] = row
            line = f"{row[0]},{row[1]},test,{row[2]},{row[3]},{TAIL}"
        lines.append(line)
    aside = path.with_suffix(".part")
    aside.write_text("\n".join(lines) + "\n")
    aside.replace(path)
    return Content(path, Counter(loaded.values()), failed, superseded)


def _bad_line(sku: str, rng: random.Random) -> tuple[str, str]:
    """Return a record that is refused, and with which error code."""
    return rng.choice(
        [
            (f"{sku},lamp,tools,9.99,many,{TAIL}", "type-error"),
            (f"{sku},lamp,tools,9.99,3000000000,{TAIL}", "out-of-range"),
            (f"{sku},lamp,tools,-1.00,3,{TAIL}", "check"),
            (f"{sku},lamp,tools", "missing-cell"),
        ]
    )
