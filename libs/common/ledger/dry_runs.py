"""Tell a dry run from a load: it has the content of a file, and never is a reason not to load that."""

import hashlib
from uuid import UUID


def fingerprint_of_dry_run(content: str, job_id: UUID) -> str:
    """Return the fingerprint of a dry run: like no other, so that it makes no duplicate and is not resumed."""
    return hashlib.sha256(f"dry run {job_id}: {content}".encode()).hexdigest()
