"""Declare the ledger: what ADSP knows about datasets, jobs, chunks and failed rows.

Postgres is the truth; messages and Redis only speed things up. The constraints of `tables` carry the promises:
counts add up, content is loaded once, a due time makes one job. The migrations create exactly this
schema, and a test compares the two. They stand in a schema of their own, beside the tables of the
people who use the database.

Import models from here: the metadata is whole then, and foreign keys find the tables that they name.
"""

from libs.common.ledger.tables.access import AuditEntry, KeyRecord, SessionRecord
from libs.common.ledger.tables.base import SCHEMA, Base
from libs.common.ledger.tables.chunks import Chunk, ChunkLease, JobFile
from libs.common.ledger.tables.corrections import Correction
from libs.common.ledger.tables.counters import FailedRowCounter, JobCounter
from libs.common.ledger.tables.datasets import Dataset, DatasetVersion
from libs.common.ledger.tables.failed_rows import FailedRow
from libs.common.ledger.tables.jobs import Job
from libs.common.ledger.tables.notifications import Notification, NotificationTarget
from libs.common.ledger.tables.requests import DirectUpload, Event, IdempotencyKey, Upload
from libs.common.ledger.tables.sample import items

__all__ = [
    "SCHEMA",
    "AuditEntry",
    "Base",
    "Chunk",
    "ChunkLease",
    "Correction",
    "Dataset",
    "DatasetVersion",
    "DirectUpload",
    "Event",
    "FailedRow",
    "FailedRowCounter",
    "IdempotencyKey",
    "Job",
    "JobCounter",
    "JobFile",
    "KeyRecord",
    "Notification",
    "NotificationTarget",
    "SessionRecord",
    "Upload",
    "items",
]
