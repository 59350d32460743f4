"""The promises that the table of jobs keeps by itself, and the indexes that its questions go by."""

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)

from libs.common.ledger.tables.base import SCHEMA

_SNAPSHOT = "state IN ('succeeded', 'completed_with_rejects') AND definition ->> 'mode' = 'replace'"
_APPENDED = (
    "state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force "
    "AND (definition ->> 'mode' = 'append' OR replay_of IS NOT NULL)"
)

_DELIVERY = text("replay_of IS NULL AND NOT dry_run")

_NEEDS_NO_CHUNKS = (
    "finished_at IS NOT NULL AND header IS NOT NULL AND chunks_removed_at IS NULL"
    " AND (rows_rejected = 0 OR failed_rows_removed_at IS NOT NULL)"
    " AND (rows_loaded = 0 OR dry_run OR state IN ('succeeded', 'completed_with_rejects'))"
)
"""Of a job that has chunks, which may go: no other one goes on with what it has loaded, no failed row is of one."""

CONSTRAINTS = (
    CheckConstraint(
        "state IN ('queued', 'waiting', 'running') OR "
        "rows_read = rows_loaded + rows_rejected + rows_superseded",
        name="accounted",
    ),
    CheckConstraint(
        "rows_read >= 0 AND rows_loaded >= 0 AND rows_rejected >= 0 AND rows_superseded >= 0 "
        "AND bytes_done >= 0",
        name="counts_not_negative",
    ),
    CheckConstraint(
        "(state IN ('queued', 'waiting', 'running')) = (finished_at IS NULL)",
        name="finished_has_time",
    ),
    CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="failed_has_error"),
    CheckConstraint("(error_code IS NULL) = (error_message IS NULL)", name="error_has_message"),
    CheckConstraint(
        "(state = 'duplicate') = (duplicate_of IS NOT NULL)", name="duplicate_names_original"
    ),
    CheckConstraint(
        "(state = 'outdated') = (outdated_by IS NOT NULL)", name="outdated_names_newer"
    ),
    CheckConstraint("state <> 'waiting' OR waiting_since IS NOT NULL", name="waiting_has_start"),
    CheckConstraint("(trigger = 'schedule') = (due_at IS NOT NULL)", name="schedule_has_due_time"),
    CheckConstraint("state <> 'succeeded' OR rows_rejected = 0", name="succeeded_without_rejects"),
    CheckConstraint(
        "CASE WHEN dry_run THEN state NOT IN ('succeeded', 'completed_with_rejects', 'duplicate', 'outdated')"
        " ELSE state <> 'checked' END",
        name="dry_run_loads_nothing",
    ),
    ForeignKeyConstraint(
        ["dataset", "definition_version"],
        [f"{SCHEMA}.dataset_versions.dataset", f"{SCHEMA}.dataset_versions.version"],
    ),
    UniqueConstraint("dataset", "due_at", name="uq_jobs_dataset_due_at"),
    Index(
        "uq_jobs_live_schedule",
        "dataset",
        "data_date",
        "source",
        unique=True,
        postgresql_where=text("trigger = 'schedule' AND state IN ('queued', 'waiting', 'running')"),
    ),
    Index(
        "uq_jobs_appended_once",
        "dataset",
        "fingerprint",
        unique=True,
        postgresql_where=text(
            f"{_APPENDED} AND definition ->> 'once' IS DISTINCT FROM 'data_date'"
        ),
    ),
    Index(
        "uq_jobs_appended_once_a_day",
        "dataset",
        "fingerprint",
        "data_date",
        unique=True,
        postgresql_where=text(f"{_APPENDED} AND definition ->> 'once' = 'data_date'"),
    ),
    Index(
        "uq_jobs_content_running",
        "dataset",
        "fingerprint",
        unique=True,
        postgresql_where=text(
            "state = 'running' AND NOT force AND definition ->> 'once' IS DISTINCT FROM 'data_date'"
        ),
    ),
    Index(
        "ix_jobs_dataset_fingerprint",
        "dataset",
        "fingerprint",
        postgresql_where=text("fingerprint IS NOT NULL"),
    ),
    Index("ix_jobs_dataset_bytes_total", "dataset", "bytes_total"),
    Index(
        "ix_jobs_duplicate_of",
        "duplicate_of",
        postgresql_where=text("duplicate_of IS NOT NULL"),
    ),
    Index(
        "ix_jobs_outdated_by",
        "outdated_by",
        postgresql_where=text("outdated_by IS NOT NULL"),
    ),
    Index(
        "ix_jobs_delivered",
        "dataset",
        "data_date",
        postgresql_where=text("state IN ('succeeded', 'completed_with_rejects', 'duplicate')"),
    ),
    Index("ix_jobs_unfinished", "next_attempt_at", postgresql_where=text("finished_at IS NULL")),
    Index("ix_jobs_running", "dataset", postgresql_where=text("state = 'running'")),
    Index(
        "ix_jobs_held",
        "data_date",
        "id",
        postgresql_where=text("state IN ('queued', 'waiting') AND next_attempt_at IS NULL"),
    ),
    Index("ix_jobs_files_due", "files_due_at", postgresql_where=text("files_due_at IS NOT NULL")),
    Index("ix_jobs_dataset_id", "dataset", "id"),
    Index(
        "ix_jobs_finished",
        "dataset",
        "finished_at",
        postgresql_where=text("finished_at IS NOT NULL"),
    ),
    Index(
        "ix_jobs_loaded",
        "dataset",
        "finished_at",
        postgresql_where=text(
            "state IN ('succeeded', 'completed_with_rejects', 'duplicate') AND trigger <> 'replay'"
        ),
    ),
    Index(
        "ix_jobs_snapshots",
        "dataset",
        "finished_at",
        postgresql_where=text(f"{_SNAPSHOT} AND definition ->> 'scope' IS NULL"),
    ),
    Index(
        "ix_jobs_slices",
        "dataset",
        "data_date",
        "finished_at",
        postgresql_where=text(f"{_SNAPSHOT} AND definition ->> 'scope' IS NOT NULL"),
    ),
    Index(
        "ix_jobs_unsettled",
        "dataset",
        "finished_at",
        postgresql_where=text(
            "finished_at IS NOT NULL AND rows_rejected > 0 AND NOT failed_rows_settled"
        ),
    ),
    Index(
        "ix_jobs_with_failed_rows",
        "finished_at",
        postgresql_where=text(
            "finished_at IS NOT NULL AND rows_rejected > 0 AND failed_rows_removed_at IS NULL"
        ),
    ),
    Index("ix_jobs_with_old_chunks", "finished_at", postgresql_where=text(_NEEDS_NO_CHUNKS)),
    Index("ix_jobs_replay_of", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
    Index("ix_jobs_owner_id", "owner", "id", postgresql_where=text("owner IS NOT NULL")),
    Index("ix_jobs_state_id", "state", "id"),
    Index("ix_jobs_trigger_id", "trigger", "id"),
    Index("ix_jobs_data_date_id", "data_date", "id"),
    Index("ix_jobs_dataset_day", "dataset", "data_date", "id", postgresql_where=_DELIVERY),
    Index(
        "ix_jobs_owner_unfinished",
        "owner",
        postgresql_where=text("owner IS NOT NULL AND finished_at IS NULL"),
    ),
    Index(
        "ix_jobs_owner_rejected",
        "owner",
        "id",
        postgresql_where=text("owner IS NOT NULL AND rows_rejected > 0"),
    ),
)
