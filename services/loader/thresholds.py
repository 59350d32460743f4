"""Fail a load of which more is refused than its dataset allows, or whose rows are not what it expects."""

from collections.abc import Callable, Sequence

from libs.common.datasets.guards import check_rows
from libs.common.datasets.job_warnings import JobWarning
from libs.common.errors import BadInput
from services.loader.leasing.chunks import ChunkWork
from services.loader.rejects.columns import RejectedRows
from services.loader.rejects.spool import RejectSpool


class TooManyRejects(BadInput):
    """More records were refused than the dataset allows."""


class Thresholds:
    """What a dataset allows to be refused of one chunk."""

    def __init__(self, work: ChunkWork, rejects: RejectSpool) -> None:
        """Watch the failed rows that are kept in `rejects`."""
        self._work = work
        self._definition = work.definition
        self._rejects = rejects

    def check_count(
        self,
        more: int,
        refused: Callable[[], Sequence[RejectedRows]],
        *,
        rows_read: int,
        rows_accepted: int,
    ) -> None:
        """Keep these failed rows and raise when they and those before exceed the absolute threshold.

        Some of them may stand behind the records read so far.
        """
        most = self._definition.max_rejected_rows
        if most is not None and self._rejects.count + more > most:
            self._rejects.add(refused())
            raise self._too_many_rejects(max(rows_read, rows_accepted + self._rejects.count))

    def check_ratio(self, rows_accepted: int) -> None:
        """Raise when an atomic job, which is this chunk alone, exceeds a threshold at its end."""
        read = rows_accepted + self._rejects.count
        if self._definition.atomic and self._definition.exceeds_thresholds(
            read, self._rejects.count
        ):
            raise self._too_many_rejects(read)

    def check_guards(self, rows_loaded: int) -> list[JobWarning]:
        """Raise when the rows of an atomic job, which is this chunk alone, are not what its dataset expects."""
        return check_rows(
            self._definition,
            rows_loaded=rows_loaded,
            rows_rejected=self._rejects.count,
            rows_before=self._work.rows_before,
            force=self._work.force,
        )

    def _too_many_rejects(self, rows_read: int) -> TooManyRejects:
        """Word the error."""
        definition = self._definition
        limits = f"max_rejected_rows={definition.max_rejected_rows}, max_rejected_ratio={definition.max_rejected_ratio}"
        return TooManyRejects(
            "too-many-rejects",
            f"{self._rejects.count} of the first {rows_read} records were rejected ({limits}); nothing of "
            "this chunk was loaded: correct the failed rows' cause and load again, or raise the threshold",
        )
