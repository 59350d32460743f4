"""Wait for a source: until it is there, and until it is whole.

    not there          the job is `waiting`, and checked again every `poll`, until `arrival` is over
    there, not whole   the job is queued again for when the source can have settled (`settle`), or waits for `done_file`

Looks may be minutes and workers apart: what the first one saw is in the ledger, with the database's time.
"""

import time
from collections.abc import Mapping
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from libs.common.enums import SENT_WHOLE, JobState
from libs.common.errors import BadInput, SourceSettling
from libs.common.ledger.job_end import JobError
from libs.common.ledger.jobs import arrival_deadline, lock_job, record_wait
from libs.common.ledger.models import Job
from libs.common.logs import get_logger
from libs.common.messaging.events import publish_pending
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location, identity
from services.worker.dependencies import WorkerContext
from services.worker.planning.source_search import SourceSearch, refuse_empty

log = get_logger(__name__)

_NOT_THERE = {"source-missing", "source-empty"}
_LONGEST_SLEEP = 2.0
"""Seconds that a look may wait for a source to settle; for longer ones the job is sent again."""


def deadline_of(job: Job) -> datetime | None:
    """Return until when a job waits for its source; None when it does not wait."""
    return arrival_deadline(job.parsed_definition(), job.trigger, job.due_at or job.created_at)


def is_awaited(job: Job) -> bool:
    """Return whether the time in which the job's source may still come is not over."""
    deadline = deadline_of(job)
    return deadline is not None and datetime.now(UTC) < deadline


def find_whole(
    worker: WorkerContext, search: SourceSearch, job: Job
) -> tuple[Location, SourceIdentity]:
    """Find the job's source, as a whole; raises `SourceError`, `SourceUnsettled` when it may be whole later."""
    definition = job.parsed_definition()
    is_sent_whole = job.trigger in SENT_WHOLE
    if is_sent_whole or (definition.settle is None and definition.done_file is None):
        return search.locate(job.source, is_complete=is_sent_whole)
    if definition.done_file is not None:
        search.require_done_file(search.find(job.source)[0], job.data_date)
        return search.locate(job.source, is_complete=True)
    path, seen = search.find(job.source)
    _watch(worker, job, {path: seen}, definition.settle or 0.0)
    refuse_empty(path, seen)
    return path, seen


def find_all_whole(
    worker: WorkerContext, search: SourceSearch, job: Job
) -> dict[Location, SourceIdentity]:
    """Find every file of the job's source, each as a whole; raises as `find_whole`."""
    definition = job.parsed_definition()
    found = search.find_all(job.source)
    if definition.done_file is not None:
        for path in found:
            search.require_done_file(path, job.data_date)
        # A file may have been written again until its own done file was.
        found = {path: identity(path) for path in found}
    elif definition.settle is not None:
        _watch(worker, job, found, definition.settle)
    else:
        for path, seen in found.items():
            search.require_settled(path, seen)
    for path, seen in found.items():
        refuse_empty(path, seen)
    return found


def wait_for_source(worker: WorkerContext, job: Job, error: BadInput) -> bool:
    """Let the job wait when its source is not there and may still come; return False when it must fail."""
    deadline = deadline_of(job)
    arrival = job.parsed_definition().arrival
    now = datetime.now(UTC)
    if error.code not in _NOT_THERE or deadline is None or arrival is None or now >= deadline:
        return False
    with worker.sessions.begin() as session:
        locked = lock_job(session, job.id)
        if locked is None or locked.state is not JobState.RUNNING:
            return True  # it was ended meanwhile
        next_look = func.least(func.now() + arrival.poll_time, deadline)
        is_late = record_wait(session, locked, until=deadline, next_attempt_at=next_look)
    if is_late:
        log.info(
            "job_waits_for_source",
            job_id=str(job.id),
            dataset=job.dataset,
            source=job.source,
            until=deadline.isoformat(),
        )
        publish_pending(worker.sessions, worker.dispatcher, limit=100)
    return True


def describe_failure(job: Job, error: BadInput) -> JobError:
    """Make the job's error; where it has waited for its source, it says how long."""
    if job.waiting_since is None or error.code not in _NOT_THERE:
        return JobError(error.code, error.message, error.limit)
    waited = timedelta(seconds=round((datetime.now(UTC) - job.waiting_since).total_seconds()))
    return JobError(
        error.code,
        f"waited {waited} (h:mm:ss) for the source, as long as 'arrival' allows: {error.message}, "
        "then trigger the job again",
    )


def _watch(
    worker: WorkerContext, job: Job, seen: Mapping[Location, SourceIdentity], settle: float
) -> None:
    """Return when two looks at least `settle` seconds apart saw the same files, or raise `SourceSettling`."""
    remaining, has_changed = _compare(worker, job.id, seen, settle)
    if 0 < remaining <= _LONGEST_SLEEP:
        time.sleep(remaining)
        again = {path: identity(path) for path in seen}
        remaining, has_changed = _compare(worker, job.id, again, settle)
    if remaining > 0:
        raise SourceSettling(
            f"{job.source} has not stayed the same for {settle:g} seconds ('settle' of the dataset); write it "
            "under another name and rename it when it is complete, and trigger the job again",
            wait_seconds=remaining,
            has_changed=has_changed,
        )


def _compare(
    worker: WorkerContext, job_id: UUID, seen: Mapping[Location, SourceIdentity], settle: float
) -> tuple[float, bool]:
    """Return how many seconds are left until the files have settled, and whether they changed since the last look.

    The files' own times are no proof: the clock of the server that keeps them may be wrong.
    """
    files = {str(path): list(astuple(one)) for path, one in seen.items()}
    with worker.sessions.begin() as session:
        row = session.execute(
            select(Job.seen_identity, func.extract("epoch", func.clock_timestamp())).where(
                Job.id == job_id
            )
        ).one()
        before, now = row[0], float(row[1])
        if before is not None and before.get("files") == files:
            return before["seen_at"] + settle - now, False
        session.execute(
            update(Job)
            .where(Job.id == job_id)
            .values(seen_identity={"files": files, "seen_at": now})
        )
        return settle, before is not None
