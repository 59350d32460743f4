"""Claim a job's content: decide whether the job loads now, waits, or ends as a duplicate or outdated.

    append            content once per dataset, or once for each data date (`once`), in any order
    replace, upsert   one job at a time, by (data_date, creation); never behind a newer delivery; only the content
                      of the last change is a duplicate
    slices            one job at a time, as above among the deliveries that change the same slice
    replays           content once; in the order of the delivery whose rows they load again
    dry runs          always, one at a time as the others: what is loaded is no reason not to look at a file

See docs/decisions/0006 and 0036.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, tuple_
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LOADED_STATES, JobState, LoadMode, OutOfOrder
from libs.common.ledger.advisory_locks import advisory_xact_lock
from libs.common.ledger.dry_runs import fingerprint_of_dry_run
from libs.common.ledger.job_end import record_end
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Job
from libs.common.ledger.session import commit_without_waiting
from libs.common.logs import get_logger
from services.worker.dependencies import WorkerContext
from services.worker.finishing import after_end
from services.worker.planning.job_files import (
    DeliveredFile,
    find_loaded,
    find_same_contents,
    fingerprint_of,
    write_files,
)
from services.worker.planning.last_loads import DELIVERIES, OTHERS, find_last_change, own, rivals
from services.worker.planning.table_turns import find_job_at_table
from services.worker.settings import WorkerSettings

log = get_logger(__name__)


_WAITS_LONGER_AFTER = timedelta(seconds=100)
_LONGEST_WAIT = 12.0
"""Times `duplicate_wait_seconds`, after twenty minutes."""


class Obstacle(NamedTuple):
    """Why a job may not load now: the state that it moves to (`queued`: it waits), and the job that is the reason."""

    state: JobState
    reason: Job


_LOADING = OTHERS.where(
    Job.finished_at.is_(None), Job.state == JobState.RUNNING, Job.fingerprint.is_not(None)
)
_EARLIER = OTHERS.where(
    Job.finished_at.is_(None),
    tuple_(Job.data_date, Job.id) < tuple_(bindparam("data_date"), bindparam("own_id")),
)
_NEWER = (
    DELIVERIES.where(
        Job.state.in_([*LOADED_STATES, JobState.DUPLICATE]),
        Job.data_date > bindparam("data_date"),
    )
    .order_by(Job.data_date.desc())
    .limit(1)
)


def claim_content(
    worker: WorkerContext,
    job_id: UUID,
    content: str,
    files: Sequence[DeliveredFile] = (),
    looked_at: Mapping[str, object] | None = None,
) -> bool:
    """Note the fingerprint of a running job and return True when it may load; else end it or let it wait.

    Of `files`, which a job over several has, those that are loaded are left out; `content` is that of all. Of a job
    that may not load, `looked_at` is kept, which says what its one file is.
    """
    with worker.sessions.begin() as session:
        job = lock_job(session, job_id)
        if job is None or job.state is not JobState.RUNNING:
            return False
        definition = job.parsed_definition()
        delivery = _find_delivery(session, job)
        is_ordered = delivery.parsed_definition().mode is not LoadMode.APPEND
        _take_turns_for(session, job, content, files, is_ordered=is_ordered)
        obstacle = _find_turn(session, job) if is_ordered else None
        takes_all = job.force or job.dry_run
        if obstacle is None and not takes_all and is_ordered:
            obstacle = _find_newer(session, job, delivery)
        if obstacle is None and files:
            loaded = {} if job.dry_run else find_loaded(session, job, files)
            write_files(session, job, files, loaded)
            obstacle = _find_obstacle_of_files(job, loaded, len(files))
            content = fingerprint_of(file for file in files if file.path not in loaded)
            content = fingerprint_of_dry_run(content, job.id) if job.dry_run else content
        if obstacle is None and not takes_all:
            obstacle = _find_duplicate(session, job, definition, content)
        other = find_job_at_table(session, job) if obstacle is None else None
        if other is not None:
            obstacle = Obstacle(JobState.QUEUED, other)
        if obstacle is None:
            # Undone by a crash of Postgres, so is the plan that follows.
            commit_without_waiting(session)
            job.fingerprint = content
            return True
        _give_way(session, worker, job, obstacle)
        # Only now: while it runs, the same content under two jobs violates a unique index.
        job.fingerprint = content
        job.known_content = dict(looked_at) if looked_at else None
    after_end(worker, job_id)
    return False


def _take_turns_for(
    session: Session, job: Job, content: str, files: Sequence[DeliveredFile], *, is_ordered: bool
) -> None:
    """Keep other jobs of the dataset from claiming what this one claims until the transaction ends."""
    contents = {""} if is_ordered or files else {content}
    if not is_ordered:
        contents |= {file.fingerprint for file in files}
    advisory_xact_lock(session, *(f"adsp.content:{job.dataset}:{each}" for each in contents))


def _find_obstacle_of_files(job: Job, loaded: Mapping[str, Job], count: int) -> Obstacle | None:
    """Return the job that is loading one of the files, or that has loaded the first of them if none is left."""
    for other in loaded.values():
        if other.id != job.id and other.state is JobState.RUNNING:
            return Obstacle(JobState.QUEUED, other)
    if len(loaded) < count:
        return None
    return Obstacle(JobState.DUPLICATE, next(iter(loaded.values())))


def _find_delivery(session: Session, job: Job) -> Job:
    """Return the job that delivered the rows first: of a replay, the one whose failed rows it loads again."""
    while job.replay_of is not None:
        job = session.get_one(Job, job.replay_of)
    return job


def _find_turn(session: Session, job: Job) -> Obstacle | None:
    """Return the job of the dataset that is loading now or goes first, for which this one waits."""
    loading = session.scalars(_LOADING.limit(1), own(job)).first()
    earlier = loading or session.scalars(rivals(_EARLIER, job).limit(1), own(job)).first()
    return None if earlier is None else Obstacle(JobState.QUEUED, earlier)


def _find_newer(session: Session, job: Job, delivery: Job) -> Obstacle | None:
    """Return the newer delivery that the table holds: a later data date, or what has replaced a replay's rows.

    A dataset without order takes older deliveries, but no rows of one into what has replaced it.
    """
    definition = job.parsed_definition()
    table, newer = definition.table, None
    if definition.out_of_order is OutOfOrder.REFUSE:
        newer = session.scalar(rivals(_NEWER, job), {**own(job), "table": table})
    is_replay_of_replace = (
        job.replay_of is not None and delivery.parsed_definition().mode is LoadMode.REPLACE
    )
    if newer is None and is_replay_of_replace:
        last = find_last_change(session, job, table)
        newer = last if last is not None and last.id != delivery.id else None
    return None if newer is None else Obstacle(JobState.OUTDATED, newer)


def _find_duplicate(
    session: Session, job: Job, definition: DatasetDefinition, content: str
) -> Obstacle | None:
    """Return the job that has put this content where it belongs, or is about to."""
    if definition.mode is LoadMode.APPEND or job.replay_of is not None:
        found = find_same_contents(session, job, {content}).get(content)
    else:
        found = find_last_change(session, job, definition.table)
        if found is not None and not _has_done_the_same(found, definition, content):
            found = None
    if found is None:
        return None
    is_loaded = found.state in LOADED_STATES
    return Obstacle(JobState.DUPLICATE if is_loaded else JobState.QUEUED, found)


def _has_done_the_same(other: Job, definition: DatasetDefinition, content: str) -> bool:
    """Return whether a job has loaded this content in the same mode into the same part of the table."""
    then = other.parsed_definition()
    return (other.fingerprint, then.mode, then.scope) == (
        content,
        definition.mode,
        definition.scope,
    )


def _give_way(session: Session, worker: WorkerContext, job: Job, obstacle: Obstacle) -> None:
    """Let the job wait, or end it, for the obstacle's reason."""
    reason = obstacle.reason.id
    if obstacle.state is JobState.QUEUED:
        job.state = JobState.QUEUED
        job.attempt -= 1  # waiting for another job is not an attempt that went wrong
        job.next_attempt_at = func.now() + _wait_of(job, worker.settings)
        log.info("job_waits_for_job", job_id=str(job.id), other_job_id=str(reason))
    elif obstacle.state is JobState.DUPLICATE:
        record_end(session, job, JobState.DUPLICATE, duplicate_of=reason)
        log.info("job_is_duplicate", job_id=str(job.id), duplicate_of=str(reason))
    else:
        record_end(session, job, JobState.OUTDATED, outdated_by=reason)
        log.info("job_is_outdated", job_id=str(job.id), outdated_by=str(reason))


def _wait_of(job: Job, settings: WorkerSettings) -> timedelta:
    """Return when a job that nobody wakes is planned again: the later, the longer it has waited, as many may wait."""
    age = datetime.now(UTC) - job.created_at
    times = min(max(1.0, age / _WAITS_LONGER_AFTER), _LONGEST_WAIT)
    return times * timedelta(seconds=settings.duplicate_wait_seconds)
