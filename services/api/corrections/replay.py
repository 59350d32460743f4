"""Load the failed rows of a job with the corrections of its draft: once, or to see what Postgres says of them.

    failed rows, each as its draft has it ──► upload area ──► job with `replay_of`

Rows without a correction go as they are, those that are discarded stay behind.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from libs.common.csv.dialect import FileFormat
from libs.common.errors import Conflict
from libs.common.ledger.models import Correction, FailedRow, Job
from libs.common.ledger.replays import OPEN_ENDED, definition_of_replay, is_one_record
from services.api.corrections.draft import (
    draft_version,
    find_replay,
    lock_draft,
    require_draft_version,
)
from services.api.corrections.record_cells import change_cells, encode_record
from services.api.corrections.selection import rows_with_drafts
from services.api.dependencies import Dependencies
from services.api.exports.csv_report import require_header
from services.api.replays import Replayed, ReplayOptions, find_with_room, submit_replay
from services.api.security.caller import Caller
from services.api.submission import Submission
from services.api.uploads.replayed_files import LAST_IN_FILE, ROWS_AT_A_TIME, write_records
from services.api.uploads.upload_area import StoredUpload


async def replay_draft(
    dependencies: Dependencies,
    caller: Caller,
    job_id: UUID,
    *,
    dry_run: bool,
    idempotency_key: str | None = None,
) -> Submission:
    """Make the job that loads the draft, or return the one that has; a dry run only says what would be refused."""
    replayed = await find_with_room(dependencies, caller, job_id, idempotency_key)
    async with dependencies.upload_slots.writing(caller.owner):
        stored, version = await run_in_threadpool(_write_draft, dependencies, replayed)

    def find_earlier(session: Session, source: str) -> Job | None:
        return None if dry_run else _find_earlier(session, replayed.job, source, version)

    return await run_in_threadpool(
        submit_replay,
        dependencies,
        caller,
        replayed,
        stored,
        ReplayOptions(dry_run=dry_run),
        idempotency_key,
        find_earlier,
    )


def _find_earlier(session: Session, job: Job, source: str, version: str) -> Job | None:
    """Return the replay of this very draft; raise `Conflict` for another one, or when the draft has changed."""
    earlier = find_replay(session, job.id)
    if earlier is not None and Path(earlier.source).name == Path(source).name:
        return earlier
    lock_draft(session, job)
    require_draft_version(session, job.id, version)
    return None


def _write_draft(dependencies: Dependencies, replayed: Replayed) -> tuple[StoredUpload, str]:
    job = replayed.job
    dialect = definition_of_replay(replayed.before, replayed.current, "none").format
    query = rows_with_drafts(job.id).order_by(LAST_IN_FILE, FailedRow.byte_offset)
    with dependencies.sessions() as session:
        # One snapshot, so that the version is that of what is written.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        version = draft_version(session, job.id)
        rows = session.execute(query.execution_options(yield_per=ROWS_AT_A_TIME))
        records = _records(rows, job, dialect)
        return write_records(dependencies.settings, job, dialect, records), version


def _records(rows: Iterable[Any], job: Job, dialect: FileFormat) -> Iterator[bytes]:
    is_empty = True
    for row, draft in rows:
        if draft is not None and draft.discarded:
            continue
        is_empty = False
        yield corrected_record(row, draft, require_header(job), dialect)
    if is_empty:
        raise Conflict(
            "nothing-to-load",
            f"every failed row of job {job.id} is discarded in the draft: there is nothing to load; take back a "
            "correction that discards a row",
        )


def corrected_record(
    row: FailedRow, draft: Correction | None, header: list[str], dialect: FileFormat
) -> bytes:
    """Return the bytes of a row as its draft has it, or raise `Conflict` where it cannot be loaded as it is."""
    if draft is not None and draft.record is not None:
        return encode_record(draft.record, dialect)
    if row.record_bytes is not None:
        raise _must_be_corrected(
            row, "not all of it is kept (it is cut, or masked), take its record from the source"
        )
    if draft is not None and draft.cells is not None:
        return change_cells(row.raw, header, dialect, draft.cells)
    if row.error_code in OPEN_ENDED and not is_one_record(row.raw, dialect):
        raise _must_be_corrected(row, f"{row.error_code.value}, it would swallow rows after it")
    return row.raw


def _must_be_corrected(row: FailedRow, reason: str) -> Conflict:
    return Conflict(
        "failed-rows-damaged",
        f"the row of line {row.line_number} (place {row.byte_offset}) cannot be loaded as it is: {reason}; correct it "
        "with `record`, or discard it",
    )
