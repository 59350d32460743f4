"""Say who calls: the owner and scopes of the key that a request came with, and what they may see.

The routes declare the scope that they need here, which is also what the OpenAPI document says of them.
"""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from sqlalchemy.orm import Session

from libs.common.enums import Scope
from libs.common.ledger.api_keys import grants
from libs.common.ledger.audit import ANYBODY, Actor
from libs.common.ledger.jobs import find_job, unknown_job
from libs.common.ledger.models import Job
from services.api.errors.problems import ProblemError
from services.api.security.sessions import SessionToken

KEY_HEADER = "X-API-Key"

_BEARER = HTTPBearer(
    scheme_name="bearer", description="Authorization: Bearer adsp_…", auto_error=False
)
_HEADER = APIKeyHeader(
    name=KEY_HEADER, scheme_name="apiKey", description="The same key.", auto_error=False
)


@dataclass(frozen=True)
class Caller:
    """Who asks; without an owner it is anyone, on an api that asks for no keys."""

    owner: str | None
    scopes: frozenset[Scope]
    key_id: str | None = None
    address: str | None = None
    session: SessionToken | None = None
    """Of the console; None where a key was sent, or none is asked for."""

    @property
    def actor(self) -> Actor:
        """Return who the audit log says it was."""
        return Actor(self.owner or ANYBODY, self.key_id, self.address)

    def has_scope(self, scope: Scope) -> bool:
        """Return whether the caller has a scope."""
        return grants(self.scopes, scope)

    def can_see(self, job: Job) -> bool:
        """Return whether a job is there for this caller."""
        return self.sees(job.owner)

    def sees(self, owner: str | None) -> bool:
        """Return whether jobs of this owner are there for this caller; None: of nobody."""
        return self.has_scope(Scope.ADMIN) or (owner is not None and owner == self.owner)

    def find_job(self, session: Session, job_id: UUID) -> Job:
        """Return a job, or raise `NotFound`, also for one of another owner."""
        job = find_job(session, job_id)
        if not self.can_see(job):
            raise unknown_job(job_id)
        return job


ANYONE = Caller(owner=None, scopes=frozenset({Scope.ADMIN}))


async def _caller(
    request: Request,
    needed: SecurityScopes,
    _bearer: Annotated[object, Depends(_BEARER)],
    _header: Annotated[object, Depends(_HEADER)],
) -> Caller:
    """Return the caller that `authentication` found, or raise the problem for a scope that is missing."""
    caller: Caller = request.state.caller
    missing = [scope for scope in needed.scopes if not caller.has_scope(Scope(scope))]
    if missing:
        raise ProblemError(
            403,
            "scope-missing",
            f"this key lacks the scope {missing[0]!r}; use one that has it, or have one made: "
            f"./dev keys create --scope {missing[0]}",
        )
    return caller


Reader = Annotated[Caller, Security(_caller, scopes=[Scope.READ.value])]
Submitter = Annotated[Caller, Security(_caller, scopes=[Scope.SUBMIT.value])]
Administrator = Annotated[Caller, Security(_caller, scopes=[Scope.ADMIN.value])]
