"""Tell a job whose source nobody has read: no other delivery had its size, so its content is new (decision 73).

A loader takes the fingerprint while it loads, and notes it with the rows.
"""

from uuid import UUID

UNREAD = "unread"
"""In place of a chunk's digest: what a loader reads has none to be compared with."""
_PREFIX = f"{UNREAD}:"


def fingerprint_of_unread(job_id: UUID) -> str:
    """Return what stands in place of the fingerprint until the rows are committed; like no other."""
    return f"{_PREFIX}{job_id}"


def is_unread(fingerprint: str | None) -> bool:
    """Return whether this stands in place of a fingerprint."""
    return fingerprint is not None and fingerprint.startswith(_PREFIX)
