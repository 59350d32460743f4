"""Refuse what is asked of failed rows that are kept no longer."""

from libs.common.errors import Conflict
from libs.common.ledger.models import Job


def require_kept(job: Job) -> None:
    """Raise `Conflict` when the job's failed rows were removed."""
    removed = job.failed_rows_removed_at
    if removed is not None:
        raise Conflict(
            "failed-rows-removed",
            f"the {job.rows_rejected:,} failed rows of job {job.id} were removed on {removed:%Y-%m-%d}: the dataset "
            "keeps them for so long (`keep_failed_rows_days`); their counts by reason stand in the job, and who needs "
            "the rows loads the source again",
        )
