"""Tell from the ledger's ends what a `replace` or `upsert` dataset's table must hold, and what broke the order.

What has loaded is applied in the order of its end, as a sequential loader would; each other job must have had a reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from libs.common.states import LOADED_STATES, JobState
from tests.faults.contents import Content, Row


@dataclass(frozen=True)
class Ended:
    """How one job of a dataset ended."""

    job_id: str
    content: Content
    data_date: date
    force: bool
    state: str
    finished_at: datetime


def expected_rows(mode: str, jobs: Iterable[Ended]) -> dict[str, Row]:
    """Return the rows by key that a sequential loader leaves; `mode` is `replace` or `upsert`."""
    table: dict[str, Row] = {}
    for job in _in_order(jobs):
        if job.state in LOADED_STATES:
            kept = {} if mode == "replace" else table
            table = kept | {row[0]: row for row in job.content.rows}
    return table


def find_disorder(mode: str, jobs: Iterable[Ended]) -> list[str]:
    """List the jobs that have loaded, or have not, against the rules of order and once."""
    newest: date | None = None
    last: Content | None = None
    wrong = []
    for job in _in_order(jobs):
        is_older = newest is not None and job.data_date < newest
        is_held = last is not None and last.path == job.content.path
        if not job.force or job.state not in LOADED_STATES:
            right = _right_state(is_older=is_older, is_held=is_held)
            if right != (JobState.SUCCEEDED if job.state in LOADED_STATES else job.state):
                name = f"{job.content.path.name} of {job.data_date} (job {job.job_id})"
                wrong.append(f"{name} ended as {job.state} instead of {right}")
        if job.state != JobState.OUTDATED:
            newest = max(newest or job.data_date, job.data_date)
        # An upsert of bad records alone changes nothing.
        if job.state in LOADED_STATES and (mode == "replace" or job.content.rows):
            last = job.content
    return wrong


def _right_state(*, is_older: bool, is_held: bool) -> JobState:
    if is_older:
        return JobState.OUTDATED
    return JobState.DUPLICATE if is_held else JobState.SUCCEEDED


def _in_order(jobs: Iterable[Ended]) -> list[Ended]:
    return sorted(jobs, key=lambda job: job.finished_at)
