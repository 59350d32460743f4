"""Make the ledger: datasets, jobs, chunks, leases, failed rows, events, idempotency keys.

Revision 0001, the first.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "chunk_leases",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "holder",
            sa.Text(),
            nullable=False,
            comment="Host, process and a random part of the loader.",
        ),
        sa.Column(
            "backend_pid",
            sa.Integer(),
            nullable=False,
            comment="Postgres backend of the loading transaction.",
        ),
        sa.Column(
            "backend_start",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Start of that backend, so that a reused pid is never ended.",
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "chunk_number", name=op.f("pk_chunk_leases")),
        schema="adsp",
    )
    op.create_table(
        "datasets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "last_due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Due times up to here have been dispatched; NULL without a schedule.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
        schema="adsp",
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column(
            "definition",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The dataset's definition when the job was made.",
        ),
        sa.Column("data_date", sa.Date(), nullable=False),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="As requested or expanded from the dataset's pattern.",
        ),
        sa.Column(
            "trigger",
            sa.Enum(
                "schedule",
                "api",
                "upload",
                "replay",
                name="trigger",
                native_enum=False,
                create_constraint=True,
                length=None,
                schema="adsp",
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("force", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "completed_with_rejects",
                "failed",
                "cancelled",
                "duplicate",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=None,
                schema="adsp",
            ),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("replay_of", sa.Uuid(), nullable=True),
        sa.Column("duplicate_of", sa.Uuid(), nullable=True),
        sa.Column("source_path", sa.Text(), nullable=True, comment="Resolved path, set by plan."),
        sa.Column(
            "source_mtime_ns",
            sa.BigInteger(),
            nullable=True,
            comment="Modification time at plan, ns.",
        ),
        sa.Column(
            "fingerprint", sa.Text(), nullable=True, comment="SHA-256 of the source's bytes, hex."
        ),
        sa.Column(
            "chunks_in_order",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Chunk n+1 is sent when chunk n is done.",
        ),
        sa.Column(
            "bytes_total",
            sa.BigInteger(),
            nullable=True,
            comment="Size of the source as stored, bytes.",
        ),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_loaded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_superseded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "attempt",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Times that planning was begun.",
        ),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Last confirmed publish of plan.",
        ),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
            comment="The sweeper sends plan again after this time; NULL: never.",
        ),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'duplicate') = (duplicate_of IS NOT NULL)",
            name=op.f("ck_jobs_duplicate_names_original"),
        ),
        sa.CheckConstraint(
            "(state = 'failed') = (error_code IS NOT NULL)", name=op.f("ck_jobs_failed_has_error")
        ),
        sa.CheckConstraint(
            "(state IN ('queued', 'running')) = (finished_at IS NULL)",
            name=op.f("ck_jobs_finished_has_time"),
        ),
        sa.CheckConstraint(
            "(trigger = 'schedule') = (due_at IS NOT NULL)",
            name=op.f("ck_jobs_schedule_has_due_time"),
        ),
        sa.CheckConstraint(
            "state <> 'succeeded' OR rows_rejected = 0",
            name=op.f("ck_jobs_succeeded_without_rejects"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running') OR rows_read = rows_loaded + rows_rejected + rows_superseded",
            name=op.f("ck_jobs_accounted"),
        ),
        sa.CheckConstraint(
            "(error_code IS NULL) = (error_message IS NULL)", name=op.f("ck_jobs_error_has_message")
        ),
        sa.CheckConstraint(
            "rows_read >= 0 AND rows_loaded >= 0 AND rows_rejected >= 0 AND rows_superseded >= 0 AND bytes_done >= 0",
            name=op.f("ck_jobs_counts_not_negative"),
        ),
        sa.ForeignKeyConstraint(["dataset"], ["adsp.datasets.name"], name=op.f("fk_jobs_dataset")),
        sa.ForeignKeyConstraint(
            ["duplicate_of"], ["adsp.jobs.id"], name=op.f("fk_jobs_duplicate_of")
        ),
        sa.ForeignKeyConstraint(["replay_of"], ["adsp.jobs.id"], name=op.f("fk_jobs_replay_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("dataset", "due_at", name="uq_jobs_dataset_due_at"),
        schema="adsp",
    )
    op.create_index("ix_jobs_dataset_id", "jobs", ["dataset", "id"], unique=False, schema="adsp")
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["next_attempt_at"],
        unique=False,
        schema="adsp",
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(
        "uq_jobs_content_once",
        "jobs",
        ["dataset", "fingerprint"],
        unique=True,
        schema="adsp",
        postgresql_where=sa.text(
            "state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force"
        ),
    )
    op.create_index(
        "uq_jobs_live_schedule",
        "jobs",
        ["dataset", "data_date", "source"],
        unique=True,
        schema="adsp",
        postgresql_where=sa.text("trigger = 'schedule' AND state IN ('queued', 'running')"),
    )
    op.create_table(
        "chunks",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="From 0, in file order.",
        ),
        sa.Column(
            "byte_start",
            sa.BigInteger(),
            nullable=False,
            comment="Offset of the first record, decompressed bytes.",
        ),
        sa.Column(
            "byte_end",
            sa.BigInteger(),
            nullable=True,
            comment="Offset after the last record; NULL: the end.",
        ),
        sa.Column(
            "first_line",
            sa.BigInteger(),
            nullable=False,
            comment="Physical line of the first record, from 1.",
        ),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=None,
                schema="adsp",
            ),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("rows_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_loaded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_superseded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "attempt",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Times that loading was begun.",
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="The sweeper sends the chunk after this time; NULL: it waits for its turn or runs.",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'failed') = (error_code IS NOT NULL)", name=op.f("ck_chunks_failed_has_error")
        ),
        sa.CheckConstraint(
            "byte_end IS NULL OR byte_end >= byte_start", name=op.f("ck_chunks_range_is_forward")
        ),
        sa.CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_superseded",
            name=op.f("ck_chunks_accounted"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["adsp.jobs.id"], name=op.f("fk_chunks_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_chunks")),
        schema="adsp",
    )
    op.create_index(
        "ix_chunks_unfinished",
        "chunks",
        ["next_attempt_at"],
        unique=False,
        schema="adsp",
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "type", sa.Text(), nullable=False, comment="Routing key, for example job.succeeded."
        ),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["adsp.jobs.id"], name=op.f("fk_events_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        schema="adsp",
    )
    op.create_index("ix_events_job_id", "events", ["job_id"], unique=False, schema="adsp")
    op.create_index(
        "ix_events_unpublished",
        "events",
        ["next_attempt_at"],
        unique=False,
        schema="adsp",
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False, comment="Method and path of the request."),
        sa.Column(
            "request_hash",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the request that came with it, hex.",
        ),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["adsp.jobs.id"],
            name=op.f("fk_idempotency_keys_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", "route", name=op.f("pk_idempotency_keys")),
        schema="adsp",
    )
    op.create_index(
        op.f("ix_idempotency_keys_job_id"),
        "idempotency_keys",
        ["job_id"],
        unique=False,
        schema="adsp",
    )
    op.create_table(
        "failed_rows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_number", sa.Integer(), nullable=False),
        sa.Column(
            "line_number",
            sa.BigInteger(),
            nullable=False,
            comment="Physical line it starts on, from 1.",
        ),
        sa.Column(
            "byte_offset",
            sa.BigInteger(),
            nullable=False,
            comment="Of its first byte in the decompressed source.",
        ),
        sa.Column(
            "raw",
            sa.LargeBinary(),
            nullable=False,
            comment="Its bytes without the line end, cut at the record cap.",
        ),
        sa.Column(
            "stage",
            sa.Enum(
                "parse",
                "convert",
                "constraint",
                name="stage",
                native_enum=False,
                create_constraint=True,
                length=None,
                schema="adsp",
            ),
            nullable=False,
        ),
        sa.Column(
            "error_code",
            sa.Enum(
                "missing-cell",
                "extra-cell",
                "malformed-quote",
                "encoding-error",
                "line-too-long",
                "type-error",
                "out-of-range",
                "value-too-long",
                "not-null",
                "unique",
                "foreign-key",
                "check",
                "exclusion",
                "suppressed",
                "other",
                name="error_code",
                native_enum=False,
                create_constraint=True,
                length=None,
                schema="adsp",
            ),
            nullable=False,
        ),
        sa.Column("column_name", sa.Text(), nullable=True),
        sa.Column("sqlstate", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id", "chunk_number"],
            ["adsp.chunks.job_id", "adsp.chunks.number"],
            name=op.f("fk_failed_rows_job_id_chunk_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_rows")),
        sa.UniqueConstraint("job_id", "byte_offset", name="uq_failed_rows_job_id_byte_offset"),
        schema="adsp",
    )
    op.create_index(
        "ix_failed_rows_job_id_chunk_number",
        "failed_rows",
        ["job_id", "chunk_number"],
        unique=False,
        schema="adsp",
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_table("failed_rows", schema="adsp")
    op.drop_table("idempotency_keys", schema="adsp")
    op.drop_table("events", schema="adsp")
    op.drop_table("chunks", schema="adsp")
    op.drop_table("jobs", schema="adsp")
    op.drop_table("datasets", schema="adsp")
    op.drop_table("chunk_leases", schema="adsp")
