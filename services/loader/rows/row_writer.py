"""What the ways of the row path have in common: records that a slice keeps back, and how they report."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from libs.common.csv.records import Record
from services.loader.blocks.slice_filter import SliceGate
from services.loader.rejects.rejection import RejectedRecord

OnProgress = Callable[[int, Sequence[RejectedRecord]], None]


class RowWriter(ABC):
    """One way of the row path."""

    def __init__(self, gate: SliceGate | None) -> None:
        """Let `gate`, if there is one, keep records back."""
        self._gate = gate

    def load(self, records: Sequence[Record], on_progress: OnProgress) -> list[RejectedRecord]:
        """Write well-formed records; return those refused.

        `on_progress` hears after each step how many are through and which of them were refused; it may
        raise to stop the load.
        """
        refused: list[RejectedRecord] = []
        if self._gate is not None:
            records, refused = self._gate.part(records)
        self._load(records, refused, on_progress)
        return refused

    @abstractmethod
    def _load(
        self, records: Sequence[Record], refused: list[RejectedRecord], on_progress: OnProgress
    ) -> None:
        """Write the records that are not kept back; add those refused to the others."""
