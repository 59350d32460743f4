"""The loader's settings, read once in `main`."""

from pydantic import DirectoryPath, Field

from libs.common.messaging.liveness_file import LivenessSettings
from libs.common.metrics import MetricsSettings
from libs.common.settings import DatabaseSettings, LeaseSettings, MessagingSettings
from libs.common.sources.settings import SourceSettings


class LoaderSettings(
    MetricsSettings,
    LivenessSettings,
    DatabaseSettings,
    MessagingSettings,
    LeaseSettings,
    SourceSettings,
):
    """What a loader process needs to know."""

    loader_concurrency: int = Field(
        3,
        ge=1,
        description="Chunks loaded at a time by one process; those of large jobs by all but one of its children.",
    )
    heartbeat_seconds: float = Field(2.0, gt=0, description="Seconds between renewals of a lease.")
    lock_seconds: float = Field(
        60.0,
        gt=0,
        description="Longest wait of a load for one lock on its target; then it gives way to other loads.",
    )
    max_lock_waits: int = Field(
        60, ge=1, description="Times that a chunk gives way for a lock before it fails."
    )
    retry_seconds: float = Field(
        5.0, ge=0, description="Wait before the second attempt; doubles each time, up to 5 minutes."
    )
    block_rows: int = Field(20_000, ge=1, description="Most records in one COPY.")
    block_bytes: int = Field(2 << 20, ge=1, description="Bytes read and loaded at a time.")
    comparison_bytes: int = Field(
        512 << 20,
        ge=1 << 20,
        description="Memory of Postgres for the comparison of a delivery with its table, all its processes together.",
    )
    comparison_rows: int = Field(
        20_000,
        ge=0,
        description="Rows of a table from which on an upsert is compared with it before it writes.",
    )
    max_failed_record_bytes: int = Field(
        16 << 20,
        ge=0,
        description="Most bytes of a failed row that are kept; the longest record in any case.",
    )
    spool_bytes: int = Field(
        8 << 20,
        ge=0,
        description="Failed rows kept in memory before they go to a file, bytes, compressed.",
    )
    spool_dir: DirectoryPath | None = Field(
        None, description="Folder of that file, on a disk with room; the system's temporary one."
    )
