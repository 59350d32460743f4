"""The worker's settings, read once in `main`."""

from pydantic import Field

from libs.common.messaging.liveness_file import LivenessSettings
from libs.common.metrics import MetricsSettings
from libs.common.settings import DatabaseSettings, LeaseSettings, MessagingSettings
from libs.common.sources.settings import SourceSettings
from services.worker.notifying.targets import Targets


class WorkerSettings(
    MetricsSettings,
    LivenessSettings,
    DatabaseSettings,
    MessagingSettings,
    LeaseSettings,
    SourceSettings,
):
    """What a worker process needs to know."""

    database_pool_size: int = Field(
        10, ge=2, description="Connections kept open per process; a plan needs two."
    )
    worker_concurrency: int = Field(2, ge=1, description="Tasks run at a time by one process.")
    chunk_bytes: int = Field(
        64 << 20, ge=1, description="Bytes of a chunk when a dataset is not atomic."
    )
    chunks_at_once: int = Field(
        8,
        ge=2,
        description="Chunks of one job that may wait for a loader or be loaded at a time; the next is sent when one"
        " ends. With many loaders as many as their children, else some have nothing to do.",
    )
    dataset_chunks_at_once: int = Field(
        32,
        ge=1,
        description="Chunks of one dataset that may wait for a loader or be loaded at a time, shared by its jobs; so"
        " many of its jobs at most are at work, and the others wait for one to end.",
    )
    backfills_at_once: int = Field(
        2,
        ge=1,
        description="Jobs of backfills, of all datasets, at work at a time: they run behind the day's work.",
    )
    small_load_bytes: int = Field(
        32 << 20,
        ge=0,
        description="Jobs of at most so many bytes do not wait for larger ones: of each loader they have a child to"
        " themselves.",
    )
    read_first_bytes: int = Field(
        16 << 20,
        ge=0,
        description="Sources of at most so many bytes are read by their plan, which knows their content then. Of longer"
        " ones that are loaded as a whole only the header is, where no other file of the dataset had as many bytes: its"
        " loader takes the fingerprint.",
    )
    long_plan_bytes: int = Field(
        64 << 20,
        ge=1,
        description="Sources of so many bytes are planned by all but one of the tasks at a time.",
    )
    plan_max_attempts: int = Field(
        5, ge=1, description="Times that planning is begun before the job fails."
    )
    plan_retry_seconds: float = Field(
        5.0, ge=0, description="Wait before a source that was still changing is checked again."
    )
    max_rejected_rows: int = Field(
        100_000,
        ge=0,
        description="Failed rows that a job may have where its dataset says nothing of them, besides one for each"
        " byte of its source as stored: a small compressed file cannot become millions of failed rows.",
    )
    source_watch_seconds: float = Field(
        3_600.0,
        ge=0,
        description="Seconds after its load for which a source is watched: whether it grows; 0: not at all.",
    )
    turn_wait_seconds: float = Field(
        10.0,
        ge=0,
        description="Wait of a job that another one goes before, should nobody wake it; up to twelve times as long"
        " for one that has waited long.",
    )
    upload_retention_days: float = Field(
        30.0,
        ge=0,
        description="Days that an uploaded file is kept once no job needs it; 0: for ever.",
    )
    event_retention_days: float = Field(
        30.0, ge=0, description="Days that a published event stays in the ledger; 0: for ever."
    )
    idempotency_retention_days: float = Field(
        7.0, ge=0, description="Days that an idempotency key is remembered; 0: for ever."
    )
    failed_row_retention_days: float = Field(
        0.0,
        ge=0,
        description="Days that failed rows are kept after their job's end where the dataset does not say how long; 0:"
        " for ever.",
    )
    chunk_retention_days: float = Field(
        0.0,
        ge=0,
        description="Days that chunks are kept after their job's end, where no other job goes on with what they"
        " loaded and their failed rows are gone; 0: for ever.",
    )
    retention_batch: int = Field(
        10_000, ge=1, description="Most events, and most keys, that one look removes."
    )
    notify_targets: Targets = Field(
        default_factory=dict,
        repr=False,
        description='Whom datasets may notify, as JSON: name → {"url": an Apprise URL} or {"webhook": …,'
        ' "secret": …}; best as a file in `ADSP_SECRETS_DIR`.',
    )
    public_url: str | None = Field(
        None, description="Where people reach the console; notifications link to it."
    )
    sweep_batch: int = Field(
        200, ge=1, description="Most rows of each kind that one sweep handles."
    )
    sweep_lock_seconds: int = Field(
        300,
        ge=1,
        description="Seconds after which another sweep may begin beside one that has not ended: its process is frozen.",
    )
