"""Bound what one owner takes of what all share: unfinished jobs, the upload area's disk, room for failed rows.

Checked before a file is taken and again where its job is made. Requests that come at once may go a little
beyond. Without keys there is no owner, and the schedule's jobs have none.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from libs.common.ids import earliest_uuid7
from libs.common.sql_files import statement
from services.api.errors.problems import ProblemError
from services.api.settings import ApiSettings

_JOBS_WAIT = 60
_ROWS_WAIT = 3600
_FAILED_ROWS_OF = timedelta(days=1)


def require_room(
    session: Session,
    settings: ApiSettings,
    owner: str | None,
    more_bytes: int = 0,
    *,
    is_announced: bool = False,
) -> None:
    """Raise the problem when an owner has no room for another job, whose file has `more_bytes`.

    The file of a job that `is_announced` has its room already.
    """
    if owner is None:
        return
    values = {
        "owner": owner,
        "most_jobs": settings.max_unfinished_jobs,
        "since": earliest_uuid7(datetime.now(UTC) - _FAILED_ROWS_OF),
    }
    taken = session.execute(statement(__package__, "quotas"), values).one()
    if 0 < settings.max_unfinished_jobs <= taken.unfinished_jobs:
        raise _too_many_jobs(owner, settings.max_unfinished_jobs)
    if 0 < settings.max_failed_rows_a_day <= taken.failed_rows:
        raise _too_many_failed_rows(owner, taken.failed_rows)
    most = settings.max_stored_upload_bytes
    if not is_announced and 0 < most < taken.upload_bytes + max(more_bytes, 1):
        raise _no_upload_room(owner, taken.upload_bytes, most)


def _too_many_jobs(owner: str, most: int) -> ProblemError:
    return ProblemError(
        429,
        "too-many-jobs",
        f"{owner!r} has {most:,} unfinished jobs, as many as one owner may have; wait until some have ended, or "
        "raise ADSP_MAX_UNFINISHED_JOBS",
        {"Retry-After": str(_JOBS_WAIT)},
    )


def _too_many_failed_rows(owner: str, count: int) -> ProblemError:
    return ProblemError(
        429,
        "too-many-failed-rows",
        f"the jobs that {owner!r} made within a day have {count:,} failed rows, more than one owner may add to the "
        "ledger in that time; fix the source or the dataset's format first, or raise ADSP_MAX_FAILED_ROWS_A_DAY",
        {"Retry-After": str(_ROWS_WAIT)},
    )


def _no_upload_room(owner: str, taken: int, most: int) -> ProblemError:
    return ProblemError(
        403,
        "upload-quota-full",
        f"files of {owner!r} take {taken:,} of the {most:,} bytes that one owner may have in the upload area; they "
        "are removed a while after their jobs (ADSP_UPLOAD_RETENTION_DAYS): send less, or raise "
        "ADSP_MAX_STORED_UPLOAD_BYTES",
    )
