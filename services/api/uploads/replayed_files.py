"""Write the failed rows of a job as a file that a replay loads, once for equal replays.

failed rows ──► upload area, named by its content ──► an earlier replay's file of that name, if there is one
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from libs.common.csv.dialect import FileFormat
from libs.common.errors import SourceError
from libs.common.ledger.models import FailedRow, Job
from libs.common.ledger.replays import OPEN_ENDED, replayable_rows
from libs.common.sources.stores.locations import identity
from libs.common.sources.stores.store import StoreFault
from services.api.exports.csv_report import require_header
from services.api.exports.source_file import source_blocks
from services.api.settings import ApiSettings
from services.api.uploads.upload_area import IncomingUpload, StoredUpload

_SHARED_FOR = timedelta(days=1)
"""Well below the time that an upload is kept for: the file must outlive the new job."""

_MOST_LOOKED_AT = 100
ROWS_AT_A_TIME = 100

LAST_IN_FILE = FailedRow.error_code.in_(OPEN_ENDED)
"""Of a failed row: it may end nowhere, so that it stands behind the others."""


def write_failed_rows(
    sessions: sessionmaker[Session], settings: ApiSettings, job: Job, dialect: FileFormat
) -> StoredUpload:
    """Write the failed rows of a job as they are into the upload area."""
    query = replayable_rows(job.id, FailedRow.raw).order_by(LAST_IN_FILE, FailedRow.byte_offset)
    with sessions() as session:
        raws = session.scalars(query.execution_options(yield_per=ROWS_AT_A_TIME))
        return write_records(settings, job, dialect, raws)


def write_records(
    settings: ApiSettings, job: Job, dialect: FileFormat, raws: Iterable[bytes]
) -> StoredUpload:
    """Write records of a job's failed rows into the upload area, whole or not at all, named by their content."""
    header = require_header(job)
    upload = IncomingUpload.begin(
        settings.upload_dir, f"failed-rows-{job.id}.csv", settings.max_upload_bytes
    )
    try:
        for block in source_blocks(raws, header, dialect):
            upload.write(block)
        return upload.keep(named=lambda digest: f"failed-rows-{job.id}-{digest}.csv")
    except BaseException:
        upload.discard()
        raise


def lock_replays(session: Session, job_id: UUID) -> None:
    """Let replays of a job, and writers of its corrections, take turns until the transaction's end."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"adsp.replay:{job_id}"},
    )


def shared_source(session: Session, settings: ApiSettings, replay_of: UUID, source: str) -> str:
    """Return the file of an earlier replay of the job that has the content of `source`, or `source` itself.

    Two equal replays that come at once do so one after the other, until the transaction's end. A corrected file is
    not named by its content, so that it is shared with none.
    """
    lock_replays(session, replay_of)
    earlier = session.scalars(
        select(Job.source)
        .where(Job.replay_of == replay_of, Job.created_at > datetime.now(UTC) - _SHARED_FOR)
        .order_by(Job.id.desc())
        .limit(_MOST_LOOKED_AT)
    )
    name = Path(source).name
    is_named_by_content = name.startswith(f"failed-rows-{replay_of}-")
    equal = (each for each in earlier if Path(each).name == name and _is_there(settings, each))
    return next(equal, source) if is_named_by_content else source


def _is_there(settings: ApiSettings, source: str) -> bool:
    try:
        identity(settings.location(source))
    except (SourceError, StoreFault):
        return False
    return True
