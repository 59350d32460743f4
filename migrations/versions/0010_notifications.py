"""Keep what people are to hear of jobs until they did, and give readers views of what was loaded and refused.

Revision 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "0010"
down_revision: str | None = "0009"

READER = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'adsp_reader') THEN
        CREATE ROLE adsp_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another migration was quicker
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role adsp_reader does not exist and this role may not make it'
            USING HINT = 'As a superuser: CREATE ROLE adsp_reader NOLOGIN';
END $$
"""
LOAD_HISTORY = """
CREATE VIEW adsp.load_history AS
SELECT
    j.id AS job_id,
    j.dataset,
    j.definition ->> 'table' AS target_table,
    j.data_date,
    j.state,
    j.trigger,
    j.source,
    j.rows_read,
    j.rows_loaded,
    j.rows_rejected,
    j.rows_superseded,
    j.rows_inserted,
    j.rows_updated,
    j.rows_deleted,
    j.rows_unchanged,
    j.rejected_by_code,
    j.bytes_total,
    j.error_code,
    j.error_message,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.finished_at - j.started_at AS duration
FROM adsp.jobs AS j
WHERE NOT j.dry_run
"""
REJECTED_ROWS = """
CREATE VIEW adsp.rejected_rows AS
SELECT
    f.job_id,
    j.dataset,
    j.data_date,
    f.line_number,
    f.byte_offset,
    f.stage,
    f.error_code,
    f.column_name,
    f.sqlstate,
    f.message,
    f.raw
FROM adsp.failed_rows AS f
INNER JOIN adsp.jobs AS j ON f.job_id = j.id
WHERE NOT j.dry_run
"""


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "notification_targets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="webhook, or the scheme of its Apprise URL.",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notification_targets")),
        schema="adsp",
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("occasions", ARRAY(sa.Text()), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
            comment="NULL: it was sent, or given up.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True, comment="Why the last attempt failed."),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["adsp.events.id"],
            name=op.f("fk_notifications_event_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        schema="adsp",
    )
    op.create_index(
        "uq_notifications_event_target",
        "notifications",
        ["event_id", "target"],
        unique=True,
        schema="adsp",
    )
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["next_attempt_at"],
        schema="adsp",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.execute(
        "GRANT SELECT ON adsp.notification_targets, adsp.notifications TO adsp_api, adsp_worker, adsp_loader"
    )
    op.execute(
        "GRANT INSERT, UPDATE, DELETE ON adsp.notification_targets, adsp.notifications TO adsp_worker"
    )
    op.execute(READER)
    op.execute(LOAD_HISTORY)
    op.execute(REJECTED_ROWS)
    op.execute("GRANT USAGE ON SCHEMA adsp TO adsp_reader")
    op.execute("GRANT SELECT ON adsp.load_history, adsp.rejected_rows TO adsp_reader")


def downgrade() -> None:
    """Take the revision back; what was not sent yet is lost."""
    op.execute("DROP VIEW adsp.rejected_rows, adsp.load_history")
    op.execute("REVOKE ALL ON SCHEMA adsp FROM adsp_reader")
    op.drop_table("notifications", schema="adsp")
    op.drop_table("notification_targets", schema="adsp")
