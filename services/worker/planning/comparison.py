"""Hold a delivery against the loads before it: its header, its rows, its day. Part of the plan.

What must not load raises; what is odd and allowed becomes a warning of the job.
"""

from sqlalchemy.orm import Session

from libs.common.datasets.guards import LastLoad, compare_headers, find_drift, warn_of_drift
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import LoadMode, WarningCode
from libs.common.ledger.jobs import HeaderChanges, record_header_changes
from libs.common.ledger.models import Job
from services.worker.metrics import HEADER_CHANGES
from services.worker.planning.last_loads import find_last_load, find_load_of_day
from services.worker.planning.source_inspection import Columns


def compare_with_loads(session: Session, job: Job, columns: Columns) -> None:
    """Note what the load is held against, and what is odd; raises `HeaderError` when the header has lost columns.

    A replay is no delivery: it is held against nothing.
    """
    job.rows_before, job.warnings, job.header_changes = None, [], None
    if job.replay_of is not None:
        return
    last = find_last_load(session, job)
    warnings = _warn_of_same_day(session, job)
    if last is not None:
        job.rows_before = last.rows_loaded
        warnings += _compare_headers(session, job, last, columns)
    job.warnings = [warning.as_document() for warning in warnings]


def _compare_headers(session: Session, job: Job, last: Job, columns: Columns) -> list[JobWarning]:
    """Return warnings when the header is another one, and has lost columns and may; note what is different."""
    definition = job.parsed_definition()
    load = LastLoad(last.id, last.header or (), last.parsed_definition().header_rules)
    warnings = compare_headers(definition, load, columns.given, columns.loadable, force=job.force)
    rules = definition.header_rules
    added, lost = find_drift(load, columns.header, rules, columns.loadable)
    if not last.header or not (added or lost):
        return warnings
    record_header_changes(session, job, HeaderChanges(last.id, added, lost))
    HEADER_CHANGES.add(1)
    untold = lost if not warnings else []  # what is lost has its own warning
    return [*warnings, *warn_of_drift(load, added, untold, rules)]


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
