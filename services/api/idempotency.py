"""Give a repeated POST the answer of the first: one key, one request, one job.

The key's row is written in the transaction that makes the job, under an advisory lock on the key,
so that equal requests that come at the same time wait for each other and only the first makes a job.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Annotated, Self
from uuid import UUID

from fastapi import Header
from sqlalchemy import text
from sqlalchemy.orm import Session

from libs.common.errors import BadInput, Conflict
from libs.common.ledger.models import IdempotencyKey

REPLAYED_HEADER = "Idempotent-Replayed"
_SANE_KEY = re.compile(r"[\x21-\x7e]{1,255}")

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text made up for this request, such as a UUID: sending the same request "
        "again with the same key makes no second job. A key is remembered for seven days "
        "(`ADSP_IDEMPOTENCY_RETENTION_DAYS`).",
    ),
]


@dataclass(frozen=True)
class KeyedRequest:
    """A request that came with an idempotency key; `digest` tells it from other requests."""

    key: str
    route: str
    digest: str

    def of_owner(self, owner: str | None) -> Self:
        """Return the request as one of its owner's own: two owners may choose the same key."""
        return self if owner is None else replace(self, route=f"{self.route} of {owner}")


def keyed(key: str | None, route: str, *content: str | bytes) -> KeyedRequest | None:
    """Return the request with its key, None without one; raises `BadInput` when it is not sane."""
    if key is None:
        return None
    if not _SANE_KEY.fullmatch(key):
        raise BadInput(
            "idempotency-key-invalid",
            "Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID",
        )
    digest = hashlib.sha256()
    for part in content:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return KeyedRequest(key, route, digest.hexdigest())


def find_earlier(session: Session, request: KeyedRequest) -> UUID | None:
    """Return the job that this key made, and hold the key until the transaction ends.

    Raises `Conflict` when the key came with another request.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{request.route} {request.key}"},
    )
    earlier = session.get(IdempotencyKey, (request.key, request.route))
    if earlier is None:
        return None
    if earlier.request_hash != request.digest:
        raise Conflict(
            "idempotency-key-reused",
            f"this Idempotency-Key came with another request before (job {earlier.job_id}); "
            "use a new key for a new request",
        )
    return earlier.job_id


def remember(session: Session, request: KeyedRequest, job_id: UUID) -> None:
    """Note which job the key made."""
    session.add(
        IdempotencyKey(
            key=request.key, route=request.route, request_hash=request.digest, job_id=job_id
        )
    )
