"""Plan a job over several files (`match: all`): what each file is, and which of them the job has to load.

    find ──► fingerprints ──► claim: leave out what is loaded ──► job_files ──► one header ──► one chunk

A file whose path, size, time and inode are those of one that was loaded is not read again (decision 33).
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Executable, bindparam, delete, select
from sqlalchemy.orm import Session

from libs.common.csv.header import Header
from libs.common.csv.stored_header import describe_header
from libs.common.enums import LOADED_STATES, JobState, LoadMode, Once
from libs.common.ledger.models import Job, JobFile
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location
from libs.common.sql_files import statement
from services.worker.dependencies import WorkerContext

ONCE_WITH = (
    Job.dataset == bindparam("dataset"),
    Job.id != bindparam("own_id"),
    bindparam("is_any_day") | (Job.data_date == bindparam("data_date")),
)
"""The other jobs of its dataset with which an append shares its contents: all, or those of its day."""
_MAY_HOLD = (*ONCE_WITH, Job.state.in_([*LOADED_STATES, JobState.RUNNING]))
# Put together once: that takes longer than to run them.
_LOADED_ALONE = select(Job.fingerprint, Job).where(
    Job.fingerprint.in_(bindparam("contents", expanding=True)), *_MAY_HOLD
)
_LOADED_WITH_OTHERS = (
    select(JobFile.fingerprint, Job)
    .join(Job, Job.id == JobFile.job_id)
    .where(
        JobFile.fingerprint.in_(bindparam("contents", expanding=True)),
        JobFile.duplicate_of.is_(None),
        *_MAY_HOLD,
    )
)
_SAME_CONTENTS: tuple[Executable, ...] = (_LOADED_ALONE, _LOADED_WITH_OTHERS)


@dataclass(frozen=True)
class DeliveredFile:
    """A file that the job's source means."""

    path: str
    identity: SourceIdentity
    fingerprint: str

    @property
    def inode(self) -> str:
        """Return what tells it from another file of the same path, size and time."""
        return inode_of(self.identity)


def identify_files(
    worker: WorkerContext, job: Job, found: Mapping[Location, SourceIdentity]
) -> tuple[DeliveredFile, ...]:
    """Return the files with their fingerprints, by path; raises `SourceUnsettled`."""
    telling = {path: seen for path, seen in found.items() if seen.tells_versions}
    with worker.sessions() as session:
        known = _read_known(session, job, telling)
    return tuple(
        DeliveredFile(
            str(path), seen, known.get((str(path), *_mark(seen))) or fingerprint(path, seen)
        )
        for path, seen in found.items()
    )


def fingerprint_of(files: Iterable[DeliveredFile]) -> str:
    """Return the fingerprint of a delivery: the contents of its files, in their order."""
    digest = hashlib.sha256(b"files:")
    for file in files:
        digest.update(bytes.fromhex(file.fingerprint))
    return digest.hexdigest()


def inode_of(seen: SourceIdentity) -> str:
    """Return device and inode as `job_files` has them."""
    return f"{seen.device}:{seen.inode}"


def find_loaded(session: Session, job: Job, files: Sequence[DeliveredFile]) -> dict[str, Job]:
    """Return the files that need not be loaded, by path, each with the job that has loaded it or is loading it.

    Of an append those whose content was loaded, or stands twice in this delivery; of an upsert those that were
    loaded from the same path and are as they were; of a replace none, since all of them are what the table holds.
    """
    mode = job.parsed_definition().mode
    if job.force or mode is LoadMode.REPLACE:
        return {}
    if mode is LoadMode.UPSERT:
        return _find_same_files(session, job, files)
    others = find_same_contents(session, job, {file.fingerprint for file in files})
    loaded: dict[str, Job] = {}
    seen: set[str] = set()
    for file in files:
        if file.fingerprint in others:
            loaded[file.path] = others[file.fingerprint]
        elif file.fingerprint in seen:
            loaded[file.path] = job
        seen.add(file.fingerprint)
    return loaded


def write_files(
    session: Session, job: Job, files: Sequence[DeliveredFile], loaded: Mapping[str, Job]
) -> None:
    """Put the job's files on record, in place of what an earlier plan has noted."""
    session.execute(delete(JobFile).where(JobFile.job_id == job.id))
    for number, file in enumerate(files):
        session.add(
            JobFile(
                job_id=job.id,
                number=number,
                path=file.path,
                size=file.identity.size,
                mtime_ns=file.identity.mtime_ns,
                inode=file.inode,
                fingerprint=file.fingerprint,
                duplicate_of=loaded[file.path].id if file.path in loaded else None,
            )
        )


def note_headers(
    session: Session, job: Job, files: Sequence[JobFile], headers: Sequence[Header]
) -> None:
    """Keep where the records of each file begin."""
    form = job.parsed_definition().format
    ends = [json.dumps(describe_header(header, form)) for header in headers]
    numbers = [file.number for file in files]
    session.execute(
        statement(__package__, "note_headers"),
        {"job_id": job.id, "numbers": numbers, "ends": ends},
    )


def read_files(session: Session, job_id: UUID) -> list[JobFile]:
    """Return the files that the job loads, in their order."""
    return list(
        session.scalars(
            select(JobFile)
            .where(JobFile.job_id == job_id, JobFile.duplicate_of.is_(None))
            .order_by(JobFile.number)
        )
    )


def read_seen_files(session: Session, job_id: UUID) -> tuple[DeliveredFile, ...]:
    """Return all files that the job's last look has found."""
    rows = session.scalars(select(JobFile).where(JobFile.job_id == job_id).order_by(JobFile.number))
    return tuple(DeliveredFile(row.path, _identity_of(row), row.fingerprint) for row in rows)


def _identity_of(row: JobFile) -> SourceIdentity:
    device, _, inode = row.inode.partition(":")
    return SourceIdentity(row.size, row.mtime_ns, inode=int(inode), device=int(device))


def find_same_contents(session: Session, job: Job, contents: Collection[str]) -> dict[str, Job]:
    """Return the jobs that have loaded these contents or are loading them, alone or with others, by fingerprint.

    Of several that which has loaded it before one that is about to, the first of them.
    """
    parameters = {**once_with(job), "contents": list(contents)}
    found = [
        (row[0], row[1])
        for statement in _SAME_CONTENTS
        for row in session.execute(statement, parameters)
    ]
    ordered = sorted(found, key=lambda pair: (pair[1].state not in LOADED_STATES, pair[1].id))
    return dict(reversed(ordered))


def once_with(job: Job) -> dict[str, object]:
    """Return the parameters of `ONCE_WITH`."""
    is_any_day = job.parsed_definition().once is not Once.DATA_DATE
    ours = {"dataset": job.dataset, "own_id": job.id, "data_date": job.data_date}
    return {**ours, "is_any_day": is_any_day}


def _find_same_files(session: Session, job: Job, files: Sequence[DeliveredFile]) -> dict[str, Job]:
    rows = session.execute(
        select(JobFile.path, JobFile.fingerprint, Job)
        .join(Job, Job.id == JobFile.job_id)
        .where(
            JobFile.path.in_([file.path for file in files]),
            JobFile.duplicate_of.is_(None),
            Job.dataset == job.dataset,
            Job.state.in_(LOADED_STATES),
            Job.definition["table"].astext == job.parsed_definition().table,
        )
        .order_by(Job.finished_at)
    )
    last = {row[0]: (row[1], row[2]) for row in rows}
    return {
        file.path: last[file.path][1]
        for file in files
        if last.get(file.path, ("",))[0] == file.fingerprint
    }


def _read_known(
    session: Session, job: Job, found: Mapping[Location, SourceIdentity]
) -> dict[tuple[str, int, int, str], str]:
    """Return the fingerprints of files that were loaded before, by what tells that they are as they were.

    Those that the job itself has seen before it had to wait are known too.
    """
    rows = session.execute(
        select(JobFile.path, JobFile.size, JobFile.mtime_ns, JobFile.inode, JobFile.fingerprint)
        .join(Job, Job.id == JobFile.job_id)
        .where(JobFile.path.in_(map(str, found)), Job.state.in_(LOADED_STATES) | (Job.id == job.id))
    )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}


def _mark(seen: SourceIdentity) -> tuple[int, int, str]:
    return seen.size, seen.mtime_ns, inode_of(seen)
