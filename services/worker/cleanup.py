"""Keep retention: remove what served its purpose a while ago, in bounded batches.

    uploads            files of jobs that ended long ago, and files that no job was ever made of; of those that
                       clients sent to the store themselves, after a day
    events             outbox rows that the broker confirmed long ago
    idempotency keys   of requests made long ago
    failed rows        of jobs that ended longer ago than their dataset keeps them (`old_failed_rows`)

Beside that it is noted of which jobs all failed rows are closed.

Jobs and chunks stay, with their counts: they are what was promised to be accounted for. A file in the upload area
whose job is not over is never removed, however old it is.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, text
from sqlalchemy.exc import SQLAlchemyError

from libs.common.errors import SourceError
from libs.common.ids import earliest_uuid7
from libs.common.logs import get_logger
from libs.common.sources.stores.store import StoreFault
from libs.common.sql_files import read_statement
from services.worker.dependencies import WorkerContext
from services.worker.direct_uploads import remove_direct_uploads
from services.worker.old_failed_rows import remove_old_failed_rows
