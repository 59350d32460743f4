"""Change a dataset in part: ``PATCH /v1/datasets/{name}`` by a merge patch (RFC 7396) or a JSON patch (RFC 6902).

In a merge patch null gives an option its default, also one of which null is a value; a JSON patch can say null.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, RootModel, ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import AuditAction
from libs.common.errors import BadInput
from libs.common.ledger.datasets import require_live
from services.api.dataset_changes import change_definition, lock_dataset, require_state
from services.api.dataset_schemas import ChangedDatasetDocument
from services.api.dependencies import Wired
from services.api.errors.problems import ProblemError
from services.api.json_patch import JsonPatch, JsonPatchError, Operation
from services.api.media_type import media_type
from services.api.preconditions import ETAG, PRECONDITION, IfMatchHeader, tag
from services.api.responses import Responses, problems
from services.api.routes.datasets import DatasetName
from services.api.security.caller import Administrator

router = APIRouter(tags=["datasets"])

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_TYPES = (MERGE_PATCH, "application/json", JSON_PATCH)

_Model = TypeVar("_Model", bound=BaseModel)


class _MergePatch(RootModel[dict[str, Any]]):
    """What a merge patch of an object must be."""


_ANSWERS: Responses = {
    200: {"description": "The dataset as it is now.", "headers": ETAG},
    **PRECONDITION,
    **problems(400, 404, 413, 415, 422, 503),
}
_PATCHES = {
    "application/json": {"schema": {"type": "object"}},
    MERGE_PATCH: {"schema": {"type": "object"}},
    JSON_PATCH: {"schema": {"type": "array", "items": Operation.model_json_schema(by_alias=True)}},
}
_BODY = {"requestBody": {"content": _PATCHES, "required": True}}


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
    caller: Administrator,
    name: DatasetName,
    patch: Annotated[Any, Body(media_type=MERGE_PATCH)],
    response: Response,
    if_match: IfMatchHeader = None,
) -> ChangedDatasetDocument:
    """Merge a JSON merge patch (RFC 7396) into the definition: what it does not name stays, null gives the default.

    Or do the operations of a JSON patch (RFC 6902), in which null is a value: `[{"op": "add", "path": "/format/quote",
    "value": null}]`. The result must be what PUT would take.
    """
    _require_type(request)
    apply = _read_patch(request, patch)
    with dependencies.sessions.begin() as session:
        dataset = require_live(name, lock_dataset(session, name))
        require_state(dataset, if_match)
        definition = _validated(DatasetDefinition, apply(dataset.definition))
        change = change_definition(session, name, dataset, definition)
        change.record(session, caller.actor, AuditAction.DATASET_PATCH)
    change.log_stored()
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


def _read_patch(request: Request, patch: Any) -> Callable[[Any], Any]:
    """Return what applies a patch of the kind that the request names to a definition."""
    if media_type(request) != JSON_PATCH:
        changes = _validated(_MergePatch, patch).root
        return lambda definition: merge(definition, changes)
    return partial(_operate, _validated(JsonPatch, {"operations": patch}))


def _operate(patch: JsonPatch, definition: Any) -> Any:
    """Return a definition on which the operations of a JSON patch were done."""
    try:
        return patch.apply(definition)
    except JsonPatchError as exc:
        raise BadInput(
            "patch-not-possible",
            f"{exc}; GET the dataset, and correct the patch for what it is now",
        ) from exc


def _require_type(request: Request) -> None:
    """Refuse other kinds of JSON."""
    if media_type(request) not in _TYPES:
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"send a JSON merge patch (RFC 7396) with 'Content-Type: {MERGE_PATCH}', or a JSON patch (RFC 6902) with "
            f"'Content-Type: {JSON_PATCH}'",
            {"Accept-Patch": ", ".join(_TYPES)},
        )


def _validated(model: type[_Model], document: Any) -> _Model:
    """Return a document in its typed form, or raise what a PUT of it would be answered with."""
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        errors = [
            {**error, "loc": ("body", *(part for part in error["loc"] if part != "operations"))}
            for error in exc.errors()
        ]
        raise RequestValidationError(errors) from exc
