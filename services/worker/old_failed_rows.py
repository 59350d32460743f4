"""Remove failed rows that were kept as long as their dataset says, job by job, and keep the months that hold them.

A job keeps its counts, and the time at which its failed rows were removed. A month of which nothing is left is dropped.
"""

from typing import Any

from sqlalchemy import CursorResult, text

from libs.common.logs import get_logger
from libs.common.sql_files import statement
from services.worker.dependencies import WorkerContext

log = get_logger(__name__)

_MONTHS_AHEAD = 3
_JOBS = 100
"""Most jobs of one look; each is a transaction of its own."""


def remove_old_failed_rows(worker: WorkerContext, days: float) -> int:
    """Remove the failed rows of jobs that ended so many days ago, where their dataset says nothing else.

    Returns how many there were.
    """
    _keep_months(worker)
    due = statement(__package__, "expired_failed_rows")
    with worker.engine.connect() as connection:
        expired = connection.scalars(due, {"days": days, "limit": _JOBS}).all()
    removed = 0
    for job_id in expired:
        with worker.engine.begin() as connection:
            done: CursorResult[Any] = connection.execute(
                statement(__package__, "remove_failed_rows"), {"job_id": job_id}
            )
        log.info("failed_rows_removed", job_id=str(job_id), failed_rows=done.rowcount)
        removed += done.rowcount
    return removed


def _keep_months(worker: WorkerContext) -> None:
    """Make the partitions of the months to come, and drop those of which nothing is left."""
    with worker.engine.begin() as connection:
        months = {"ahead": _MONTHS_AHEAD}
        connection.execute(text("SELECT adsp.keep_failed_row_months(:ahead)"), months)
