"""Find the chunks of dry runs by age too, and no jobs that never had chunks.

Revision 0018, after 0017. Taken back, what was removed stays away; the jobs keep their counts.
"""

from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"

INDEX = "ix_jobs_with_old_chunks"
WHAT = (
    "(finished_at) WHERE finished_at IS NOT NULL AND header IS NOT NULL AND chunks_removed_at IS NULL"
    " AND (rows_rejected = 0 OR failed_rows_removed_at IS NOT NULL)"
    " AND (rows_loaded = 0 OR dry_run OR state IN ('succeeded', 'completed_with_rejects'))"
)
BEFORE = (
    "(finished_at) WHERE finished_at IS NOT NULL AND chunks_removed_at IS NULL"
    " AND (rows_rejected = 0 OR failed_rows_removed_at IS NOT NULL)"
    " AND (state IN ('succeeded', 'completed_with_rejects') OR state IN ('failed', 'cancelled') AND rows_loaded = 0)"
)


def upgrade() -> None:
    """Apply the revision."""
    _make_index(WHAT)
    _comment(
        "When its chunks were removed since they were kept long enough; NULL: what there was is there."
    )


def downgrade() -> None:
    """Take the revision back."""
    _comment("When its chunks were removed since they were kept long enough; NULL: they are there.")
    _make_index(BEFORE)


def _make_index(what: str) -> None:
    """Make the index anew, beside all that is written."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{INDEX}")
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON adsp.jobs {what}")


def _comment(text: str) -> None:
    op.execute(f"COMMENT ON COLUMN adsp.jobs.chunks_removed_at IS '{text}'")
