"""Correct a group of failed rows by a rule: what it would change, then the button that writes it."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from libs.common.errors import BadInput
from services.api.corrections.schemas import RuleDocument, RuleRequest
from services.api.corrections.selection import Filter
from services.api.dependencies import Wired
from services.api.exports.csv_report import require_header
from services.api.routes.corrections import apply_rule
from services.api.security.caller import Submitter
from services.api.web.curl import curl
from services.api.web.forms import Form, parsed_form, see_other, without_empty
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)

_EXAMPLES = 20
_FIELDS = {
    "replace": ("find", "by"),
    "date_format": ("read", "write"),
}
"""What the two fields of the form are called in a rule of each kind."""


class RuleForm(Filter):
    """A rule and the rows it is for, as a form sends them."""

    cell: str = ""
    kind: str = "trim"
    begins: str = Field("", alias="from")
    ends: str = Field("", alias="to")
    _drop_empty = without_empty

    def as_rule(self) -> dict[str, Any]:
        """Return the rule that the fields say."""
        if self.kind == "map":
            return {"kind": "map", "values": {self.begins: self.ends}}
        names = _FIELDS.get(self.kind, ())
        given = dict(zip(names, (self.begins, self.ends), strict=False))
        return {"kind": self.kind, **{name: text for name, text in given.items() if text}}

    def as_request(self, **more: Any) -> RuleRequest:
        """Return the request that the form stands for, or raise what it would be answered with."""
        where = self.model_dump(mode="json", include=set(Filter.model_fields), exclude_none=True)
        fields = {"rule": self.as_rule(), "cell": self.cell, "where": where, **more}
        return parsed_form(RuleRequest, fields)


@router.get("/jobs/{job_id}/corrections/rule")
def preview_rule(
    request: Request,
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    asked: Annotated[RuleForm, Query()],
) -> HTMLResponse:
    """Show what a rule would change."""
    with dependencies.sessions() as session:
        job = caller.find_job(session, job_id)
        header = require_header(job)
    body = asked.as_request(examples=_EXAMPLES)
    result: RuleDocument | None = None
    refusal = None
    try:
        result = apply_rule(dependencies, caller, job_id, body)
    except BadInput as exc:
        refusal = exc.message
    filters = body.where.model_dump(mode="json", exclude_none=True)
    call = {**body.model_dump(mode="json", exclude_none=True), "preview": False}
    version = result.draft_version if result else ""
    return show_page(
        request,
        "rule.html",
        status=422 if refusal else 200,
        job=job,
        job_path=f"/jobs/{job_id}",
        header=header,
        rule=asked.model_dump(
            mode="json", by_alias=True, include={"cell", "kind", "begins", "ends"}
        ),
        filters=filters,
        result=result,
        refusal=refusal,
        version=version,
        curl=curl(
            request, "PATCH", f"/v1/jobs/{job_id}/corrections", {**call, "draft_version": version}
        ),
        back=_list(job_id, filters),
    )


@router.post("/jobs/{job_id}/corrections/rule")
def write_rule(dependencies: Wired, caller: Submitter, job_id: UUID, form: Form) -> Response:
    """Write what the preview has shown into the draft, and lead back to the rows."""
    names = {"draft_version"}
    asked = parsed_form(RuleForm, {name: form[name] for name in form if name not in names})
    body = asked.as_request(preview=False, draft_version=form.get("draft_version", ""), examples=0)
    apply_rule(dependencies, caller, job_id, body)
    return see_other(_list(job_id, body.where.model_dump(mode="json", exclude_none=True)))


def _list(job_id: UUID, filters: Mapping[str, str]) -> str:
    path = f"/jobs/{job_id}/failed-rows"
    return f"{path}?{urlencode(filters)}" if filters else path
