"""Show what a dataset's definition has been: ``/v1/datasets/{name}/versions``, also of a deleted dataset."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.errors import NotFound
from libs.common.ledger.datasets import unknown_dataset
from libs.common.ledger.models import Dataset, DatasetVersion
from services.api.dataset_schemas import DatasetVersionDocument
from services.api.dependencies import Wired
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import problems
from services.api.routes.datasets import DatasetName
from services.api.security.caller import Reader

router = APIRouter(tags=["datasets"])

_MOST = (1 << 31) - 1
_NEWEST_FIRST = Order[DatasetVersion](
    DatasetVersion.version, lambda version: min(int(version), _MOST), is_descending=True
)


@router.get(
    "/v1/datasets/{name}/versions",
    operation_id="listDatasetVersions",
    summary="List the versions of a dataset's definition",
    responses=problems(404, 422, 503),
)
def list_versions(
    dependencies: Wired, caller: Reader, name: DatasetName, asked: Annotated[PageQuery, Query()]
) -> Page[DatasetVersionDocument]:
    """List the definitions that a dataset has had, the current one first."""
    caller.require(name)
    scope = ("versions", name)
    query = select(DatasetVersion).where(DatasetVersion.dataset == name)
    with dependencies.sessions() as session:
        _require_known(session, name)
        return paginate(session, query, _NEWEST_FIRST, asked, scope, DatasetVersionDocument.of)


@router.get(
    "/v1/datasets/{name}/versions/{version}",
    operation_id="getDatasetVersion",
    summary="Show a version of a dataset's definition",
    responses=problems(404, 422, 503),
)
def get_version(
    dependencies: Wired,
    caller: Reader,
    name: DatasetName,
    version: Annotated[int, Path(ge=1, le=_MOST, description="`definition_version` of a job.")],
) -> DatasetVersionDocument:
    """Show the definition that the jobs of this version were made under."""
    caller.require(name)
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
