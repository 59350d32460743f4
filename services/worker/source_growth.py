"""Find sources that grew after they were loaded: what was loaded may be half of what its sender meant.

    a new job appends the file    it begins with what was loaded a while ago, and no key would refuse that a second
                                  time: the job fails
    no new job                    the sweep looks at files that were loaded a while ago, and tells of it once

How long a while is says `source_watch_seconds`. Nothing is checked in files that the api stored itself.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from libs.common.enums import SENT_WHOLE, LoadMode
from libs.common.errors import BadInput, SourceError
from libs.common.ids import earliest_uuid7
from libs.common.ledger.jobs import lock_job, record_growth
from libs.common.ledger.models import Job, JobFile
from libs.common.logs import get_logger
from libs.common.sources.fingerprints import fingerprint_of_start
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location, RemoteFile, identity
from libs.common.sources.stores.retries import asking_once
from libs.common.sources.stores.search import is_url, locate
from libs.common.sources.stores.store import StoreFault
from libs.common.sql_files import statement
from services.worker.dependencies import WorkerContext
from services.worker.loaded_places import places_of_moved
from services.worker.metrics import GROWN_SOURCES
from services.worker.planning.job_files import inode_of

log = get_logger(__name__)

_MOST_COMPARED = 10
_LONGEST = 30.0
"""Seconds that a sweep looks at files for."""
_APPENDED = (
    Job.dataset == bindparam("dataset"),
    Job.finished_at >= func.now() - bindparam("watched"),
    Job.definition["mode"].astext == LoadMode.APPEND.value,
    Job.replay_of.is_(None),
)
_ALONE = (
    select(Job.id, func.coalesce(Job.bytes_total, 0), Job.fingerprint)
    .where(
        *_APPENDED,
        Job.source_path == bindparam("path"),
        Job.rows_loaded > 0,
        Job.bytes_total < bindparam("size"),
    )
    .order_by(Job.bytes_total.desc())
    .limit(_MOST_COMPARED)
)
_WITH_OTHERS = (
    select(Job.id, JobFile.size, JobFile.fingerprint)
    .join(JobFile, JobFile.job_id == Job.id)
    .where(
        *_APPENDED,
        JobFile.path == bindparam("path"),
        JobFile.duplicate_of.is_(None),
        JobFile.rows_loaded > 0,
        JobFile.size < bindparam("size"),
    )
    .order_by(JobFile.size.desc())
    .limit(_MOST_COMPARED)
)


def refuse_grown(
    session: Session, job: Job, path: Location, size: int, watch_seconds: float
) -> None:
    """Raise `BadInput` when the file that a job would append begins with what was appended from it a while ago."""
    for job_id, size_then, content in find_shorter(session, job, path, size, watch_seconds):
        if fingerprint_of_start(path, size_then) == content:
            raise BadInput(
                "source-grew",
                f"{path} has grown: its first {size_then:,} bytes were loaded by job {job_id}, and would "
                "be in the table twice; delete those rows and trigger this file alone (as 'source') with force, or "
                "send the rest as a file of its own. A 'settle' longer than the sender's pauses, or a 'done_file', "
                "prevents this",
            )


def find_shorter(
    session: Session, job: Job, path: Location, size: int, watch_seconds: float
) -> list[Any]:
    """Return what was appended from this path a while ago, when it was shorter: job, size and fingerprint of each."""
    is_asked_for = job.force or job.trigger in SENT_WHOLE
    if is_asked_for or job.parsed_definition().mode is not LoadMode.APPEND:
        return []
    asked = {
        "dataset": job.dataset,
        "watched": timedelta(seconds=watch_seconds),
        "path": str(path),
        "size": size,
    }
    return [*session.execute(_ALONE, asked), *session.execute(_WITH_OTHERS, asked)]


def tell_grown(worker: WorkerContext, limit: int) -> int:
    """Tell of files that are longer than when they were loaded; return of how many.

    Of more than `limit` that are watched, other ones are checked each time.
    """
    watched = timedelta(seconds=worker.settings.source_watch_seconds)
    earliest = earliest_uuid7(datetime.now(UTC) - watched)
    with worker.sessions() as session:
        rows = session.execute(
            statement(__package__, "watched_sources"),
            {"earliest": earliest, "limit": limit},
        ).all()
    return _tell_in_time(worker, rows)


def _tell_in_time(worker: WorkerContext, rows: Sequence[Any]) -> int:
    """Look at as many files as there is time for, in a store that is away at one."""
    ends_at, reported, away = time.monotonic() + _LONGEST, 0, set[str]()
    with asking_once():
        for row in rows:
            if time.monotonic() >= ends_at:
                break
            reported += _tell(worker, row, away)
    return reported


def _look(location: Location, away: set[str]) -> SourceIdentity | None:
    store = location.store.name if isinstance(location, RemoteFile) else ""
    if store in away:
        return None
    try:
        return identity(location)
    except (SourceError, OSError):
        return None  # not there, or no file
    except StoreFault:
        away.add(store)
        return None


def _places_of(worker: WorkerContext, row: Any) -> Iterator[Location]:
    """Yield where a file may be that was loaded; none where it cannot grow."""
    if is_url(row.path):
        with suppress(SourceError):
            remote = locate(row.path, worker.settings.connections)
            yield from () if remote.store.is_atomic else (remote,)
        return
    path = Path(row.path)
    yield from (path, *places_of_moved(path, row.id))


def _tell(worker: WorkerContext, row: Any, away: set[str]) -> bool:
    """Tell of one job's file if it is the same file and longer, also where the job has moved it to."""
    found = (_look(place, away) for place in _places_of(worker, row))
    now = next((seen for seen in found if seen and inode_of(seen) == row.inode), None)
    if now is None or now.size <= row.size:
        return False
    with worker.sessions.begin() as session:
        job = lock_job(session, row.id)
        if job is None or not record_growth(session, job, row.path, row.size, now.size):
            return False
    GROWN_SOURCES.add(1)
    log.warning(
        "source_grew",
        job_id=str(row.id),
        dataset=row.dataset,
        bytes_loaded=row.size,
        bytes_now=now.size,
    )
    return True
