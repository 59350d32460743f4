"""Make the job that loads the failed rows of another one, as they are or corrected; refuse what cannot be loaded so."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import END_STATES, LOADED_STATES, ErrorCode, JobState, Trigger
from libs.common.errors import Conflict
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.jobs import JobRequest
from libs.common.ledger.models import FailedRow, Job
from libs.common.ledger.replays import (
    IS_WHOLE,
    OPEN_ENDED,
    definition_of_replay,
    is_one_record,
    replayable_rows,
)
from services.api.dependencies import Dependencies
from services.api.exports.dialects import definition_of
from services.api.exports.removed_rows import require_kept
from services.api.idempotency import keyed
from services.api.limits.quotas import require_room
from services.api.security.caller import Caller
from services.api.submission import FindEarlier, Submission
from services.api.uploads.receive import (
    submit_stored,
)
from services.api.uploads.replayed_files import write_failed_rows
from services.api.uploads.upload_area import StoredUpload


@dataclass(frozen=True)
class Replayed:
    """The job whose failed rows are replayed, how many there are of each code, and how many are kept in part only."""

    job: Job
    before: DatasetDefinition
    current: DatasetDefinition
    version: int
    codes: dict[ErrorCode, int]
    cut: int


@dataclass(frozen=True)
class ReplayOptions:
    """How a file of failed rows is loaded; one that a person has corrected may be of another form than theirs."""

    is_corrected: bool = False
    force: bool = False
    dry_run: bool = False


async def replay_as_is(
    dependencies: Dependencies, caller: Caller, job_id: UUID, idempotency_key: str | None
) -> Submission:
    """Load the failed rows of a job again as they are."""
    replayed = await find_with_room(dependencies, caller, job_id, idempotency_key)
    stored = await store_failed_rows(dependencies, caller, replayed)
    return await run_in_threadpool(
        submit_replay,
        dependencies,
        caller,
        replayed,
        stored,
        ReplayOptions(),
        idempotency_key,
    )


def submit_replay(
    dependencies: Dependencies,
    caller: Caller,
    replayed: Replayed,
    stored: StoredUpload,
    options: ReplayOptions,
    idempotency_key: str | None = None,
    find_earlier: FindEarlier | None = None,
) -> Submission:
    """Make the job that loads a file of failed rows.

    `find_earlier` returns the job that has loaded the file, or raises; it is asked while no other replay can be made.
    """
    job_id = replayed.job.id
    definition = definition_of_replay(
        replayed.before, replayed.current, "auto" if options.is_corrected else "none"
    )
    if find_earlier is not None:  # another draft may follow one that fails
        definition = definition.model_copy(update={"atomic": True})
    job_request = JobRequest(
        dataset=replayed.job.dataset,
        trigger=Trigger.REPLAY,
        source=str(stored.path),
        data_date=replayed.job.data_date,
        force=options.force,
        dry_run=options.dry_run,
        owner=replayed.job.owner,
        replay_of=job_id,
        definition=definition,
        definition_version=replayed.version,
    )
    route = f"POST /v1/jobs/{job_id}/replay"
    keyed_request = keyed(
        idempotency_key, route, stored.digest, f"{options.force}{' dry' * options.dry_run}"
    )
    return submit_stored(
        dependencies, caller.actor, stored, job_request, keyed_request, find_earlier
    )


async def find_with_room(
    dependencies: Dependencies, caller: Caller, job_id: UUID, idempotency_key: str | None
) -> Replayed:
    """Return the job if it has rows to replay and its owner room for one more."""
    replayed = await run_in_threadpool(find_replayed, dependencies, caller, job_id)
    if idempotency_key is None:  # one that was sent before is answered as then
        await run_in_threadpool(_require_room, dependencies, replayed.job.owner)
    return replayed


async def store_failed_rows(
    dependencies: Dependencies, caller: Caller, replayed: Replayed
) -> StoredUpload:
    """Store the failed rows of a job as they are in the upload area."""
    async with dependencies.upload_slots.writing(caller.owner):
        return await run_in_threadpool(_write_failed_rows, dependencies, replayed)


def find_replayed(dependencies: Dependencies, caller: Caller, job_id: UUID) -> Replayed:
    """Return the job if it has rows to replay, or raise `NotFound` or `Conflict`."""
    with dependencies.sessions() as session:
        job = caller.find_job(session, job_id)
        if job.state not in END_STATES:
            raise Conflict(
                "job-not-ended",
                f"job {job_id} is {job.state.value}; replay it when it has ended",
            )
        if job.dry_run:
            raise Conflict(
                "job-was-dry-run",
                f"job {job_id} was a dry run: none of its rows is loaded; correct its source and load that",
            )
        require_kept(job)
        codes = _count_codes(session, job_id)
        if not codes:
            raise _nothing_to_replay(job)
        dataset = find_dataset(session, job.dataset)
        return Replayed(
            job,
            before=definition_of(job),
            current=dataset.parsed(),
            version=dataset.version,
            codes=codes,
            cut=_count_cut(session, job_id),
        )


def _require_room(dependencies: Dependencies, owner: str | None) -> None:
    with dependencies.sessions() as session:
        require_room(session, dependencies.settings, owner)


def _count_codes(session: Session, job_id: UUID) -> dict[ErrorCode, int]:
    counted = replayable_rows(job_id, FailedRow.error_code).group_by(FailedRow.error_code)
    return {row[0]: row[1] for row in session.execute(counted.add_columns(func.count()))}


def _count_cut(session: Session, job_id: UUID) -> int:
    cut = replayable_rows(job_id, FailedRow.byte_offset).where(~IS_WHOLE)
    return session.scalars(select(func.count()).select_from(cut.subquery())).one()


def _nothing_to_replay(job: Job) -> Conflict:
    """Word why a job that has ended has no rows to replay, saying how to fix it."""
    if job.state in LOADED_STATES:
        return Conflict("no-failed-rows", f"every row of job {job.id} is loaded: nothing is left")
    if job.state is JobState.DUPLICATE:
        cure = f"its content was loaded by job {job.duplicate_of}; replay that one"
    elif job.state is JobState.OUTDATED:
        cure = f"the table holds a newer delivery, of job {job.outdated_by}; load its source with force to go back"
    else:
        cure = "none of its rows was loaded; fix the cause and load its source again"
    return Conflict("no-failed-rows", f"job {job.id} has ended as {job.state.value}: {cure}")


def _write_failed_rows(dependencies: Dependencies, replayed: Replayed) -> StoredUpload:
    """Write the failed rows as they are, where all of them can be loaded so."""
    _refuse_cut(replayed)
    _refuse_damaged(dependencies, replayed)
    return write_failed_rows(
        dependencies.sessions, dependencies.settings, replayed.job, replayed.before.format
    )


def _refuse_cut(replayed: Replayed) -> None:
    """Refuse rows of which only a part is kept: what a replay could load of them would be wrong."""
    if replayed.cut and replayed.before.masked_columns:
        raise Conflict(
            "failed-rows-masked",
            f"of {replayed.cut} of the failed rows the cells of masked columns are not kept: load their file again "
            "once it is right, correct each of them as a whole with `record` (PUT "
            f"/v1/jobs/{replayed.job.id}/corrections/PLACE), or put their records into the file that GET "
            f"/v1/jobs/{replayed.job.id}/failed-rows?format=source gives, and send it as the body",
        )
    if replayed.cut:
        raise Conflict(
            "failed-rows-cut",
            f"of {replayed.cut} of the failed rows only the start is kept, since they are longer than "
            "ADSP_MAX_FAILED_RECORD_BYTES of the loader: take their records from the source (line_number and "
            "byte_offset of the rows with record_bytes), put them into the file that GET "
            f"/v1/jobs/{replayed.job.id}/failed-rows?format=source gives, and send it as the body",
        )


def _refuse_damaged(dependencies: Dependencies, replayed: Replayed) -> None:
    """Refuse rows that cannot be loaded as they are and could spoil others."""
    damaged = {code: count for code, count in replayed.codes.items() if code in OPEN_ENDED}
    if ErrorCode.LINE_TOO_LONG in damaged:
        damaged[ErrorCode.LINE_TOO_LONG] = _count_unsound(dependencies, replayed)
    named = ", ".join(f"{count} {code.value}" for code, count in sorted(damaged.items()) if count)
    if named:
        raise Conflict(
            "failed-rows-damaged",
            f"{named} of the failed rows cannot be loaded as they are; correct them in the file that GET "
            f"/v1/jobs/{replayed.job.id}/failed-rows?format=source gives, and send it as the body",
        )


def _count_unsound(dependencies: Dependencies, replayed: Replayed) -> int:
    """Count the rows above the cap that would not be one record without it."""
    dialect = replayed.before.format
    long = replayable_rows(replayed.job.id, FailedRow.raw).where(
        FailedRow.error_code == ErrorCode.LINE_TOO_LONG
    )
    with dependencies.sessions() as session:
        raws = session.scalars(long.execution_options(yield_per=1))
        return sum(not is_one_record(raw, dialect) for raw in raws)
