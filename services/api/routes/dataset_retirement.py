"""Stop a dataset for a while or for good: pause and resume its schedule, delete it.

Nothing here touches the table or what was loaded. See docs/decisions/0030.
"""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from libs.common.enums import AuditAction
from libs.common.errors import Conflict
from libs.common.ledger.audit import record_audit
from libs.common.ledger.datasets import require_live
from libs.common.ledger.models import Dataset, Job
from libs.common.logs import get_logger
from services.api.dataset_changes import lock_dataset, require_state
from services.api.dataset_schemas import AnyDatasetDocument, describe_dataset
from services.api.dependencies import Dependencies, Wired
from services.api.preconditions import ETAG, PRECONDITION, IfMatchHeader, tag
from services.api.responses import Responses, problems
from services.api.routes.datasets import DatasetName
from services.api.security.caller import Administrator, Caller

log = get_logger(__name__)
router = APIRouter(tags=["datasets"])

_SHOWN: Responses = {
    200: {"description": "The dataset as it is now.", "headers": ETAG},
    **problems(404, 422, 503),
}


@router.post(
    "/v1/datasets/{name}/pause",
    operation_id="pauseDataset",
    summary="Pause a dataset's schedule",
    responses=_SHOWN,
)
def pause_dataset(
    dependencies: Wired, caller: Administrator, name: DatasetName, response: Response
) -> AnyDatasetDocument:
    """Make no jobs by the schedule until it is resumed; other triggers work, and jobs under way go on."""
    return _set_paused(dependencies, caller, name, response, is_paused=True)


@router.post(
    "/v1/datasets/{name}/resume",
    operation_id="resumeDataset",
    summary="Resume a dataset's schedule",
    responses=_SHOWN,
)
def resume_dataset(
    dependencies: Wired, caller: Administrator, name: DatasetName, response: Response
) -> AnyDatasetDocument:
    """Make jobs by the schedule again; of the due times that were missed, those that `catch_up` says."""
    return _set_paused(dependencies, caller, name, response, is_paused=False)


@router.delete(
    "/v1/datasets/{name}",
    status_code=204,
    operation_id="deleteDataset",
    summary="Delete a dataset",
    responses={
        204: {"description": "The dataset is deleted."},
        **PRECONDITION,
        **problems(404, 409, 422, 503),
    },
)
def delete_dataset(
    dependencies: Wired, caller: Administrator, name: DatasetName, if_match: IfMatchHeader = None
) -> None:
    """Delete a dataset of which no job is unfinished. Its table, jobs, failed rows and versions stay.

    A later PUT of the name goes on where it ended: what was loaded is not loaded again.
    """
    with dependencies.sessions.begin() as session:
        # A job that is being made holds the row against this lock.
        query = select(Dataset).where(Dataset.name == name).with_for_update()
        dataset = require_live(name, session.scalar(query))
        require_state(dataset, if_match)
        _refuse_unfinished(session, name)
        dataset.deleted_at = datetime.now(UTC)
        dataset.paused_at = dataset.last_due_at = None
        record_audit(session, caller.actor, AuditAction.DATASET_DELETE, f"dataset/{name}")
    log.info("dataset_deleted", dataset=name)


def _set_paused(
    dependencies: Dependencies, caller: Caller, name: str, response: Response, *, is_paused: bool
) -> AnyDatasetDocument:
    with dependencies.sessions.begin() as session:
        dataset = require_live(name, lock_dataset(session, name))
        if is_paused is not (dataset.paused_at is not None):
            dataset.paused_at = datetime.now(UTC) if is_paused else None
            action = AuditAction.DATASET_PAUSE if is_paused else AuditAction.DATASET_RESUME
            record_audit(session, caller.actor, action, f"dataset/{name}")
            log.info("dataset_paused" if is_paused else "dataset_resumed", dataset=name)
        document = describe_dataset(dataset)
    tag(response, document)
    return document


def _refuse_unfinished(session: Session, name: str) -> None:
    """Refuse to take a dataset from under its jobs."""
    unfinished = select(func.count(), func.min(cast(Job.id, Text))).where(
        Job.dataset == name, Job.finished_at.is_(None)
    )
    count, first = session.execute(unfinished).one()
    if count:
        raise Conflict(
            "jobs-unfinished",
            f"dataset {name!r} has {count} unfinished jobs, the first is {first}; wait until they have ended or "
            "cancel them (POST /v1/jobs/{id}/cancel), then delete it; pausing it first keeps its schedule from "
            "making more",
        )
