"""Change a dataset in part: ``PATCH /v1/datasets/{name}`` with a JSON merge patch (RFC 7396)."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.ledger.datasets import require_live
from services.api.dataset_changes import change_definition, lock_dataset, require_state
from services.api.dataset_schemas import ChangedDatasetDocument
from services.api.dependencies import Wired
from services.api.errors.problems import ProblemError
from services.api.media_type import media_type
from services.api.preconditions import ETAG, PRECONDITION, IfMatchHeader, tag
from services.api.responses import Responses, problems
from services.api.routes.datasets import DatasetName
from services.api.security.caller import Administrator

router = APIRouter(tags=["datasets"])

MERGE_PATCH = "application/merge-patch+json"
_TYPES = (MERGE_PATCH, "application/json")

_ANSWERS: Responses = {
    200: {"description": "The dataset as it is now.", "headers": ETAG},
    **PRECONDITION,
    **problems(400, 404, 413, 415, 422, 503),
}
_BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}


@router.patch(
    "/v1/datasets/{name}",
    operation_id="patchDataset",
    summary="Change a dataset in part",
    responses=_ANSWERS,
    openapi_extra=_BODY,
)
def patch_dataset(
    request: Request,
    dependencies: Wired,
    _caller: Administrator,
    name: DatasetName,
    patch: Annotated[dict[str, Any], Body(media_type=MERGE_PATCH)],
    response: Response,
    if_match: IfMatchHeader = None,
) -> ChangedDatasetDocument:
    """Merge a JSON merge patch (RFC 7396) into the definition: what it does not name stays, null gives the default.

    The result must be what PUT would take.
    """
    _require_type(request)
    with dependencies.sessions.begin() as session:
        dataset = require_live(name, lock_dataset(session, name))
        require_state(dataset, if_match)
        definition = _validated(merge(dataset.definition, patch))
        change = change_definition(session, name, dataset, definition)
    tag(response, change.document)
    return change.answer


def merge(target: Any, patch: Any) -> Any:
    """Return `target` with a merge patch applied, as RFC 7396 says."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def _require_type(request: Request) -> None:
    """Refuse other kinds of JSON: a JSON patch means something else."""
    if media_type(request) not in _TYPES:
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"send a JSON merge patch (RFC 7396) with 'Content-Type: {MERGE_PATCH}'",
            {"Accept-Patch": ", ".join(_TYPES)},
        )


def _validated(merged: Any) -> DatasetDefinition:
    """Return the merged definition, or raise what a PUT of it would be answered with."""
    try:
        return DatasetDefinition.model_validate(merged)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc
