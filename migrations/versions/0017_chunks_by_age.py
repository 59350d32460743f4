"""Note whose chunks were removed by age, and find the jobs that need theirs no more.

Revision 0017, after 0016. Taken back, what was removed stays away; the jobs keep their counts.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"

COLUMN = "chunks_removed_at"
INDEX = "ix_jobs_with_old_chunks"
WHAT = (
    "(finished_at) WHERE finished_at IS NOT NULL AND chunks_removed_at IS NULL"
    " AND (rows_rejected = 0 OR failed_rows_removed_at IS NOT NULL)"
    " AND (state IN ('succeeded', 'completed_with_rejects') OR state IN ('failed', 'cancelled') AND rows_loaded = 0)"
)


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "jobs",
        sa.Column(
            COLUMN,
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its chunks were removed since they were kept long enough; NULL: they are there.",
        ),
        schema="adsp",
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{INDEX}")
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON adsp.jobs {WHAT}")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("jobs", COLUMN, schema="adsp")  # and the index with it
