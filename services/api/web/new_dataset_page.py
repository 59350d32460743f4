"""Make a dataset from a file: what the file is, the table and the definition proposed, the button that makes both."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import TypeAdapter, ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput
from services.api.dependencies import Dependencies, Wired
from services.api.limits.body_limit import TAKES_FILE
from services.api.routes.datasets import DatasetName, put_dataset
from services.api.routes.inspect import (
    InspectDocument,
    InspectQuery,
    inspect_body,
    inspect_stored,
)
from services.api.routes.tables import TableCreation, create_table
from services.api.security.caller import Administrator
from services.api.uploads.upload_area import IncomingUpload, safe_filename
from services.api.web.dataset_details import as_yaml
from services.api.web.forms import Form, parsed_form, require_script, see_other
from services.api.web.pages import show_page
from services.api.web.yaml_text import read_yaml

router = APIRouter(include_in_schema=False)

PATH = "/new-dataset"
_NAME: TypeAdapter[str] = TypeAdapter(DatasetName)


@router.get(PATH)
def show_new_dataset(request: Request, _caller: Administrator) -> HTMLResponse:
    """Ask for a file."""
    return _show(request, None)


@router.post(PATH)
def inspect_text(
    request: Request, dependencies: Wired, _caller: Administrator, sent: Form
) -> HTMLResponse:
    """Show what the pasted start of a file is."""
    given = {name: sent[name] for name in ("filename", "table") if sent.get(name)}
    asked = parsed_form(InspectQuery, given)
    text = sent.get("text", "").replace("\r\n", "\n")
    try:
        return _show(request, _inspect_text(dependencies, text, asked), sent)
    except BadInput as exc:
        return _show(request, None, sent, refusal=exc.message)


@router.post(PATH + "/inspect", dependencies=[TAKES_FILE, Depends(require_script)])
async def inspect_file(
    request: Request,
    dependencies: Wired,
    caller: Administrator,
    asked: Annotated[InspectQuery, Query()],
) -> HTMLResponse:
    """Show what the file that a script has sent is, as a part of the page."""
    seen = await inspect_body(request, dependencies, caller, asked)
    return show_page(request, "seen.html", **_values(seen))


@router.post(PATH + "/create")
def create(request: Request, dependencies: Wired, caller: Administrator, sent: Form) -> Response:
    """Make the table, if that is asked for, and the dataset; lead to it."""
    try:
        name = _NAME.validate_python(sent.get("name", ""))
        definition = DatasetDefinition.model_validate(read_yaml(sent.get("definition", "")))
        if "make_table" in sent:
            columns = json.loads(sent.get("columns", "[]"))
            table = {"table": definition.table, "columns": columns}
            create_table(dependencies, caller, parsed_form(TableCreation, table))
        put_dataset(dependencies, caller, name, definition, Response())
    except BadInput as exc:
        return _show(request, None, sent, refusal=exc.message)
    except ValidationError as exc:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()[:5])
        return _show(request, None, sent, refusal=said)
    return see_other(f"/datasets/{name}")


def _inspect_text(dependencies: Dependencies, text: str, asked: InspectQuery) -> InspectDocument:
    settings = dependencies.settings
    upload = IncomingUpload.begin(
        settings.upload_dir, safe_filename(asked.filename), settings.max_body_bytes
    )
    try:
        upload.write(text.encode("utf-8", "replace"))
        return inspect_stored(dependencies, upload.keep(), asked)
    finally:
        upload.discard()


def _show(
    request: Request,
    seen: InspectDocument | None,
    sent: Mapping[str, str] | None = None,
    refusal: str | None = None,
) -> HTMLResponse:
    """Show the page; what was sent stays in its fields, so that nothing has to be typed again."""
    return show_page(
        request,
        "new_dataset.html",
        status=422 if refusal else 200,
        sent=sent or {},
        refusal=refusal,
        **_values(seen),
    )


def _values(seen: InspectDocument | None) -> dict[str, Any]:
    if seen is None:
        return {"seen": None}
    columns = [{"name": each.column, "type": each.type} for each in seen.columns if each.column]
    return {
        "seen": seen,
        "definition": as_yaml(seen.definition),
        "columns": json.dumps(columns),
        "is_new": not seen.table_exists,
    }
