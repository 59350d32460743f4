"""Say who calls: the owner and scopes of the key that a request came with, and what they may see.

The routes declare the scope that they need here, which is also what the OpenAPI document says of them.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from libs.common.enums import Scope
from libs.common.ledger.api_keys import Rights
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
    scopes: frozenset[str]
    """Rights as they are stored: see `Rights`."""
    key_id: str | None = None
    address: str | None = None
    session: SessionToken | None = None
    """Of the console; None where a key was sent, or none is asked for."""
    needed: Scope = Scope.READ
    """What the route needs: of jobs and datasets, those count for which the caller has it."""

    @property
    def actor(self) -> Actor:
        """Return who the audit log says it was."""
        return Actor(self.owner or ANYBODY, self.key_id, self.address)

    @cached_property
    def rights(self) -> Rights:
        """Return what the caller may do."""
        return Rights(self.scopes)

    def has_scope(self, scope: Scope) -> bool:
        """Return whether the caller has a scope, for one dataset at least."""
        return self.rights.has_scope(scope)

    def may(self, scope: Scope, dataset: str) -> bool:
        """Return whether the caller has a scope for a dataset."""
        return self.rights.allow(scope, dataset)

    def require(self, dataset: str) -> None:
        """Raise the problem unless what the route needs is allowed for a dataset, which may not be there."""
        if not self.may(self.needed, dataset):
            raise _scope_missing(f"{self.needed}:{dataset}")

    def require_all(self) -> None:
        """Raise the problem unless what the route needs is allowed for all datasets."""
        if self.rights.datasets(self.needed) is not None:
            raise _scope_missing(self.needed)

    def can_see(self, job: Job) -> bool:
        """Return whether a job is there for this caller."""
        return self.sees(job.owner, job.dataset)

    def sees(self, owner: str | None, dataset: str) -> bool:
        """Return whether jobs of this owner, None: of nobody, and this dataset are there for this caller."""
        if self.has_scope(Scope.ADMIN):
            return True
        return owner is not None and owner == self.owner and self.may(self.needed, dataset)

    def jobs(self) -> ColumnElement[bool]:
        """Return the condition for the jobs that are there for this caller."""
        if self.has_scope(Scope.ADMIN):
            return true()
        return and_(Job.owner == self.owner, self.of_datasets(Job.dataset))

    def of_datasets(self, name: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Return the condition for the names of datasets that what the route needs is allowed for."""
        names = self.rights.datasets(self.needed)
        if names is None:
            return true()
        return or_(false(), *(name.like(_as_like(each), escape="/") for each in names))

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
        raise _scope_missing(missing[0])
    return replace(caller, needed=Scope(needed.scopes[0]))


def _scope_missing(scope: str) -> ProblemError:
    return ProblemError(
        403,
        "scope-missing",
        f"this key lacks the scope {scope!r}; use one that has it, or have one made: "
        f"./dev keys create --scope {scope}",
    )


def _as_like(name: str) -> str:
    """Return a name with `*` for any characters as LIKE takes it."""
    return name.replace("_", "/_").replace("*", "%")


Reader = Annotated[Caller, Security(_caller, scopes=[Scope.READ.value])]
Submitter = Annotated[Caller, Security(_caller, scopes=[Scope.SUBMIT.value])]
Administrator = Annotated[Caller, Security(_caller, scopes=[Scope.ADMIN.value])]
