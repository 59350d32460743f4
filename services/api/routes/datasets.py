"""Define datasets: ``/v1/datasets``. What cannot be loaded later is refused here, saying how to fix it."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import select

from libs.common.datasets.definition import DATASET_NAME_PATTERN, DatasetDefinition
from libs.common.enums import AuditAction
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.models import Dataset
from services.api.dataset_changes import change_definition, lock_dataset, require_state
from services.api.dataset_schemas import (
    AnyDatasetDocument,
    ChangedDatasetDocument,
    describe_dataset,
)
from services.api.dependencies import Wired
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.preconditions import ETAG, PRECONDITION, IfMatchHeader, tag
from services.api.responses import Responses, problems
from services.api.security.caller import Administrator, Reader

router = APIRouter(tags=["datasets"])


def _name(text: str) -> str:
    """Return a dataset's name, or raise ValueError when it is none."""
    if re.fullmatch(DATASET_NAME_PATTERN, text) is None:
        raise ValueError(text)
    return text


BY_NAME = Order[Dataset](Dataset.name, _name)

DatasetName = Annotated[
    str,
    Path(
        pattern=DATASET_NAME_PATTERN,
        description="A lower-case letter, then up to 62 letters, digits, '_' or '-'.",
    ),
]

DryRun = Annotated[
    bool,
    Query(
        description="Show what the dataset would be, or why it would be refused, and store nothing."
    ),
]

_PUT_ANSWERS: Responses = {
    200: {
        "description": "The dataset is defined so: it was changed, or was so before.",
        "headers": ETAG,
    },
    201: {
        "description": "The dataset was made.",
        "headers": {
            **ETAG,
            "Location": {"description": "Where it is.", "schema": {"type": "string"}},
        },
        "model": ChangedDatasetDocument,
    },
    **PRECONDITION,
    **problems(400, 413, 415, 422, 503),
}


@router.put(
    "/v1/datasets/{name}",
    operation_id="putDataset",
    summary="Make or change a dataset",
    responses=_PUT_ANSWERS,
)
def put_dataset(
    dependencies: Wired,
    caller: Administrator,
    name: DatasetName,
    body: DatasetDefinition,
    response: Response,
    if_match: IfMatchHeader = None,
    *,
    dry_run: DryRun = False,
) -> ChangedDatasetDocument:
    """Store a definition; jobs under way keep the one that they were made under, a paused dataset stays paused.

    An equal definition changes nothing. One that was deleted goes on: what was loaded is not loaded again.
    """
    with dependencies.sessions() as session:
        dataset = lock_dataset(session, name)
        require_state(dataset, if_match)
        change = change_definition(session, name, dataset, body)
        if dry_run:
            return change.answer
        change.record(session, caller.actor, AuditAction.DATASET_PUT)
        session.commit()
    change.log_stored()
    if change.is_new:
        response.status_code = 201
        response.headers["Location"] = f"/v1/datasets/{name}"
    tag(response, change.document)
    return change.answer


@router.get(
    "/v1/datasets/{name}",
    operation_id="getDataset",
    summary="Show a dataset",
    responses={200: {"headers": ETAG}, **problems(404, 422, 503)},
)
def get_dataset(
    dependencies: Wired, caller: Reader, name: DatasetName, response: Response
) -> AnyDatasetDocument:
    """Show a dataset's definition."""
    caller.require(name)
    with dependencies.sessions() as session:
        document = describe_dataset(find_dataset(session, name))
    tag(response, document)
    return document


@router.get(
    "/v1/datasets",
    operation_id="listDatasets",
    summary="List datasets",
    responses=problems(422, 503),
)
def list_datasets(
    dependencies: Wired, caller: Reader, asked: Annotated[PageQuery, Query()]
) -> Page[AnyDatasetDocument]:
    """List the datasets that the key may read by name."""
    query = select(Dataset).where(Dataset.deleted_at.is_(None), caller.of_datasets(Dataset.name))
    with dependencies.sessions() as session:
        return paginate(session, query, BY_NAME, asked, ["datasets"], describe_dataset)
