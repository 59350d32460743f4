"""Show who changed what: ``GET /v1/audit``, the newest first."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field
from sqlalchemy import select

from libs.common.enums import AuditAction
from libs.common.ids import earliest_uuid7
from libs.common.ledger.models import AuditEntry
from services.api.dependencies import Wired
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import problems
from services.api.security.caller import Administrator

router = APIRouter(tags=["audit"])

_NEWEST_FIRST = Order[AuditEntry](AuditEntry.id, UUID, is_descending=True)


_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _require_moment(value: Any) -> Any:
    """Refuse the numbers that would pass for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _MOMENT.match(value)):
        return value
    raise ValueError("write the moment as 2026-11-27T06:00:00Z")


_Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_require_moment),
    AfterValidator(lambda moment: max(moment, _EPOCH)),
]
"""Entries are found by the time in their id, which begins in 1970."""


class AuditQuery(PageQuery):
    """Which changes to list."""

    who: str | None = Field(
        None, max_length=200, pattern=r"^[^\x00]*$", description="Owner of the API key."
    )
    action: AuditAction | None = None
    object: str | None = Field(
        None,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="What was changed: job/<id>, dataset/<name> or key/<id>.",
    )
    since: _Moment | None = Field(None, description="No earlier than this.")
    until: _Moment | None = Field(None, description="Before this.")


class AuditDocument(BaseModel):
    """One change."""

    id: UUID
    at: datetime
    who: str = Field(
        description="Owner of the API key; `anybody` through an api without keys, `operator` past the api."
    )
    key_id: str | None
    address: str | None = Field(description="Where the request came from.")
    request_id: str | None = Field(description="X-Request-ID, as in the logs.")
    action: str = Field(description=f"One of {', '.join(AuditAction)}.")
    object: str = Field(description="What was changed.")
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Show an entry."""
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


@router.get(
    "/v1/audit",
    operation_id="listAudit",
    summary="List who changed what",
    responses=problems(422, 503),
)
def list_audit(
    dependencies: Wired, _caller: Administrator, asked: Annotated[AuditQuery, Query()]
) -> Page[AuditDocument]:
    """List the changes that people and clients have made, the newest first."""
    filters = asked.model_dump(exclude={"page_size", "page_token"}, exclude_none=True)
    equal = {name: value for name, value in filters.items() if name not in {"since", "until"}}
    query = select(AuditEntry).filter_by(**equal)
    if asked.since is not None:
        query = query.where(AuditEntry.id >= earliest_uuid7(asked.since))
    if asked.until is not None:
        query = query.where(AuditEntry.id < earliest_uuid7(asked.until))
    with dependencies.sessions() as session:
        scope = ("audit", *sorted(filters.items()))
        return paginate(session, query, _NEWEST_FIRST, asked, scope, AuditDocument.of)
