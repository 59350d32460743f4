"""Bound how many jobs are at work: tell those of backfills from others, and find who runs and who is held.

Revision 0014, after 0013. Taken back, jobs of backfills are jobs of the api, and those that are held are due.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"

BEFORE = ("schedule", "api", "upload", "replay")
INDEXES = {
    "ix_jobs_running": "(dataset) WHERE state = 'running'",
    "ix_jobs_held": "(data_date, id) WHERE state IN ('queued', 'waiting') AND next_attempt_at IS NULL",
}
COMMENT = (
    "COMMENT ON COLUMN adsp.jobs.next_attempt_at IS"
    " 'The sweeper sends plan again after this time; NULL: never{}.'"
)
ADD_UP = """
WITH gone AS (DELETE FROM adsp.job_counters WHERE trigger = 'backfill' RETURNING *)
INSERT INTO adsp.job_counters AS counter
SELECT
    gone.dataset, 'api', gone.state, gone.jobs, gone.rows_read, gone.rows_loaded, gone.rows_rejected,
    gone.rows_superseded, gone.bytes, gone.unaccounted
FROM gone
ON CONFLICT (dataset, trigger, state) DO UPDATE SET
    jobs = counter.jobs + excluded.jobs,
    rows_read = counter.rows_read + excluded.rows_read,
    rows_loaded = counter.rows_loaded + excluded.rows_loaded,
    rows_rejected = counter.rows_rejected + excluded.rows_rejected,
    rows_superseded = counter.rows_superseded + excluded.rows_superseded,
    bytes = counter.bytes + excluded.bytes,
    unaccounted = counter.unaccounted + excluded.unaccounted
"""


def upgrade() -> None:
    """Apply the revision."""
    for name, what in INDEXES.items():
        with op.get_context().autocommit_block():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON adsp.jobs {what}")
    op.execute(COMMENT.format(", or once it has a place"))
    _allow((*BEFORE, "backfill"))


def downgrade() -> None:
    """Take the revision back."""
    op.execute("UPDATE adsp.jobs SET trigger = 'api' WHERE trigger = 'backfill'")
    op.execute(ADD_UP)
    op.execute(
        "UPDATE adsp.jobs SET next_attempt_at = now()"
        " WHERE finished_at IS NULL AND next_attempt_at IS NULL AND state IN ('queued', 'waiting')"
    )
    op.execute(COMMENT.format(""))
    for name in INDEXES:
        op.execute(f"DROP INDEX IF EXISTS adsp.{name}")
    _allow(BEFORE)


def _allow(triggers: Sequence[str]) -> None:
    """Let new rows have these triggers; then look through all, without holding up writers."""
    op.execute(
        "ALTER TABLE adsp.jobs DROP CONSTRAINT ck_jobs_trigger, ADD CONSTRAINT ck_jobs_trigger"
        f" CHECK (trigger IN ({', '.join(map(repr, triggers))})) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE adsp.jobs VALIDATE CONSTRAINT ck_jobs_trigger")
