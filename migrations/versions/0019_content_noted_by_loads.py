"""Find files by their sizes, and let a loader note the content that it has read.

Revision 0019, after 0018. Before it is taken back, no job may be running whose content nobody has read:
`SELECT id FROM adsp.jobs WHERE fingerprint LIKE 'unread:%' AND finished_at IS NULL` names none, once the workers have
`ADSP_READ_FIRST_BYTES` of some petabytes. The loaders keep their right then: loads that are under way need it.
"""

from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"

INDEXES = {
    "ix_jobs_dataset_bytes_total": "adsp.jobs (dataset, bytes_total)",
    "ix_job_files_size": "adsp.job_files (size)",
}
COMMENTS = {
    "jobs.fingerprint": (
        "SHA-256 of the source's bytes, hex; of a replay, with the job that it replays.",
        " unread:<id>, until a loader has read it.",
    ),
    "chunks.digest": (
        "SHA-256 of the source's header and these bytes, as stored, hex, at plan; NULL: job_files has them.",
        " unread, until a loader has read them.",
    ),
}


def upgrade() -> None:
    """Apply the revision."""
    op.execute("GRANT UPDATE (fingerprint) ON adsp.jobs TO adsp_loader")
    for column, (before, more) in COMMENTS.items():
        _comment(column, before + more)
    with op.get_context().autocommit_block():
        for index, what in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{index}")
            op.execute(f"CREATE INDEX CONCURRENTLY {index} ON {what}")


def downgrade() -> None:
    """Take the revision back."""
    for column, (before, _) in COMMENTS.items():
        _comment(column, before)
    with op.get_context().autocommit_block():
        for index in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{index}")


def _comment(column: str, text: str) -> None:
    quoted = text.replace("'", "''")
    op.execute(f"COMMENT ON COLUMN adsp.{column} IS '{quoted}'")
