"""Remember the fingerprint of a source while its job waits for another one: each look would read the file again."""

from dataclasses import asdict
from pathlib import Path
from uuid import UUID

from sqlalchemy import update

from libs.common.db.models import Job
from libs.common.sources import SourceIdentity
from libs.common.states import JobState
from services.worker.wiring import Worker


def known_fingerprint(job: Job, path: Path, seen: SourceIdentity) -> str | None:
    """Return the file's fingerprint if it was taken when the file was as it is `seen` now."""
    known = job.known_content or {}
    return known.get("fingerprint") if known.get("file") == _describe(path, seen) else None


def remember_fingerprint(
    worker: Worker, job_id: UUID, path: Path, seen: SourceIdentity, fingerprint: str
) -> None:
    """Note the fingerprint of a job that waits; one that has ended needs it no more."""
    known = {"file": _describe(path, seen), "fingerprint": fingerprint}
    with worker.sessions.begin() as session:
        session.execute(
            update(Job)
            .where(Job.id == job_id, Job.state == JobState.QUEUED)
            .values(known_content=known)
        )


def _describe(path: Path, seen: SourceIdentity) -> dict[str, object]:
    return {"path": str(path), **asdict(seen)}
