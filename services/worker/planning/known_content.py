"""Remember the source of a job that may not load, and its fingerprint: while it waits each look would read it again."""

from dataclasses import asdict
from pathlib import Path

from libs.common.ledger.models import Job
from libs.common.sources.files import SourceIdentity


def known_fingerprint(job: Job, path: Path, seen: SourceIdentity) -> str | None:
    """Return the file's fingerprint if it was taken when the file was as it is `seen` now."""
    known = job.known_content or {}
    return known.get("fingerprint") if known.get("file") == _describe(path, seen) else None


def describe_content(path: Path, seen: SourceIdentity, fingerprint: str) -> dict[str, object]:
    """Return what is noted of a job that has to wait, or that ends since its content is loaded."""
    return {"file": _describe(path, seen), "fingerprint": fingerprint}


def _describe(path: Path, seen: SourceIdentity) -> dict[str, object]:
    return {"path": str(path), **asdict(seen)}
