"""Show what a dataset's definition has been: ``/v1/datasets/{name}/versions``, also of a deleted dataset."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.errors import NotFound
from libs.common.ledger.jobs import unknown_dataset
from libs.common.ledger.models import Dataset, DatasetVersion
from services.api.dataset_schemas import DatasetVersionDocument
from services.api.dependencies import Wired
from services.api.pagination import Page, PageQuery, read_token, write_token
from services.api.responses import problems
from services.api.routes.datasets import DatasetName
from services.api.security.caller import Reader

router = APIRouter(tags=["datasets"])

_MOST = (1 << 31) - 1


@router.get(
    "/v1/datasets/{name}/versions",
    operation_id="listDatasetVersions",
    summary="List the versions of a dataset's definition",
    responses=problems(404, 422, 503),
)
def list_versions(
    dependencies: Wired, _caller: Reader, name: DatasetName, asked: Annotated[PageQuery, Query()]
) -> Page[DatasetVersionDocument]:
    """List the definitions that a dataset has had, the current one first."""
    scope = ("versions", name)
    query = (
        select(DatasetVersion)
        .where(DatasetVersion.dataset == name)
        .order_by(DatasetVersion.version.desc())
        .limit(asked.page_size + 1)
    )
    before = read_token(asked.page_token, int, *scope)
    if before is not None:
        query = query.where(DatasetVersion.version < min(before, _MOST))
    with dependencies.sessions() as session:
        _require_known(session, name)
        versions = list(session.scalars(query))
    shown = versions[: asked.page_size]
    token = write_token(shown[-1].version, *scope) if len(versions) > len(shown) else None
    return Page(items=[DatasetVersionDocument.of(each) for each in shown], next_page_token=token)


@router.get(
    "/v1/datasets/{name}/versions/{version}",
    operation_id="getDatasetVersion",
    summary="Show a version of a dataset's definition",
    responses=problems(404, 422, 503),
)
def get_version(
    dependencies: Wired,
    _caller: Reader,
    name: DatasetName,
    version: Annotated[int, Path(ge=1, le=_MOST, description="`definition_version` of a job.")],
) -> DatasetVersionDocument:
    """Show the definition that the jobs of this version were made under."""
    with dependencies.sessions() as session:
        _require_known(session, name)
        found = session.get(DatasetVersion, (name, version))
    if found is None:
        raise NotFound(
            "version-unknown",
            f"dataset {name!r} has no version {version}; GET /v1/datasets/{name}/versions lists them",
        )
    return DatasetVersionDocument.of(found)


def _require_known(session: Session, name: str) -> None:
    if session.get(Dataset, name) is None:
        raise unknown_dataset(name)
