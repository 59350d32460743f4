"""Keep on record which files clients send to the store themselves: whose, for which dataset, of what size."""

from uuid import UUID

from sqlalchemy.orm import Session

from libs.common.enums import AuditAction
from libs.common.errors import Conflict, NotFound
from libs.common.ledger.audit import record_audit
from libs.common.ledger.models import DirectUpload
from services.api.security.caller import Caller


def add_announced(session: Session, caller: Caller, upload: DirectUpload) -> None:
    """Put an upload on record, and who announced it; its bytes count for the owner from now on."""
    session.add(upload)
    record_audit(
        session,
        caller.actor,
        AuditAction.UPLOAD_ANNOUNCE,
        f"upload/{upload.id}",
        dataset=upload.dataset,
        source=upload.url,
        bytes=upload.bytes,
    )


def find_announced(session: Session, caller: Caller, upload_id: UUID) -> DirectUpload:
    """Return an upload of the caller's owner of which a job may be made; raises the problem where none may."""
    upload = session.get(DirectUpload, upload_id)
    if upload is None or upload.owner != caller.owner:
        raise _unknown(upload_id)
    caller.require(upload.dataset)
    return _unused(upload)


def hold_announced(session: Session, upload_id: UUID) -> DirectUpload:
    """Return an upload of which no job was made, and hold it until the transaction's end."""
    upload = session.get(DirectUpload, upload_id, with_for_update=True)
    if upload is None:
        raise _unknown(upload_id)
    return _unused(upload)


def _unused(upload: DirectUpload) -> DirectUpload:
    if upload.job_id is not None:
        raise Conflict(
            "upload-used",
            f"job {upload.job_id} was made of upload {upload.id}; look at that job, or announce the file again with "
            "POST /v1/uploads",
        )
    return upload


def _unknown(upload_id: UUID) -> NotFound:
    return NotFound(
        "upload-unknown",
        f"there is no upload {upload_id}: those that no job was made of are forgotten after a day; announce the file "
        "again with POST /v1/uploads",
    )
