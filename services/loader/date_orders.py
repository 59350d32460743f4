"""Notice dates that are read in the wrong order: 13/02 is refused, and 03/02 of the same file is swapped silently.

Where a dataset declares no `date_order`, Postgres reads the month first. A file with dates that only fit the day
first, and others that fit both, is probably read wrongly: the job's warning says so.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from libs.common.csv.mask_markers import MARKERS
from libs.common.csv.records import Record
from libs.common.datasets.conversions import conversion_of
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import WarningCode
from libs.common.postgres.copy.encoded_block import TypeCheckCells
from libs.common.postgres.target_table import TargetColumn

_MONTHS, _DAYS = 12, 31
_PARTS = re.compile(rb"\s*(\d{1,2})([-/.])(\d{1,2})\2\d{2,4}(?!\d)")
_TYPES = ("date", "timestamp")


class _Seen(NamedTuple):
    """An example of each kind in one column: a date that contradicts its order, and one that fits both."""

    refused: bytes | None = None
    ambiguous: bytes | None = None


class DateOrderWatch:
    """The dates of a load whose dataset declares no order for them."""

    def __init__(self, columns: Sequence[TargetColumn], definition: DatasetDefinition) -> None:
        """Watch the columns of dates and timestamps, none where the order is declared."""
        self._columns = {
            place: column.name
            for place, column in enumerate(columns)
            if definition.date_order is None
            and column.type.startswith(_TYPES)
            and not _has_format(definition, column)
        }
        self._masked = frozenset(definition.masked_columns)
        self._seen: dict[int, _Seen] = {}
        self._counts: Counter[str] = Counter()

    def note_records(self, records: Iterable[Record]) -> None:
        """Note the dates of well-formed records."""
        if not self._columns:
            return
        for record in records:
            for place in self._columns:
                cell = record.cells[place]
                if cell is not None:
                    self._note(place, cell)

    def note_cells(self, cells: TypeCheckCells) -> None:
        """Note those of a block's cells that Postgres is asked about: no other can be ambiguous."""
        if not self._columns:
            return
        times = np.bincount(cells.which, minlength=len(cells.distinct)).tolist()
        for (place, text), count in zip(cells.distinct, times, strict=True):
            if place in self._columns:
                self._note(place, text.encode(), count)

    def forget(self) -> None:
        """Begin again."""
        self._seen.clear()
        self._counts.clear()

    def warn(self) -> list[JobWarning]:
        """Return the warning; of a chunk it may have dates of one kind only (`merge_warnings`)."""
        if not self._counts:
            return []
        counts = {kind: self._counts[kind] for kind in ("refused", "ambiguous")}
        return [JobWarning(WarningCode.AMBIGUOUS_DATES, self._describe(), counts)]

    def _note(self, place: int, text: bytes, times: int = 1) -> None:
        found = _PARTS.match(text)
        if found is None:
            return
        first, second = int(found[1]), int(found[3])
        if not (1 <= first <= _DAYS and 1 <= second <= _MONTHS) or first == second:
            return
        kind = "ambiguous" if first <= _MONTHS else "refused"
        self._counts[kind] += times
        seen = self._seen.get(place, _Seen())
        if getattr(seen, kind) is None:
            text = MARKERS[0].encode() if self._columns[place] in self._masked else text
            self._seen[place] = seen._replace(**{kind: text})

    def _describe(self) -> str:
        columns = "; ".join(
            f"column {self._columns[place]!r}: {_describe_seen(seen)}"
            for place, seen in sorted(self._seen.items())
        )
        return (
            "dates were read month first, and some contradict that while others fit both orders, so that day and "
            f"month may be swapped in what is loaded ({columns}); say how the dates are written by 'date_order' of "
            "the dataset (DMY, or MDY where this is right) and load the file again"
        )


def _has_format(definition: DatasetDefinition, column: TargetColumn) -> bool:
    conversion = conversion_of(definition.convert, column)
    return conversion is not None and conversion.date_format is not None


def _describe_seen(seen: _Seen) -> str:
    """Name the examples of a column."""
    words = {"refused": seen.refused, "ambiguous": seen.ambiguous}
    verbs = {"refused": "was refused", "ambiguous": "fits both"}
    return ", ".join(
        f"{text.decode().strip()[:40]} {verbs[kind]}" for kind, text in words.items() if text
    )
