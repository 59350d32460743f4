"""Show the files of a job: what each is, and what became of its records."""

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.ledger.models import Job, JobFile
from libs.common.ledger.unread_content import is_unread
from services.api.dependencies import Wired
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import problems
from services.api.security.caller import Reader

router = APIRouter(tags=["jobs"])

_BY_NUMBER = Order[JobFile](JobFile.number, int)

_COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")


class JobFileDocument(BaseModel):
    """One file of a job."""

    number: int = Field(description="From 0, in the order in which the job loads them: by path.")
    path: str
    size: int | None = Field(description="As stored, bytes; null: the job ended before its plan.")
    fingerprint: str | None = Field(
        description="SHA-256 of the file's bytes, hex; of a replay, with the job that it replays."
    )
    duplicate_of: UUID | None = Field(
        description="The job that has loaded the file, so that this one leaves it out."
    )
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_superseded: int = Field(
        description="Records whose key stands earlier in this file or in one before it (upsert)."
    )

    @classmethod
    def of(cls, file: JobFile) -> Self:
        """Show one of several files."""
        return cls(**{name: getattr(file, name) for name in cls.model_fields})

    @classmethod
    def of_job(cls, job: Job) -> Self:
        """Show the only file of a job."""
        return cls(
            number=0,
            path=job.source_path or job.source,
            size=job.bytes_total,
            fingerprint=None if is_unread(job.fingerprint) else job.fingerprint,
            duplicate_of=job.duplicate_of,
            **{name: getattr(job, name) for name in _COUNTS},
        )


@router.get(
    "/v1/jobs/{job_id}/files",
    operation_id="listJobFiles",
    summary="List the files of a job",
    responses=problems(404, 422, 503),
)
def list_job_files(
    dependencies: Wired, caller: Reader, job_id: UUID, asked: Annotated[PageQuery, Query()]
) -> Page[JobFileDocument]:
    """List the files of a job in the order in which it loads them; none before they are found."""
    scope = ("job-files", job_id)
    query = select(JobFile).where(JobFile.job_id == job_id)
    with dependencies.sessions() as session:
        job = caller.find_job(session, job_id)
        page = paginate(session, query, _BY_NUMBER, asked, scope, JobFileDocument.of)
    was_found = job.fingerprint is not None or job.bytes_total is not None
    if not page.items and asked.page_token is None and was_found:
        page.items.append(JobFileDocument.of_job(job))
    return page


def paths_of(session: Session, job: Job) -> Sequence[str]:
    """Return the paths of the job's files, by number."""
    query = select(JobFile.path).where(JobFile.job_id == job.id).order_by(JobFile.number)
    return session.scalars(query).all() or [job.source_path or job.source]
