"""Load deliveries one after the other, as DESIGN's "Deliveries" says: what ADSP must come to, whatever happens.

Nothing here runs beside something else, dies, or happens twice: that is why it can be read and believed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from libs.common.enums import JobState
from tests.faults.harness.contents import Content, Row


class Flaw(StrEnum):
    """Why a delivery cannot be loaded, whatever its records are."""

    MISSING = "its file never comes"
    HEADER = "its header names a column that the table has not"


@dataclass(frozen=True)
class File:
    """A file that is sent; two with the same `data` are the same content.

    Where the table is replaced day by day its good rows are of this `day`, but for those of the `strays`, by key.
    """

    content: Content
    data: bytes
    flaw: Flaw | None = None
    day: date | None = None
    strays: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Delivery:
    """One file or several, in the order of their paths, that `source` means and a dataset receives for a day.

    One `after_all` is sent when the jobs before it are over and its `rewritten` files stand at their paths. A replay
    has corrected rows of another one (`replay_of`).
    """

    source: str
    files: tuple[File, ...]
    data_date: date
    force: bool = False
    after_all: bool = False
    rewritten: tuple[File, ...] = ()
    replay_of: "Delivery | None" = None

    @property
    def flaw(self) -> Flaw | None:
        """Return what is wrong with one of the files."""
        return next((file.flaw for file in self.files if file.flaw), None)


class End(NamedTuple):
    """How a job ends, with its records loaded, rejected and superseded."""

    state: JobState
    counts: tuple[int, int, int] = (0, 0, 0)


class SequentialLoader:
    """The plain loader of one dataset: `load` a delivery, then the next one.

    What it remembers it remembers for each slice, which is a day, or None where there is but the whole table.
    """

    def __init__(self, definition: dict[str, Any], *, is_keyed: bool = False) -> None:
        self.most_rejected: int | None = definition.get("max_rejected_rows")
        self._is_keyed = is_keyed
        self._mode: str = definition["mode"]
        self._has_slices = "scope" in definition
        self._has_order = self._mode != "append" and definition.get("out_of_order") != "load"
        self._is_once_a_day = definition.get("once") == "data_date"
        self._is_over_several = definition.get("match") == "all"
        self._rows: dict[date | None, Counter[Row]] = {}
        self._newest: dict[date | None, date] = {}
        self._last: dict[date | None, list[bytes]] = {}  # of replace and upsert
        self._appended: set[tuple[date | None, bytes]] = set()
        self._loaded_from: dict[Path, bytes] = {}
        self._set_by: dict[date | None, Delivery] = {}
        self._replayed: list[tuple[Delivery, bytes]] = []

    @property
    def rows(self) -> Counter[Row]:
        """Return the rows of the table."""
        return sum(self._rows.values(), Counter[Row]())

    def load(self, delivery: Delivery) -> End:
        """Load a delivery, or do not, and return how its job ends."""
        if delivery.flaw is Flaw.MISSING:
            return End(JobState.FAILED)
        part = delivery.data_date if self._has_slices else None
        newest = self._newest.get(part, date.min)
        if self._has_order and not delivery.force and delivery.data_date < newest:
            return End(JobState.OUTDATED)
        if delivery.replay_of is not None:
            return self._replay(delivery, delivery.replay_of, part)
        left = self._leave_out(delivery)
        is_same = self._last.get(part) == [file.data for file in left] and not delivery.force
        end = End(JobState.DUPLICATE) if is_same or not left else self._write(delivery, left, part)
        if end.state is not JobState.FAILED:
            self._newest[part] = max(newest, delivery.data_date)
        return end

    def _replay(self, delivery: Delivery, replayed: Delivery, part: date | None) -> End:
        """Add corrected rows, whose keys are new, once, and not to a snapshot that they were no rows of."""
        if self._mode == "replace" and self._set_by.get(part) is not replayed:
            return End(JobState.OUTDATED)
        [file] = delivery.files
        if any(of is replayed and data == file.data for of, data in self._replayed):
            return End(JobState.DUPLICATE)
        self._replayed.append((replayed, file.data))
        self._rows[part] = self._rows.get(part, Counter[Row]()) + file.content.rows
        state = JobState.COMPLETED_WITH_REJECTS if file.content.failed else JobState.SUCCEEDED
        return End(state, file.content.counts)

    def _leave_out(self, delivery: Delivery) -> list[File]:
        """Return the files that are to be loaded: not what stands in the table already."""
        if self._mode == "append" and not delivery.force:
            day = delivery.data_date if self._is_once_a_day else None
            first = {file.data: file for file in reversed(delivery.files)}
            return [
                file
                for file in delivery.files
                if (day, file.data) not in self._appended and first[file.data] is file
            ]
        if self._mode == "upsert" and self._is_over_several and not delivery.force:
            loaded = self._loaded_from
            return [file for file in delivery.files if loaded.get(file.content.path) != file.data]
        return list(delivery.files)

    def _write(self, delivery: Delivery, files: Sequence[File], part: date | None) -> End:
        good = [row for file in files for row in self._belonging(file, delivery.data_date)]
        read = sum(sum(file.content.counts) for file in files)
        superseded = sum(file.content.superseded for file in files)
        rows = Counter(good)
        if self._mode == "upsert" or (self._is_keyed and self._mode == "replace"):
            rows = Counter(self._by_key(good, part).values())
        if self._mode == "upsert":
            superseded += len(good) - rows.total()
        rejected = read - superseded - rows.total()
        is_too_bad = self.most_rejected is not None and rejected > self.most_rejected
        is_nothing_good = self._mode == "replace" and rejected > 0 and not rows
        if delivery.flaw is Flaw.HEADER or is_too_bad or is_nothing_good:
            return End(JobState.FAILED)
        self._keep(rows, part)
        self._remember(delivery, files, part, has_changed=bool(rows) or self._mode == "replace")
        state = JobState.COMPLETED_WITH_REJECTS if rejected else JobState.SUCCEEDED
        return End(state, (rows.total(), rejected, superseded))

    def _belonging(self, file: File, day: date) -> list[Row]:
        """Return the good rows of a file that are of the slice."""
        rows = file.content.rows.elements()
        if not self._has_slices:
            return list(rows)
        return [row for row in rows if file.day == day and row[0] not in file.strays]

    def _by_key(self, good: Sequence[Row], part: date | None) -> dict[str, Row]:
        """Return one row for each key: of an upsert the last, else the first, and none whose key another slice has."""
        if self._mode == "upsert":
            return {row[0]: row for row in good}
        others = {row[0] for each, rows in self._rows.items() if each != part for row in rows}
        return {row[0]: row for row in reversed(good) if row[0] not in others}

    def _keep(self, rows: Counter[Row], part: date | None) -> None:
        """Put the rows into the table as the mode says."""
        before = self._rows.get(part, Counter[Row]())
        if self._mode == "append":
            rows = before + rows
        elif self._mode == "upsert":
            keys = {row[0] for row in rows}
            rows = rows + Counter(row for row in before if row[0] not in keys)
        self._rows[part] = rows

    def _remember(
        self, delivery: Delivery, files: Sequence[File], part: date | None, *, has_changed: bool
    ) -> None:
        """Note what is loaded; a delivery that has changed nothing is not the last one."""
        day = delivery.data_date if self._is_once_a_day else None
        self._appended |= {(day, file.data) for file in files}
        self._loaded_from |= {file.content.path: file.data for file in files}
        if has_changed and self._mode != "append":
            self._last[part] = [file.data for file in files]
            self._set_by[part] = delivery
