"""Keep failed rows by the month of their job, so that old ones can go.

Revision 0015, after 0014. Needs PostgreSQL 17, whose partitions share an identity. Taken back, all are written once
more, into one table, while nobody reads or writes them.
"""

from datetime import UTC, datetime

from alembic import op
from sqlalchemy import text

from libs.common.ids import earliest_uuid7
from libs.common.sql_files import read_statement

revision: str = "0015"
down_revision: str | None = "0014"

MONTHS_AHEAD = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHECK = "ck_failed_rows_before"
PARTS = "failed_rows_parts"
COPY_BACK = (
    "INSERT INTO adsp.failed_rows OVERRIDING SYSTEM VALUE SELECT * FROM adsp.failed_rows_parts"
)
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
        op.execute(f"ALTER TABLE adsp.failed_rows DROP CONSTRAINT IF EXISTS {CHECK}")
        op.execute(
            f"ALTER TABLE adsp.failed_rows ADD CONSTRAINT {CHECK}"
            f" CHECK (job_id < '{bound}') NOT VALID"
        )
        op.execute(f"ALTER TABLE adsp.failed_rows VALIDATE CONSTRAINT {CHECK}")
    op.execute(_statement("functions"))
    _replace_table(before, "PARTITION BY RANGE (job_id)")
    # What is there stays where it is, as the partition of all months before; the constraint spares a look through it.
    op.execute(f"ALTER TABLE adsp.failed_rows DROP CONSTRAINT {CHECK}")
    op.execute(
        f"ALTER TABLE adsp.failed_rows ATTACH PARTITION adsp.{before} FOR VALUES FROM (MINVALUE) TO ('{bound}')"
    )
    op.execute(f"ALTER TABLE adsp.{before} DROP CONSTRAINT {CHECK}")
    op.execute("CREATE TABLE adsp.failed_rows_other PARTITION OF adsp.failed_rows DEFAULT")
    op.execute(f"SELECT adsp.keep_failed_row_months({MONTHS_AHEAD})")
    op.execute("GRANT SELECT (job_id, corrected_at), DELETE ON adsp.corrections TO adsp_worker")


def downgrade() -> None:
    """Take the revision back."""
    op.execute("REVOKE SELECT (job_id, corrected_at), DELETE ON adsp.corrections FROM adsp_worker")
    op.execute("DROP FUNCTION adsp.keep_failed_row_months(integer), adsp.first_job_id(timestamptz)")
    _replace_table(PARTS)
    op.execute(COPY_BACK)
    op.execute(f"DROP TABLE adsp.{PARTS}")
    op.execute(f"DROP INDEX IF EXISTS adsp.{INDEX}")
    op.execute(f"ALTER TABLE adsp.jobs DROP COLUMN IF EXISTS {COLUMN}")


def _replace_table(old: str, partitioning: str = "") -> None:
    """Put an empty table in place of the one that is there, which is called `old` from then on."""
    statement = _statement("replace_table").replace("{old}", old)
    op.execute(statement.replace("{partitioning}", partitioning))


def _statement(name: str) -> str:
    return read_statement("migrations.revision_0015", name)


def _first_month_of_its_own() -> datetime:
    """Return where the partition of what is there ends: behind the month after this, and behind all that is there.

    A clock that was ahead may have made a job of a later month.
    """
    last = "SELECT job_id FROM adsp.failed_rows ORDER BY job_id DESC LIMIT 1"
    newest = op.get_bind().execute(text(last)).scalar()
    # Not `made_at`, which refuses ids of other versions: they are in the way all the same.
    there = datetime.fromtimestamp((newest.int >> 80) / 1000, UTC) if newest else _EPOCH
    return max(_months_after(datetime.now(UTC), 2), _months_after(there, 1))


def _months_after(moment: datetime, count: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + count, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def _least_of(month: datetime) -> str:
    """Return the least UUID of a month, as `adsp.first_job_id` does."""
    return f"{earliest_uuid7(month).hex[:12]:0<32}"
