"""Move or delete the files that a job has loaded, where its dataset says so (`after_load`).

    loaded ──► files_due_at ──► moved beside: loaded/NAME ──► the file that was loaded? ──► stays there, or is deleted
                                                                      └── another one: it goes back

A file with records of which `failed_rows` keep the start alone is moved in place of deleted: the rest is nowhere else.

A file is checked once it has left its place: what a sender puts there meanwhile is neither moved nor deleted. Every
step may be repeated: what is not there any more is done. What cannot be moved is tried again for a day.
"""

import math
import os
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from libs.common.datasets.job_warnings import JobWarning, merge_warnings
from libs.common.enums import AfterLoad, WarningCode
from libs.common.errors import SourceError
from libs.common.ledger.advisory_locks import advisory_xact_lock
from libs.common.ledger.models import FailedRow, Job, JobFile
from libs.common.ledger.replays import IS_WHOLE
from libs.common.logs import get_logger
from libs.common.sources.regular_files import SourceIdentity, folder_without_links, identity
from libs.common.sources.stores.locations import RemoteFile
from libs.common.sources.stores.retries import asking_once
from libs.common.sources.stores.store import StoreFault
from services.worker.dependencies import WorkerContext
from services.worker.loaded_objects import put_remote_away
from services.worker.loaded_places import FOLDER, places_of_moved
from services.worker.planning.job_files import read_seen_files

log = get_logger(__name__)

_AGAIN = timedelta(minutes=5)
_PATIENCE = timedelta(days=1)
_LONGEST = 60.0
"""Seconds that a sweep spends on the files of jobs: it brings back lost chunks, too."""


_STAYING = select(1)
"""Postgres ends a transaction that holds a lock and asks nothing for minutes; a store may be slow."""


class _LoadedFile(NamedTuple):
    path: str
    seen: SourceIdentity

    def is_seen_in(self, found: SourceIdentity) -> bool:
        return (found.size, found.mtime_ns) == (self.seen.size, self.seen.mtime_ns)


def put_files_away(worker: WorkerContext, job_id: UUID, ends_at: float = math.inf) -> None:
    """Do what the job's dataset says about its files, if it is still to be done.

    What is not done by `ends_at` (monotonic seconds), or behind a fault of a store, is left for a later time.
    """
    with worker.sessions.begin() as session:
        advisory_xact_lock(session, f"adsp.files:{job_id}")
        job = session.get_one(Job, job_id)
        if job.files_due_at is None:
            return
        way = _way_of(session, job)
        errors = _put_all_away(worker, session, job, way, ends_at)
        job.files_due_at = None
        if errors:
            _try_again(job, errors)


def put_due_files_away(worker: WorkerContext, limit: int) -> int:
    """Do the same for the jobs that are due; return how many there were."""
    due = select(Job.id).where(Job.files_due_at <= func.now()).order_by(Job.files_due_at)
    with worker.sessions() as session:
        job_ids = session.scalars(due.limit(limit)).all()
    ends_at, done = time.monotonic() + _LONGEST, 0
    with asking_once():
        for job_id in job_ids:
            if time.monotonic() >= ends_at:
                break  # the rest with a later sweep
            put_files_away(worker, job_id, ends_at)
            done += 1
    return done


def _way_of(session: Session, job: Job) -> AfterLoad:
    """Return what the dataset says, or the next best where failed rows need their file; a warning tells."""
    way = AfterLoad(job.definition["after_load"])
    if way is not AfterLoad.DELETE or not _needs_files(session, job):
        return way
    _warn(
        job,
        f"of some failed rows only the start is kept, so that the files were moved into {FOLDER!r}, not deleted: "
        "replay those rows from there (line_number, byte_offset), then delete the files by hand",
    )
    return AfterLoad.MOVE


def _needs_files(session: Session, job: Job) -> bool:
    """Return whether failed rows are cut that stand in the job's files, of this job or of one that has loaded them."""
    of_files = select(JobFile.duplicate_of).where(JobFile.job_id == job.id)
    jobs = {job.id, job.duplicate_of, *session.scalars(of_files)}
    cut = select(FailedRow.id).where(FailedRow.job_id.in_(jobs - {None}), ~IS_WHOLE)
    return session.scalar(cut.limit(1)) is not None


def _files_of(session: Session, job: Job) -> list[_LoadedFile]:
    if job.source_path is not None:
        marks = job.seen_identity or {}
        seen = SourceIdentity(
            job.bytes_total or 0,
            job.source_mtime_ns or 0,
            marks.get("inode", 0),
            marks.get("device", 0),
        )
        return [_LoadedFile(job.source_path, seen)]
    if job.known_content is not None:  # a duplicate of one file, which was never planned
        known = dict(job.known_content["file"])
        return [_LoadedFile(known.pop("path"), SourceIdentity(**known))]
    return [_LoadedFile(each.path, each.identity) for each in read_seen_files(session, job.id)]


def _put_all_away(
    worker: WorkerContext, session: Session, job: Job, way: AfterLoad, ends_at: float
) -> list[str]:
    """Move or delete the job's files; return what went wrong."""
    files = _files_of(session, job)
    errors: list[str] = []
    random.shuffle(files)  # so that each has its turn where there is no time for all
    for file in files:
        if time.monotonic() >= ends_at:
            return [*errors, "there was no time for all files"]
        session.execute(_STAYING)
        try:
            error = _put_away(worker, job, way, file)
        except StoreFault as exc:
            log.warning("loaded_file_kept", job_id=str(job.id), path=file.path, error=str(exc))
            return [*errors, f"{file.path}: {exc}"]  # the other files lie there too
        if error is not None:
            errors.append(error)
    return errors


def _put_away(worker: WorkerContext, job: Job, way: AfterLoad, file: _LoadedFile) -> str | None:
    """Move or delete a file; return what went wrong, None when it is done or is another file. Raises `StoreFault`."""
    try:
        location = worker.settings.location(file.path)
        if isinstance(location, RemoteFile):
            is_done = put_remote_away(location, file.seen, job.id, way)
        else:
            is_done = _put_path_away(location, file, job.id, way)
    except SourceError as exc:
        # It is not there any more, or is no file: done; or its store does not let us.
        return exc.message if exc.code == "source-not-allowed" else None
    except OSError as exc:
        log.warning("loaded_file_kept", job_id=str(job.id), path=file.path, error=str(exc))
        return f"{file.path}: {exc.strerror}"
    if is_done:
        log.info("loaded_file_put_away", job_id=str(job.id), path=file.path, way=way.value)
    return None


def _put_path_away(path: Path, file: _LoadedFile, job_id: UUID, way: AfterLoad) -> bool:
    """Move or delete a file of this machine; return False when it is another one."""
    if not file.is_seen_in(identity(path)):
        return False
    with folder_without_links(path) as folder:
        moved = _move(path, folder, job_id)
    if not file.is_seen_in(identity(moved)):
        # Fails where there is one again: then this one stays where it is.
        os.link(moved, path)
        moved.unlink()
        return False
    if way is AfterLoad.DELETE:
        moved.unlink()
    return True


def _move(path: Path, folder: int, job_id: UUID) -> Path:
    """Move a file into the folder beside it, under a name that is not taken there, and return where it is.

    A link in the place of that folder is not followed: whoever sends files could have them put anywhere.
    """
    with suppress(FileExistsError):
        os.mkdir(FOLDER, 0o755, dir_fd=folder)
    target, other = places_of_moved(path, job_id)
    if os.path.lexists(target):
        target = other
    with folder_without_links(target) as loaded:
        os.rename(path.name, target.name, src_dir_fd=folder, dst_dir_fd=loaded)
    return target


def _try_again(job: Job, errors: list[str]) -> None:
    """Try again later, or give up with a warning of the job."""
    now = datetime.now(UTC)
    if job.finished_at is not None and now < job.finished_at + _PATIENCE:
        job.files_due_at = now + _AGAIN
        return
    _warn(
        job,
        f"'after_load' could not be done ({errors[0]}): give the worker's user write permission to that folder, and "
        "move the files by hand",
        {"files": len(errors)},
    )


def _warn(job: Job, message: str, counts: Mapping[str, int] | None = None) -> None:
    """Say in the job's warnings that its files are not where its dataset wants them."""
    warning = JobWarning(WarningCode.SOURCE_KEPT, message, counts or {})
    job.warnings = merge_warnings([*job.warnings, warning.as_document()])
