"""Keep failed rows by the month of their job, so that old ones can go.

Revision 0015, after 0014. Needs PostgreSQL 17, whose partitions share an identity. Taken back, all are written once
more, into one table, while nobody reads or writes them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from alembic import op
from sqlalchemy import text

from libs.common.ids import earliest_uuid7
from libs.common.sql_files import read_statement

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MONTHS_AHEAD = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMN = "failed_rows_removed_at"
INDEX = "ix_jobs_with_failed_rows"
WHAT = "(finished_at) WHERE finished_at IS NOT NULL AND rows_rejected > 0 AND failed_rows_removed_at IS NULL"


def upgrade() -> None:
    """Apply the revision; what is committed on the way does no harm to an attempt after one that was cut off.

    The rows that are there are looked through once, beside everybody; then the table is locked for a moment.
    """
    op.execute(f"ALTER TABLE adsp.jobs ADD COLUMN IF NOT EXISTS {COLUMN} timestamptz")
    op.execute(
        f"COMMENT ON COLUMN adsp.jobs.{COLUMN} IS"
        " 'When its failed rows were removed since they were kept long enough; NULL: they are there.'"
    )
    month = _first_month_of_its_own()
    bound, before = _least_of(month), f"failed_rows_before_{month:%Y_%m}"
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{INDEX}")
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON adsp.jobs {WHAT}")
        op.execute("ALTER TABLE adsp.failed_rows DROP CONSTRAINT IF EXISTS ck_failed_rows_before")
        op.execute(
            "ALTER TABLE adsp.failed_rows ADD CONSTRAINT ck_failed_rows_before"
            f" CHECK (job_id < '{bound}') NOT VALID"
        )
        op.execute("ALTER TABLE adsp.failed_rows VALIDATE CONSTRAINT ck_failed_rows_before")
    op.execute(_statement("functions"))
    op.execute(_statement("split").replace("{bound}", bound).replace("{before}", before))
    op.execute(f"SELECT adsp.keep_failed_row_months({MONTHS_AHEAD})")
    op.execute("GRANT SELECT (job_id, corrected_at), DELETE ON adsp.corrections TO adsp_worker")


def downgrade() -> None:
    """Take the revision back."""
    op.execute("REVOKE SELECT (job_id, corrected_at), DELETE ON adsp.corrections FROM adsp_worker")
    op.execute("DROP FUNCTION adsp.keep_failed_row_months(integer), adsp.first_job_id(timestamptz)")
    op.execute(_statement("join"))
    op.execute(f"DROP INDEX IF EXISTS adsp.{INDEX}")
    op.execute(f"ALTER TABLE adsp.jobs DROP COLUMN IF EXISTS {COLUMN}")


def _statement(name: str) -> str:
    return read_statement("migrations.revision_0015", name)


def _first_month_of_its_own() -> datetime:
    """Return where the partition of what is there ends: behind the month after this, and behind all that is there.

    A clock that was ahead may have made a job of a later month.
    """
    last = "SELECT job_id FROM adsp.failed_rows ORDER BY job_id DESC LIMIT 1"
    newest = op.get_bind().execute(text(last)).scalar()
    there = datetime.fromtimestamp((newest.int >> 80) / 1000, UTC) if newest else _EPOCH
    return max(_months_after(datetime.now(UTC), 2), _months_after(there, 1))


def _months_after(moment: datetime, count: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + count, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def _least_of(month: datetime) -> str:
    """Return the least UUID of a month, as `adsp.first_job_id` does."""
    return f"{earliest_uuid7(month).hex[:12]:0<32}"
