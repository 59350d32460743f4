"""Find the jobs that load what nobody has read, and read it for who has a file of as many bytes (decision 73).

Else that one would have to wait for them, though contents of one size are seldom the same.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from libs.common.enums import JobState, LoadMode
from libs.common.errors import BadInput
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Job
from libs.common.ledger.unread_content import UNREAD
from libs.common.logs import get_logger
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.stores.locations import identity
from libs.common.sources.stores.store import StoreFault
from services.worker.dependencies import WorkerContext
from services.worker.planning.last_loads import OTHERS, own

log = get_logger(__name__)

_UNREAD = OTHERS.where(
    Job.finished_at.is_(None),
    Job.state == JobState.RUNNING,
    Job.bytes_total.in_(bindparam("sizes", expanding=True)),
    Job.fingerprint.startswith(UNREAD),
)


def find_unread(session: Session, job: Job, sizes: Iterable[int]) -> Sequence[Job]:
    """Return the other jobs of the dataset that load a file of one of these sizes which nobody has read."""
    return session.scalars(_UNREAD, {**own(job), "sizes": list(sizes)}).all()


def learn_unread(worker: WorkerContext, job: Job, sizes: Iterable[int]) -> None:
    """Note what these jobs load, as their plans would have; what cannot be read now stays unknown."""
    definition = job.parsed_definition()
    waits_anyway = definition.mode is not LoadMode.APPEND and definition.scope is None
    if job.force or job.dry_run or waits_anyway:
        return
    with worker.sessions() as session:
        others = find_unread(session, job, sizes)
    for other in others:
        with suppress(BadInput, StoreFault, OSError):
            _learn(worker, other)


def _learn(worker: WorkerContext, job: Job) -> None:
    """Read the file of a job, and hold its loader to that; the loader still sees to it that it reads one file."""
    path = worker.settings.location(job.source_path or job.source)
    seen = identity(path)
    if (seen.size, seen.mtime_ns) != (job.bytes_total, job.source_mtime_ns):
        return
    content = fingerprint(path, seen)
    with worker.sessions.begin() as session:
        locked = lock_job(session, job.id)
        if locked is None or _claim_of(locked) != _claim_of(job):
            return
        locked.fingerprint = content
    log.info("unread_content_learned", job_id=str(job.id))


def _claim_of(job: Job) -> tuple[object, ...]:
    """Return what a job has claimed, by which attempt."""
    return job.state, job.attempt, job.fingerprint, job.source_path, job.source_mtime_ns
