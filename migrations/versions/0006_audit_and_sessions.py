"""Keep who changed what, and the sessions of people who signed in to the console; find the last job of a day.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0006"
down_revision: str | None = "0005"

NOW = sa.text("now()")


def upgrade() -> None:
    """Apply the revision; the index is built without holding up loads."""
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("who", sa.Text(), nullable=False, comment="Owner of the API key that was used."),
        sa.Column("key_id", sa.Text(), comment="NULL: an api without keys, or the operator."),
        sa.Column("address", sa.Text(), comment="Where the request came from."),
        sa.Column("request_id", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False, comment="For example job/<id>."),
        sa.Column("details", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        schema="adsp",
    )
    for column in ("who", "action", "object"):
        op.create_index(f"ix_audit_log_{column}_id", "audit_log", [column, "id"], schema="adsp")
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of its token."),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["adsp.api_keys.id"], name="fk_sessions_key_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
        schema="adsp",
    )
    op.execute("GRANT SELECT, INSERT ON adsp.audit_log TO adsp_api")
    op.execute("GRANT SELECT, INSERT, DELETE ON adsp.sessions TO adsp_api")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS adsp.ix_jobs_dataset_day")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_jobs_dataset_day ON adsp.jobs (dataset, data_date, id)"
            " WHERE replay_of IS NULL AND NOT dry_run"
        )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_jobs_dataset_day", "jobs", schema="adsp")
    op.drop_table("sessions", schema="adsp")
    op.drop_table("audit_log", schema="adsp")
