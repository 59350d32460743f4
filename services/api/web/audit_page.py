"""Show who changed what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from libs.common.enums import AuditAction
from services.api.dependencies import Wired
from services.api.routes.audit import AuditQuery, list_audit
from services.api.security.caller import Administrator
from services.api.web.forms import without_empty
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


class AuditForm(AuditQuery):
    """The filters as a form sends them."""

    _drop_empty = without_empty


@router.get("/audit")
def show_audit(
    request: Request,
    dependencies: Wired,
    caller: Administrator,
    asked: Annotated[AuditForm, Query()],
) -> HTMLResponse:
    """Show a page of the changes."""
    filters = asked.model_dump(mode="json", exclude={"page_token"}, exclude_unset=True)
    return show_page(
        request,
        "audit.html",
        entries=list_audit(dependencies, caller, asked),
        filters={name: str(value) for name, value in filters.items() if value is not None},
        actions=list(AuditAction),
    )
