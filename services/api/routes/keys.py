"""Make, list and revoke API keys: ``/v1/keys``, for administrators."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select, update

from libs.common.enums import AuditAction
from libs.common.errors import NotFound
from libs.common.ledger.api_keys import RIGHT_PATTERN, ApiKey
from libs.common.ledger.audit import record_audit
from libs.common.ledger.models import KeyRecord
from libs.common.strict_model import StrictModel
from services.api.dependencies import Wired
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import problems
from services.api.security.caller import Administrator

router = APIRouter(tags=["keys"])

_MOST_RIGHTS = 100
_BY_ID = Order[KeyRecord](KeyRecord.id, str)

Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Right = Annotated[str, Field(pattern=RIGHT_PATTERN)]
KeyId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{12}$", description="The part of a key between 'adsp_' and the next '_'."
    ),
]


class KeyCreation(StrictModel):
    """What a new key is for, whose it is, and what it may do."""

    name: Words = Field(description="What it is for, to people.")
    owner: Words = Field(description="Whose jobs it sees; several keys may share one.")
    scopes: list[Right] = Field(
        min_length=1,
        max_length=_MOST_RIGHTS,
        description="`read` GETs, `submit` what starts or stops jobs, `admin` everything; `read:NAME` and `submit:NAME`"
        " for some datasets alone, where `*` in the name stands for any characters.",
    )


class KeyDocument(BaseModel):
    """A key, without what makes it one."""

    id: str
    name: str
    owner: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To within a minute.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, record: KeyRecord, **more: str) -> Self:
        """Show a key."""
        known = KeyDocument.model_fields
        return cls(**{name: getattr(record, name) for name in known}, **more)


class NewKeyDocument(KeyDocument):
    """A key that has just been made."""

    key: str = Field(description="What its holder sends; it is shown this once.")


@router.get(
    "/v1/keys", operation_id="listKeys", summary="List API keys", responses=problems(422, 503)
)
def list_keys(
    dependencies: Wired, _caller: Administrator, asked: Annotated[PageQuery, Query()]
) -> Page[KeyDocument]:
    """List the keys by their ids, revoked ones too."""
    with dependencies.sessions() as session:
        return paginate(session, select(KeyRecord), _BY_ID, asked, ["keys"], KeyDocument.of)


@router.post(
    "/v1/keys",
    operation_id="createKey",
    summary="Make an API key",
    status_code=201,
    responses=problems(400, 413, 415, 422, 503),
)
def create_key(dependencies: Wired, caller: Administrator, body: KeyCreation) -> NewKeyDocument:
    """Make a key. Only the answer has it: the ledger keeps its digest."""
    key, scopes = ApiKey.make(), list(dict.fromkeys(body.scopes))
    with dependencies.sessions.begin() as session:
        record = KeyRecord(
            id=key.id, name=body.name, owner=body.owner, scopes=scopes, digest=key.digest
        )
        session.add(record)
        session.flush()
        details = {"owner": body.owner, "scopes": scopes}
        record_audit(session, caller.actor, AuditAction.KEY_CREATE, f"key/{key.id}", **details)
        return NewKeyDocument.of(record, key=key.text)


@router.post(
    "/v1/keys/{key_id}/revoke",
    operation_id="revokeKey",
    summary="Revoke an API key",
    responses=problems(404, 422, 503),
)
def revoke_key(dependencies: Wired, caller: Administrator, key_id: KeyId) -> KeyDocument:
    """End a key, and the sessions that began with it: the next request is refused. One that has ended stays so."""
    with dependencies.sessions.begin() as session:
        record = session.scalar(
            update(KeyRecord)
            .where(KeyRecord.id == key_id)
            .values(revoked_at=func.coalesce(KeyRecord.revoked_at, func.now()))
            .returning(KeyRecord)
        )
        if record is None:
            raise NotFound("key-not-found", f"there is no key {key_id!r}; GET /v1/keys lists them")
        record_audit(session, caller.actor, AuditAction.KEY_REVOKE, f"key/{key_id}")
        return KeyDocument.of(record)
