"""Define datasets: ``/v1/datasets``. What cannot be loaded later is refused here, with the cure."""

import re
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Response
from psycopg2.extensions import connection as Connection  # a class in lower case
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from libs.common.catalog import TargetTable, check_target
from libs.common.datasets import DATASET_NAME_PATTERN, DatasetDefinition
from libs.common.db.models import Dataset
from libs.common.errors import BadInput
from libs.common.lifecycle import find_dataset
from libs.common.log import get_logger
from libs.common.statements import read_statement
from services.api.answers import Responses, problems
from services.api.callers import Administrator, Reader
from services.api.documents import DatasetDocument
from services.api.pages import Page, PageQuery, read_token, write_token
from services.api.wiring import Wired

log = get_logger(__name__)
router = APIRouter(tags=["datasets"])

DatasetName = Annotated[
    str,
    Path(
        pattern=DATASET_NAME_PATTERN,
        description="A lower-case letter, then up to 62 letters, digits, '_' or '-'.",
    ),
]

_PUT_ANSWERS: Responses = {
    200: {"description": "The dataset was changed."},
    201: {
        "description": "The dataset was made.",
        "headers": {"Location": {"description": "Where it is.", "schema": {"type": "string"}}},
        "model": DatasetDocument,
    },
    **problems(400, 413, 415, 422, 503),
}


@router.put(
    "/v1/datasets/{name}",
    operation_id="putDataset",
    summary="Make or change a dataset",
    responses=_PUT_ANSWERS,
)
def put_dataset(
    wiring: Wired,
    _caller: Administrator,
    name: DatasetName,
    body: DatasetDefinition,
    response: Response,
) -> DatasetDocument:
    """Store a definition; jobs under way keep the one that they were made under."""
    with wiring.sessions.begin() as session:
        table = check_target(_driver(session), body.table, mode=body.mode, key=body.key)
        _check_columns(table, body)
        row = session.execute(
            text(read_statement("services.api", "put_dataset")),
            {"name": name, "definition": body.model_dump_json()},
        ).one()
    if row.is_new:
        response.status_code = 201
        response.headers["Location"] = f"/v1/datasets/{name}"
    log.info("dataset_stored", dataset=name, is_new=row.is_new)
    return DatasetDocument(
        **body.model_dump(), name=name, created_at=row.created_at, updated_at=row.updated_at
    )


@router.get(
    "/v1/datasets/{name}",
    operation_id="getDataset",
    summary="Show a dataset",
    responses=problems(404, 422, 503),
)
def get_dataset(wiring: Wired, _caller: Reader, name: DatasetName) -> DatasetDocument:
    """Show a dataset's definition."""
    with wiring.sessions() as session:
        return DatasetDocument.of(find_dataset(session, name))


@router.get(
    "/v1/datasets",
    operation_id="listDatasets",
    summary="List datasets",
    responses=problems(422, 503),
)
def list_datasets(
    wiring: Wired, _caller: Reader, asked: Annotated[PageQuery, Query()]
) -> Page[DatasetDocument]:
    """List datasets by name."""
    query = select(Dataset).order_by(Dataset.name).limit(asked.page_size + 1)
    after = read_token(asked.page_token, _name, "datasets")
    if after is not None:
        query = query.where(Dataset.name > after)
    with wiring.sessions() as session:
        datasets = list(session.scalars(query))
    shown = datasets[: asked.page_size]
    token = write_token(shown[-1].name, "datasets") if len(datasets) > len(shown) else None
    return Page(items=[DatasetDocument.of(dataset) for dataset in shown], next_page_token=token)


def _name(text: str) -> str:
    """Return a dataset's name, or raise ValueError when it is none."""
    if re.fullmatch(DATASET_NAME_PATTERN, text) is None:
        raise ValueError(text)
    return text


def _driver(session: Session) -> Connection:
    """Return psycopg2's connection of the session's transaction."""
    return cast(Connection, session.connection().connection.driver_connection)


def _check_columns(table: TargetTable, definition: DatasetDefinition) -> None:
    """Refuse a mapping to columns that cannot be loaded."""
    loadable = [column.name for column in table.columns if not column.is_generated]
    for cell, column in definition.columns.items():
        if column not in loadable:
            raise BadInput(
                "column-unknown",
                f"'columns' maps {cell!r} to {column!r}, which {table.name} does not have or "
                f"Postgres generates; its columns are {', '.join(loadable)}",
            )
