"""Remember the fingerprint of a job that may not load, and of which file: while it waits each look would read it again.

It is in `jobs.known_content`, and for several files in `job_files`.
"""

from dataclasses import asdict

from sqlalchemy.orm import Session

from libs.common.ledger.models import Job
from libs.common.ledger.replays import fingerprint_of_replay
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location
from services.worker.planning.job_files import fingerprint_of, read_seen_files


def known_fingerprint(job: Job, path: Location, seen: SourceIdentity) -> str | None:
    """Return the file's fingerprint if it was taken when the file was as it is `seen` now."""
    known = job.known_content or {}
    is_same = seen.tells_versions and known.get("file") == _describe(path, seen)
    return known.get("fingerprint") if is_same else None


def find_remembered_fingerprint(session: Session, job: Job) -> str | None:
    """Return the fingerprint of what the job has seen before it had to wait; None: it had not to."""
    files = read_seen_files(session, job.id)
    if files:
        return fingerprint_of(files)
    if job.known_content is None:
        return None
    seen: str = job.known_content["fingerprint"]
    return seen if job.replay_of is None else fingerprint_of_replay(seen, job.replay_of)


def describe_content(path: Location, seen: SourceIdentity, fingerprint: str) -> dict[str, object]:
    """Return what is noted of a job that has to wait, or that ends since its content is loaded."""
    return {"file": _describe(path, seen), "fingerprint": fingerprint}


def _describe(path: Location, seen: SourceIdentity) -> dict[str, object]:
    return {"path": str(path), **asdict(seen)}
