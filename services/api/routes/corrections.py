"""Correct the failed rows of a job: ``/v1/jobs/{id}/corrections``, a draft that people share until a replay loads it.

PUT a row, PATCH a rule ──► draft ──► POST check: what Postgres would say ──► POST replay: loaded, once
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.errors import NotFound
from libs.common.ledger.models import Correction, FailedRow, Job
from services.api.corrections.draft import (
    audit,
    draft_version,
    lock_draft,
    remove,
    require_correctable,
    require_draft_version,
    require_versions,
    save,
)
from services.api.corrections.record_cells import (
    change_cells,
    encode_record,
    refuse_marker,
    replay_dialect,
)
from services.api.corrections.replay import replay_draft
from services.api.corrections.rule_runs import GroupRule, run_rule
from services.api.corrections.schemas import (
    CorrectionBody,
    CorrectionDocument,
    CorrectionPage,
    ExampleDocument,
    Removed,
    RuleDocument,
    RuleRequest,
)
from services.api.corrections.selection import rows_with_drafts
from services.api.dependencies import Wired
from services.api.errors.problems import ProblemError
from services.api.exports.csv_report import require_header
from services.api.exports.dialects import masks_columns
from services.api.idempotency import IdempotencyKeyHeader, keyed
from services.api.pagination import Order, PageQuery, paginate
from services.api.responses import JOB_ACCEPTED, Responses, accepted, problems
from services.api.schemas import JobDocument
from services.api.security.caller import Caller, Reader, Submitter

router = APIRouter(tags=["corrections"])

_BY_PLACE = Order[Correction](Correction.byte_offset, int)
_PATH = "/v1/jobs/{job_id}/corrections"
_REFUSED: Responses = problems(400, 404, 409, 413, 415, 422, 503)

Place = Annotated[int, Path(ge=0, lt=1 << 63, description="`place` of the failed row.")]


@router.get(
    _PATH,
    operation_id="listCorrections",
    summary="List the corrections of a job",
    responses=_REFUSED,
)
def list_corrections(
    dependencies: Wired, caller: Reader, job_id: UUID, asked: Annotated[PageQuery, Query()]
) -> CorrectionPage:
    """List the draft in the order of the file."""
    with dependencies.sessions() as session:
        caller.find_job(session, job_id)
        query = select(Correction).where(Correction.job_id == job_id)
        scope = ("corrections", job_id)
        page = paginate(session, query, _BY_PLACE, asked, scope, CorrectionDocument.of)
        return CorrectionPage(**dict(page), draft_version=draft_version(session, job_id))


@router.put(
    _PATH + "/{place:int}",
    operation_id="putCorrection",
    summary="Correct a failed row",
    responses=_REFUSED,
)
def put_correction(
    dependencies: Wired, caller: Submitter, job_id: UUID, place: Place, body: CorrectionBody
) -> CorrectionDocument:
    """Write the correction of one failed row into the draft."""
    given = {"place": place, **body.model_dump(exclude={"version"})}
    with dependencies.sessions.begin() as session:
        job = find_correctable(session, caller, job_id)
        _require_writable(session, job, place, body)
        lock_draft(session, job)
        require_versions(session, job_id, {place: body.version})
        save(session, caller.actor, job_id, [given])
        audit(session, caller.actor, job_id, place=place)
        return CorrectionDocument.of(session.get_one(Correction, (job_id, place)))


@router.patch(
    _PATH,
    operation_id="applyRule",
    summary="Correct a group of failed rows by a rule",
    responses=_REFUSED,
)
def apply_rule(
    dependencies: Wired, caller: Submitter, job_id: UUID, body: RuleRequest
) -> RuleDocument:
    """Show what a rule would change, or write that into the draft."""
    asked = GroupRule(body.rule, body.cell, body.where)
    with dependencies.sessions.begin() as session:
        job = find_correctable(session, caller, job_id)
        if not body.preview:
            lock_draft(session, job)
            require_draft_version(session, job_id, body.draft_version or "")
        run = run_rule(session, job, asked, body.examples, None if body.preview else caller.actor)
        return RuleDocument(
            rows=run.rows,
            changed=run.changed,
            unreadable=run.unreadable,
            whole=run.whole,
            examples=[ExampleDocument.of(example) for example in run.examples],
            draft_version=draft_version(session, job_id),
        )


@router.delete(
    _PATH + "/{place:int}",
    operation_id="deleteCorrection",
    summary="Take the correction of a row back",
    responses=_REFUSED,
)
def delete_correction(
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    place: Place,
    version: Annotated[int, Query(description="The version that you have seen.")],
) -> Removed:
    """Take the correction of one row out of the draft."""
    with dependencies.sessions.begin() as session:
        lock_draft(session, find_correctable(session, caller, job_id))
        require_versions(session, job_id, {place: version})
        removed = remove(session, job_id, [place])
        audit(session, caller.actor, job_id, place=place, removed=removed)
    return Removed(removed=removed)


@router.delete(
    _PATH,
    operation_id="deleteCorrections",
    summary="Take all corrections of a job back",
    responses=_REFUSED,
)
def delete_corrections(
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    draft_version: Annotated[
        str, Query(max_length=64, description="The version of the draft that you have seen.")
    ],
) -> Removed:
    """Empty the draft."""
    with dependencies.sessions.begin() as session:
        lock_draft(session, find_correctable(session, caller, job_id))
        require_draft_version(session, job_id, draft_version)
        removed = remove(session, job_id)
        audit(session, caller.actor, job_id, removed=removed)
    return Removed(removed=removed)


@router.post(
    _PATH + "/check",
    status_code=202,
    operation_id="checkCorrections",
    summary="See what Postgres says of the corrected rows, without loading them",
    responses={**JOB_ACCEPTED, **problems(409, 507)},
)
async def check_corrections(
    response: Response, dependencies: Wired, caller: Submitter, job_id: UUID
) -> JobDocument:
    """Make a dry run of the replay: it ends `checked`, its failed rows are what would be refused."""
    return accepted(await replay_draft(dependencies, caller, job_id, dry_run=True), response)


@router.post(
    _PATH + "/replay",
    status_code=202,
    operation_id="replayCorrections",
    summary="Load the failed rows as they are corrected",
    responses={**JOB_ACCEPTED, **problems(409, 507)},
)
async def replay_corrections(
    response: Response,
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Make the job that loads the draft, rows without a correction as they are; asked again, it is the same job.

    The draft is closed then: what is refused again is a failed row of the new job, to be corrected there.
    """
    keyed(idempotency_key, "")  # a bad key is refused before the file is written
    submission = await replay_draft(
        dependencies, caller, job_id, dry_run=False, idempotency_key=idempotency_key
    )
    return accepted(submission, response)


def find_correctable(session: Session, caller: Caller, job_id: UUID) -> Job:
    """Return a job whose failed rows can be loaded by a replay, or raise `NotFound` or `Conflict`."""
    job = caller.find_job(session, job_id)
    require_correctable(job)
    return job


def _require_writable(session: Session, job: Job, place: int, body: CorrectionBody) -> None:
    """Raise for a row that is not there, and for a correction that cannot stand in a file."""
    row = find_row(session, job, place)
    dialect = replay_dialect(session, job)
    if body.record is not None:
        record = encode_record(body.record, dialect)
        if row.record_bytes is not None and masks_columns(job):
            refuse_marker(row.raw, record, require_header(job), dialect)
    if body.cells is not None:
        _refuse_part(row, is_masked=masks_columns(job))
        change_cells(row.raw, require_header(job), dialect, body.cells)


def find_row(session: Session, job: Job, place: int) -> FailedRow:
    """Return a failed row that a replay would load, or raise `NotFound`."""
    query = rows_with_drafts(job.id, FailedRow.byte_offset == place)
    found = session.execute(query).first()
    if found is None:
        raise NotFound(
            "failed-row-unknown",
            f"job {job.id} has no failed row {place} that a replay would load; GET /v1/jobs/{job.id}/failed-rows lists "
            "them, with the `place` of each",
        )
    row: FailedRow = found[0]
    return row


def _refuse_part(row: FailedRow, *, is_masked: bool) -> None:
    if row.record_bytes is not None and is_masked:
        raise ProblemError(
            409,
            "failed-rows-masked",
            "the cells of masked columns are not kept, so that the others cannot be corrected alone; take the record "
            "from its source and send it whole, as `record`, or load the file again",
        )
    if row.record_bytes is not None:
        raise ProblemError(
            409,
            "failed-rows-cut",
            "only the start of this record is kept; take it from its source and send it whole, as `record`",
        )
