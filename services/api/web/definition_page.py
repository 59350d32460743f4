"""Edit the definition of a dataset: as a form or as YAML, reviewed field by field before it is stored.

    GET edit ──► POST edit ──► errors beside the fields, or the review ──► POST edit/save ──► the dataset
                     ▲────────────── change it further ──────┘

What is stored is what `PUT` stores. Each step carries the ETag that the first one saw: who has been overtaken by
somebody else's change is warned, and sees the difference to what is stored by then.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput
from services.api.dataset_schemas import DatasetDocument
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import ProblemError
from services.api.routes.datasets import DatasetName, get_dataset, put_dataset
from services.api.security.caller import Administrator, Caller
from services.api.web.curl import curl
from services.api.web.definition_difference import differences
from services.api.web.definition_form import (
    Errors,
    Texts,
    document_of,
    read_form,
    read_whole,
    show_form,
    texts_of,
    validate,
)
from services.api.web.forms import Form, see_other
from services.api.web.pages import show_page
from services.api.web.yaml_text import write_yaml

router = APIRouter(include_in_schema=False)

_CHANGED = 412
_MALFORMED = "the definition is none that this page has sent; begin again with its form"


@dataclass(frozen=True)
class Stored:
    """A dataset as it is stored: its ETag, its definition, and that in short, without defaults."""

    name: str
    version: int
    etag: str
    definition: dict[str, Any]
    brief: dict[str, Any]
    refused: str | None

    @classmethod
    def find(cls, dependencies: Dependencies, caller: Caller, name: str) -> "Stored":
        """Return it, or raise `NotFound`; a definition that today's rules refuse is there to be corrected."""
        answer = Response()
        document = get_dataset(dependencies, caller, name, answer)
        etag, shown = answer.headers["etag"], document.model_dump(mode="json")
        if isinstance(document, DatasetDocument):
            definition = {field: shown[field] for field in DatasetDefinition.model_fields}
            brief = document_of(DatasetDefinition.model_validate(definition))
            return cls(name, document.version, etag, definition, brief, None)
        beside = set(type(document).model_fields)
        definition = {field: value for field, value in shown.items() if field not in beside}
        return cls(name, document.version, etag, definition, definition, document.refused)


@router.get("/datasets/{name}/edit")
def edit(
    request: Request, dependencies: Wired, caller: Administrator, name: DatasetName
) -> HTMLResponse:
    """Show the definition as a form, and as YAML."""
    stored = Stored.find(dependencies, caller, name)
    errors = validate(stored.definition)[1] if stored.refused else {}
    return _show_form(request, stored, stored.etag, texts_of(stored.brief), errors)


@router.post("/datasets/{name}/edit")
def review(
    request: Request, dependencies: Wired, caller: Administrator, name: DatasetName, sent: Form
) -> HTMLResponse:
    """Show how a definition differs from the stored one, or what is wrong with it; store nothing."""
    stored = Stored.find(dependencies, caller, name)
    seen = sent.get("etag", stored.etag)
    if "definition" in sent:
        brief = document_of(_parsed(sent["definition"]))
        return _show_form(request, stored, seen, texts_of(brief), {})
    whole = sent.get("yaml")
    definition, errors = read_form(sent) if whole is None else read_whole(whole)
    if definition is not None:
        try:
            return _review(request, dependencies, caller, stored, definition, seen)
        except BadInput as exc:
            errors = {"": [exc.message]}
    texts = sent if whole is None else texts_of(stored.brief)
    return _show_form(request, stored, seen, texts, errors, whole=whole)


@router.post("/datasets/{name}/edit/save")
def save(
    request: Request, dependencies: Wired, caller: Administrator, name: DatasetName, sent: Form
) -> Response:
    """Store the reviewed definition, unless the dataset has changed since it was shown."""
    definition, seen = _parsed(sent.get("definition", "")), sent.get("etag", "")
    try:
        put_dataset(dependencies, caller, name, definition, Response(), seen)
    except BadInput as exc:
        stored = Stored.find(dependencies, caller, name)
        texts = texts_of(document_of(definition))
        return _show_form(request, stored, seen, texts, {"": [exc.message]})
    except ProblemError as exc:
        if exc.status != _CHANGED:
            raise
        stored = Stored.find(dependencies, caller, name)
        return _review(request, dependencies, caller, stored, definition, seen)
    return see_other(f"/datasets/{name}")


def _parsed(text: str) -> DatasetDefinition:
    """Return the definition that a review carries, or raise the problem."""
    try:
        return DatasetDefinition.model_validate_json(text)
    except ValidationError as exc:
        raise BadInput("definition-malformed", _MALFORMED) from exc


def _review(
    request: Request,
    dependencies: Dependencies,
    caller: Caller,
    stored: Stored,
    definition: DatasetDefinition,
    seen: str,
) -> HTMLResponse:
    """Show what a PUT would change and warn of, or raise the `BadInput` that it would be refused with."""
    answer = put_dataset(
        dependencies, caller, stored.name, definition, Response(), None, dry_run=True
    )
    is_overtaken = seen != stored.etag
    path = f"/v1/datasets/{stored.name}"
    body = document_of(definition)
    return show_page(
        request,
        "definition_review.html",
        status=_CHANGED if is_overtaken else 200,
        name=stored.name,
        version=stored.version,
        is_overtaken=is_overtaken,
        changes=differences(stored.definition, definition.model_dump(mode="json")),
        warnings=answer.warnings,
        definition=definition.model_dump_json(),
        etag=stored.etag,
        curl=curl(request, "PUT", path, body, if_match=stored.etag),
    )


def _show_form(
    request: Request,
    stored: Stored,
    seen: str,
    texts: Texts,
    errors: Errors,
    *,
    whole: str | None = None,
) -> HTMLResponse:
    """Show the form; what was sent stays in it, so that nothing has to be typed again."""
    form = show_form(texts, errors if whole is None else {})
    return show_page(
        request,
        "definition.html",
        status=422 if errors and request.method == "POST" else 200,
        name=stored.name,
        version=stored.version,
        refused=stored.refused,
        form=form,
        etag=seen,
        yaml=write_yaml(stored.brief) if whole is None else whole,
        yaml_errors=[] if whole is None else _listed(errors),
    )


def _listed(errors: Errors) -> list[str]:
    return [f"{name}: {text}" if name else text for name in errors for text in errors[name]]
