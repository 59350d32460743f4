"""Hold a delivery against the loads before it: its header, its rows, its day. Part of the plan.

What must not load raises; what is odd and allowed becomes a warning of the job.
"""

from sqlalchemy.orm import Session

from libs.common.datasets.guards import LastLoad, compare_headers
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import LoadMode, WarningCode
from libs.common.ledger.models import Job
from services.worker.planning.last_loads import find_last_load, find_load_of_day
from services.worker.planning.source_inspection import Columns


def compare_with_loads(session: Session, job: Job, columns: Columns) -> None:
    """Note what the load is held against, and what is odd; raises `HeaderError` when the header has lost columns.

    A replay is no delivery: it is held against nothing.
    """
    job.rows_before, job.warnings = None, []
    if job.replay_of is not None:
        return
    last = find_last_load(session, job)
    warnings = _warn_of_same_day(session, job)
    if last is not None:
        job.rows_before = last.rows_loaded
        warnings += _compare_headers(job, last, columns)
    job.warnings = [warning.as_document() for warning in warnings]


def _compare_headers(job: Job, last: Job, columns: Columns) -> list[JobWarning]:
    """Return a warning when the header has lost columns and may."""
    return compare_headers(
        job.parsed_definition(),
        LastLoad(last.id, last.header or (), last.parsed_definition().columns),
        columns.given,
        columns.loadable,
        force=job.force,
    )


def _warn_of_same_day(session: Session, job: Job) -> list[JobWarning]:
    """Return a warning when rows are appended to a day that was loaded already: a corrected file would double it."""
    if job.parsed_definition().mode is not LoadMode.APPEND:
        return []
    earlier = find_load_of_day(session, job)
    if earlier is None:
        return []
    message = (
        f"job {earlier.id} has loaded {earlier.rows_loaded:,} rows of {job.data_date.isoformat()} already, and these "
        "were appended to them; where a later file of a day is to take the earlier one's place, set 'mode' to "
        "'replace' and 'scope' to the column of the day"
    )
    counts = {"rows_before": earlier.rows_loaded}
    return [JobWarning(WarningCode.DATE_LOADED_BEFORE, message, counts)]
