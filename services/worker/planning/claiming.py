"""Claim a job's content: decide whether the job loads now, waits, or ends as a duplicate or outdated.

    append            content once per dataset, or once for each data date (`once`), in any order
    replace, upsert   one job at a time, by (data_date, creation); never behind a newer delivery; only the content
                      of the last change is a duplicate
    slices            one job at a time, as above among the deliveries that change the same slice
    replays           content once; in the order of the delivery whose rows they load again
    dry runs          always, one at a time as the others: what is loaded is no reason not to look at a file

See docs/decisions/0006 and 0036.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, tuple_
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LOADED_STATES, JobState, LoadMode, OutOfOrder
from libs.common.ledger.advisory_locks import advisory_xact_lock
from libs.common.ledger.dry_runs import fingerprint_of_dry_run
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Job, JobFile
from libs.common.ledger.session import commit_without_waiting
from libs.common.ledger.unread_content import fingerprint_of_unread
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location
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
from services.worker.planning.obstacles import Obstacle, give_way
from services.worker.planning.table_turns import find_job_at_table
from services.worker.planning.unread_jobs import find_unread

_ANY = ""
"""In place of a content: that of all ordered jobs, or of all over several files; of a size: that of each of several."""


_LOADING = OTHERS.where(
    Job.finished_at.is_(None), Job.state == JobState.RUNNING, Job.fingerprint.is_not(None)
)
_EARLIER = OTHERS.where(
    Job.finished_at.is_(None),
    tuple_(Job.data_date, Job.id) < tuple_(bindparam("data_date"), bindparam("own_id")),
)
# From the files of that size to their datasets, however many jobs Postgres takes a dataset to have.
_DATASET_OF_FILE = select(Job.dataset).where(Job.id == JobFile.job_id).scalar_subquery()
_OF_SIZE = select(
    OTHERS.where(Job.bytes_total == bindparam("size")).exists()
    | select(JobFile.job_id)
    .where(
        JobFile.size == bindparam("size"),
        JobFile.job_id != bindparam("own_id"),
        bindparam("dataset") == _DATASET_OF_FILE,
    )
    .exists()
)
_NEWER = (
    DELIVERIES.where(
        Job.state.in_([*LOADED_STATES, JobState.DUPLICATE]),
        Job.data_date > bindparam("data_date"),
    )
    .order_by(Job.data_date.desc())
    .limit(1)
)


def claim_unread(worker: WorkerContext, begun: Job, path: Location, seen: SourceIdentity) -> bool:
    """Let a running job load a file that nobody has read; return False when it must be read first.

    Then nothing has changed: its content may be known, or something else is in its way.
    """
    with worker.sessions.begin() as session:
        job = lock_job(session, begun.id)
        if job is None or (job.state, job.attempt) != (JobState.RUNNING, begun.attempt):
            return False
        is_ordered = job.parsed_definition().mode is not LoadMode.APPEND
        _take_turns(session, job, {_ANY} if is_ordered else (), {_ANY, str(seen.size)})
        if _has_known_size(session, job, seen.size):
            return False
        if is_ordered and (_find_turn(session, job) or _find_newer(session, job, job)):
            return False
        if find_job_at_table(session, job) is not None:
            return False
        # Undone by a crash of Postgres, so is the plan that follows.
        commit_without_waiting(session)
        job.fingerprint = fingerprint_of_unread(job.id)
        # For who has as many bytes, and has to learn what these are.
        job.source_path, job.bytes_total = str(path), seen.size
        job.source_mtime_ns = seen.mtime_ns
        return True


def claim_content(
    worker: WorkerContext,
    job_id: UUID,
    content: str,
    files: Sequence[DeliveredFile] = (),
    looked_at: Mapping[str, Any] | None = None,
) -> bool:
    """Note the fingerprint of a running job and return True when it may load; else end it or let it wait.

    Of `files`, which a job over several has, those that are loaded are left out; `content` is that of all. Of a job
    that may not load, `looked_at` is kept, which says what its one file is.
    """
    with worker.sessions.begin() as session:
        job = lock_job(session, job_id)
        if job is None or job.state is not JobState.RUNNING:
            return False
        sizes = _sizes_of(files, looked_at)
        content, obstacle = _look_for_obstacle(session, job, content, files, sizes)
        if obstacle is None:
            # Undone by a crash of Postgres, so is the plan that follows.
            commit_without_waiting(session)
            job.fingerprint = content
            if not files:
                job.bytes_total = sum(sizes)
            return True
        give_way(session, worker, job, obstacle)
        # Only now: while it runs, the same content under two jobs violates a unique index.
        job.fingerprint = content
        job.known_content = dict(looked_at) if looked_at else None
    after_end(worker, job_id)
    return False


def _look_for_obstacle(
    session: Session,
    job: Job,
    content: str,
    files: Sequence[DeliveredFile],
    sizes: frozenset[int],
) -> tuple[str, Obstacle | None]:
    """Return what the job would claim, of `files` those that it would load, and why it may not."""
    delivery = _find_delivery(session, job)
    is_ordered = delivery.parsed_definition().mode is not LoadMode.APPEND
    contents = {_ANY} if is_ordered or files else {content}
    if not is_ordered:
        contents |= {file.fingerprint for file in files}
    _take_turns(session, job, contents, {_ANY} if files else map(str, sizes))
    takes_all = job.force or job.dry_run
    # Before all that is asked of contents that are known: it may become one in between.
    unread = None if takes_all else _find_unread(session, job, sizes)
    obstacle = _find_turn(session, job) if is_ordered else None
    if obstacle is None and is_ordered and not takes_all:
        obstacle = _find_newer(session, job, delivery)
    if obstacle is None and files:
        content, obstacle = _leave_out_loaded(session, job, files)
    if obstacle is None and not takes_all:
        obstacle = _find_duplicate(session, job, content) or unread
    if obstacle is None:
        other = find_job_at_table(session, job)
        obstacle = None if other is None else Obstacle(JobState.QUEUED, other)
    return content, obstacle


def _leave_out_loaded(
    session: Session, job: Job, files: Sequence[DeliveredFile]
) -> tuple[str, Obstacle | None]:
    """Put the files on record; return the content of those that are to be loaded, and why they may not be."""
    loaded = {} if job.dry_run else find_loaded(session, job, files)
    write_files(session, job, files, loaded)
    content = fingerprint_of(file for file in files if file.path not in loaded)
    if job.dry_run:
        content = fingerprint_of_dry_run(content, job.id)
    return content, _find_obstacle_of_files(job, loaded, len(files))


def _take_turns(session: Session, job: Job, contents: Iterable[str], sizes: Iterable[str]) -> None:
    """Keep other jobs of the dataset from claiming these until the transaction ends."""
    advisory_xact_lock(
        session,
        *(f"adsp.content:{job.dataset}:{content}" for content in contents),
        *(f"adsp.size:{job.dataset}:{size}" for size in sizes),
    )


def _sizes_of(
    files: Sequence[DeliveredFile], looked_at: Mapping[str, Any] | None
) -> frozenset[int]:
    """Return how many bytes the files of a delivery have; none where it is not known."""
    if looked_at is not None:
        return frozenset({looked_at["file"]["size"]})
    return frozenset(file.identity.size for file in files)


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


def _find_duplicate(session: Session, job: Job, content: str) -> Obstacle | None:
    """Return the job that has put this content where it belongs, or is about to."""
    definition = job.parsed_definition()
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


def _find_unread(session: Session, job: Job, sizes: frozenset[int]) -> Obstacle | None:
    """Return the job that is loading content of such a size that nobody knows yet: it may be the same."""
    found = find_unread(session, job, sizes)
    return Obstacle(JobState.QUEUED, found[0]) if found else None


def _has_known_size(session: Session, job: Job, size: int) -> bool:
    """Return whether a file of another job of the dataset has so many bytes: only then can its content be the same."""
    return bool(session.scalar(_OF_SIZE, {**own(job), "size": size}))


def _has_done_the_same(other: Job, definition: DatasetDefinition, content: str) -> bool:
    """Return whether a job has loaded this content in the same mode into the same part of the table."""
    then = other.parsed_definition()
    return (other.fingerprint, then.mode, then.scope) == (
        content,
        definition.mode,
        definition.scope,
    )
