"""Load deliveries one after the other, as DESIGN's "Deliveries" says: what ADSP must come to, whatever happens.

Nothing here runs beside something else, dies, or is told twice: that is why it can be read and believed.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from libs.common.states import JobState
from tests.faults.contents import Content, Row


class Flaw(StrEnum):
    """Why a delivery cannot be loaded, whatever its records are."""

    MISSING = "its file never comes"
    HEADER = "its header names a column that the table has not"


@dataclass(frozen=True)
class Delivery:
    """A file that is sent for a day; two with the same `data` are the same content."""

    content: Content
    data: bytes
    data_date: date
    force: bool = False
    flaw: Flaw | None = None


class SequentialLoader:
    """The plain loader of one dataset: `load` a delivery, then the next one."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.most_rejected: int | None = definition.get("max_rejected_rows")
        self.rows: Counter[Row] = Counter()
        self._mode: str = definition["mode"]
        self._sets_state = self._mode != "append"
        self._has_order = self._sets_state and definition.get("out_of_order") != "load"
        self._newest = date.min
        self._held: set[bytes] = set()

    def load(self, delivery: Delivery) -> JobState:
        """Load a delivery, or do not, and return how its job ends."""
        if delivery.flaw is Flaw.MISSING:
            return JobState.FAILED
        if self._has_order and not delivery.force and delivery.data_date < self._newest:
            return JobState.OUTDATED
        is_held = delivery.data in self._held and not delivery.force
        state = JobState.DUPLICATE if is_held else self._write(delivery)
        if state is not JobState.FAILED:
            self._newest = max(self._newest, delivery.data_date)
        return state

    def _write(self, delivery: Delivery) -> JobState:
        content, rejected = delivery.content, len(delivery.content.failed)
        is_too_bad = self.most_rejected is not None and rejected > self.most_rejected
        is_nothing_good = self._mode == "replace" and rejected > 0 and not content.rows
        if delivery.flaw is Flaw.HEADER or is_too_bad or is_nothing_good:
            return JobState.FAILED
        if self._mode == "append":
            self.rows += content.rows
        else:
            before = self.rows if self._mode == "upsert" else ()
            table = {row[0]: row for row in before} | {row[0]: row for row in content.rows}
            self.rows = Counter(table.values())
        if self._mode != "upsert" or content.rows:  # an upsert of nothing changes nothing
            self._held = {delivery.data} | (set() if self._sets_state else self._held)
        return JobState.COMPLETED_WITH_REJECTS if rejected else JobState.SUCCEEDED
