"""The cases of the benchmark: which file is loaded how into which table, and what is to be reached."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tools.bench.shapes import SHAPES, Shape, ShapeFile
from tools.client.sample_items import HEADER, ItemsFile, new_items

ROWS = 5_000_000
SHORT_ROWS = 100_000
PLAIN = "LIKE public.items"
"""The columns and NOT NULL, neither key nor checks."""
KEYED = "LIKE public.items INCLUDING ALL"
"""With the primary key and the checks."""


class Present(Enum):
    """Which keys of a file are in the table before."""

    NONE = "none"
    HALF = "half"
    ALL = "all"
    MOST = "most"
    """Those of the day before: the file has one row in 100 changed, one in 200 new, and one in 200 is gone."""


@dataclass(frozen=True)
class Case:
    """One comparison with psql; `goal` is the largest ratio of times that is good enough."""

    name: str
    what: str
    goal: float
    table: str = KEYED
    bad_ratio: float = 0.0
    definition: dict[str, Any] = field(default_factory=dict)
    is_german: bool = False
    """The job's file has semicolons, a decimal comma and days before months; psql's is plain."""
    divisor: int = 1
    """The file holds so many times fewer rows than the others."""
    present: Present = Present.NONE
    """Which of the file's keys the table holds before; a job that appends finds so many failed rows more."""
    script: str | None = None
    """What psql runs, a file beside this module; None: a `\\copy`."""
    shape: Shape | None = None
    """The table is of this shape and not one of items."""

    @property
    def header(self) -> str:
        """Return the columns of a plain file."""
        return self.shape.header if self.shape else HEADER.decode().strip()

    @property
    def fills_psql(self) -> bool:
        """Return whether psql finds the rows there too; else its table is empty, for it would stop at the first."""
        has_rows = self.present is not Present.NONE
        return has_rows and (self._is_upsert or self.present is Present.MOST)

    @property
    def _is_upsert(self) -> bool:
        return self.definition.get("mode") == "upsert"

    def file(self, rows: int) -> ItemsFile | ShapeFile:
        """Return what the file of this case holds."""
        return self.items(rows) if self.shape is None else ShapeFile(self.shape, rows)

    def items(self, rows: int) -> ItemsFile:
        """Return what the file of a case of items holds."""
        count = rows // self.divisor
        if self.present is Present.NONE:
            return ItemsFile(count, self.bad_ratio, is_german=self.is_german)
        if self.present is Present.MOST:
            return ItemsFile(count, is_next_day=True)
        return ItemsFile(count, seed=2, half_present=self.present is Present.HALF)

    def clean_file(self, rows: int) -> ItemsFile | ShapeFile:
        """Return what the file holds that psql loads, which stops at the first bad row."""
        is_another = self.bad_ratio > 0 or self.is_german
        return ItemsFile(rows // self.divisor) if is_another else self.file(rows)

    def refused(self, rows: int) -> int:
        """Return how many records of a file of so many are refused for their keys."""
        shares = {Present.HALF: (rows + 1) // 2, Present.ALL: rows}
        return 0 if self._is_upsert else shares.get(self.present, 0)

    def more_than_file(self, rows: int) -> int:
        """Return how many rows the table holds in the end beside those of a file of so many."""
        shares = {Present.HALF: rows // 2, Present.MOST: new_items(rows) if self._is_upsert else 0}
        return shares.get(self.present, 0)


CHUNKED = {"mode": "append", "atomic": False}
CASES = (
    Case(
        "append-atomic",
        "append atomic, clean, table without key",
        0.70,
        table=PLAIN,
        definition={"mode": "append"},
    ),
    Case(
        "german",
        "append atomic of semicolons, decimal commas, days before months, against `\\copy` of the plain file",
        0.80,  # 1.15 times the goal of the plain file
        table=PLAIN,
        definition={
            "mode": "append",
            "format": {"delimiter": ";"},
            "convert": {
                "price": {"decimal": ","},
                "updated_at": {"date_format": "%d.%m.%Y %H:%M:%S"},
            },
        },
        is_german=True,
    ),
    Case(
        "added",
        "append atomic with file, line, day and job added, against `\\copy` that leaves these columns NULL",
        0.80,
        table=f"{PLAIN}, source_file text, source_line bigint, day date, job_id uuid",
        definition={
            "mode": "append",
            "add": {
                "source_file": "$file",
                "source_line": "$line",
                "day": "$data_date",
                "job_id": "$job_id",
            },
        },
    ),
    Case(
        "added-day",
        "append atomic with the day added, against `\\copy` that leaves this column NULL",
        0.80,
        table=f"{PLAIN}, day date",
        definition={"mode": "append", "add": {"day": "$data_date"}},
    ),
    Case(
        "append-chunked",
        "append chunked with 2 loaders, clean, table without key",
        0.60,
        table=PLAIN,
        definition=CHUNKED,
    ),
    Case(
        "append-keyed",
        "append chunked, clean, `items` with primary key and checks",
        0.85,
        definition=CHUNKED,
    ),
    Case(
        "replace-keyed",
        "replace, clean, `items` with primary key and checks",
        0.70,
        definition={"mode": "replace"},
    ),
    Case(
        "bad-1",
        "append chunked, 1 % bad rows of five kinds, `items`",
        0.90,
        bad_ratio=0.01,
        definition=CHUNKED,
    ),
    Case(
        "bad-20",
        "append chunked, 20 % bad rows of five kinds, `items`",
        1.40,
        bad_ratio=0.2,
        definition=CHUNKED,
    ),
    Case(
        "upsert-empty",
        "upsert into an empty `items`, against `\\copy` to one",
        1.20,
        definition={"mode": "upsert", "key": ["sku"]},
    ),
    Case(
        "upsert",
        "upsert, half present, against `\\copy` to a temporary table + `INSERT … ON CONFLICT`",
        0.90,
        definition={"mode": "upsert", "key": ["sku"]},
        divisor=5,
        present=Present.HALF,
        script="upsert.sql",
    ),
    Case(
        "sent-again",
        "append atomic, all keys present, against `\\copy` to an empty `items`",
        3.0,
        definition={"mode": "append"},
        divisor=5,
        present=Present.ALL,
    ),
    Case(
        "overlap",
        "append atomic, half of the keys present, against `\\copy` to an empty `items`",
        3.0,
        definition={"mode": "append"},
        divisor=5,
        present=Present.HALF,
    ),
)
DAILY = (
    Case(
        "replace-daily",
        "replace of a full `items`, 1 % changed, 0.5 % gone, 0.5 % new, against `TRUNCATE` + `\\copy` in a transaction",
        0.70,
        definition={"mode": "replace"},
        present=Present.MOST,
        script="replace.sql",
    ),
    Case(
        "upsert-daily",
        "upsert of the same file, against `\\copy` to a temporary table + `INSERT … ON CONFLICT … WHERE` it differs",
        0.70,
        definition={"mode": "upsert", "key": ["sku"]},
        present=Present.MOST,
        script="upsert_changed.sql",
    ),
)
"""What a table gets every day: a file of which little differs from what it holds."""


def _shaped(shape: Shape, goals: tuple[float, float]) -> tuple[Case, Case]:
    """Return the cases of a table: loaded at once, and in chunks by two loaders."""
    return (
        Case(
            f"{shape.name}-atomic",
            f"append atomic, {shape.what}",
            goals[0],
            table=shape.table,
            definition={"mode": "append"},
            shape=shape,
        ),
        Case(
            f"{shape.name}-chunked",
            f"append chunked with 2 loaders, {shape.what}",
            goals[1],
            table=shape.table,
            definition=CHUNKED,
            shape=shape,
        ),
    )


_SHAPE_GOALS = {
    "narrow": (0.80, 0.70),
    "wide": (0.65, 0.50),
    "text": (0.90, 0.70),
    "notes": (0.90, 0.70),
    "codecless": (1.10, 1.10),
}
SHAPED = tuple(case for shape in SHAPES for case in _shaped(shape, _SHAPE_GOALS[shape.name]))
"""Tables of other shapes than items."""
ALL = (*CASES, *SHAPED, *DAILY)
SMALL = "small"
"""The name of the case of many small files and of one alone."""
PASSING = "passing"
"""The name of the case of small jobs beside large ones."""
NAMES = (*(case.name for case in ALL), SMALL, PASSING)
