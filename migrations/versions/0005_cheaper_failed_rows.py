"""Let a million failed rows cost less.

Their chunk counts them by error code, so that no job goes through all of them at its end; a COPY of them compares with
the most frequent words first and takes a thousand ids at a time. Which of them are open is asked with as many looks at
an index as there are jobs with some, not as there are later snapshots of each.

Revision 0005, after 0004.
"""

from collections.abc import Iterable

from alembic import op

from libs.common.sql_files import read_statement

revision: str = "0005"
down_revision: str | None = "0004"

STAGES = ("parse", "convert", "constraint")
CODES = (
    "missing-cell",
    "extra-cell",
    "malformed-quote",
    "bare-carriage-return",
    "encoding-error",
    "line-too-long",
    "type-error",
    "out-of-range",
    "value-too-long",
    "conversion-error",
    "not-null",
    "unique",
    "foreign-key",
    "check",
    "exclusion",
    "suppressed",
    "other",
)
SETTLED = (
    "COMMENT ON COLUMN adsp.jobs.failed_rows_settled IS"
    " 'Whether {} that no replay can load its failed rows any more.'"
)
COUNTS = "COMMENT ON COLUMN adsp.chunks.rejected_by_code IS 'Failed rows by error code; NULL: not known.'"
SNAPSHOTS = "state IN ('succeeded', 'completed_with_rejects') AND definition ->> 'mode' = 'replace'"
FREQUENT_STAGES = ("constraint", "convert")
FREQUENT_CODES = ("unique", "foreign-key", "check", "not-null", "type-error")


def upgrade() -> None:
    """Apply the revision; chunks that have ended, and those of loaders of the version before, have no counts.

    What is committed on the way does no harm to an attempt that comes after one that was cut off.
    """
    _build("ix_jobs_slices", "dataset, data_date, finished_at", "scope' IS NOT NULL")
    _build("ix_jobs_snapshots_whole", "dataset, finished_at", "scope' IS NULL")
    op.execute("DROP INDEX adsp.ix_jobs_snapshots")
    op.execute("ALTER INDEX adsp.ix_jobs_snapshots_whole RENAME TO ix_jobs_snapshots")
    _replace_view("migrations.revision_0005", "open_failed_rows")
    op.execute(SETTLED.format("it is known"))
    op.execute("ALTER TABLE adsp.chunks ADD COLUMN IF NOT EXISTS rejected_by_code jsonb")
    op.execute(COUNTS)
    op.execute("ALTER TABLE adsp.failed_rows ALTER COLUMN id SET CACHE 1000")
    _replace_checks(
        dict.fromkeys((*FREQUENT_STAGES, *STAGES)), dict.fromkeys((*FREQUENT_CODES, *CODES))
    )


def downgrade() -> None:
    """Take the revision back."""
    _build("ix_jobs_snapshots_all", "dataset, finished_at")
    op.execute("DROP INDEX adsp.ix_jobs_snapshots")
    op.execute("DROP INDEX IF EXISTS adsp.ix_jobs_slices")
    op.execute("ALTER INDEX adsp.ix_jobs_snapshots_all RENAME TO ix_jobs_snapshots")
    _replace_view("migrations.baseline", "views")
    op.execute(SETTLED.format("the sweep has seen"))
    op.execute("ALTER TABLE adsp.chunks DROP COLUMN IF EXISTS rejected_by_code")
    op.execute("ALTER TABLE adsp.failed_rows ALTER COLUMN id SET CACHE 1")
    _replace_checks(STAGES, CODES)


def _build(name: str, columns: str, scope: str = "") -> None:
    """Build an index of snapshots; what an attempt that was cut off has left cannot be used."""
    condition = f"{SNAPSHOTS} AND definition ->> '{scope}" if scope else SNAPSHOTS
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON adsp.jobs ({columns}) WHERE {condition}")


def _replace_view(package: str, name: str) -> None:
    statement = read_statement(package, name)
    op.execute(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))


def _replace_checks(stages: Iterable[str], codes: Iterable[str]) -> None:
    """Compare with the words in this order: first of new rows only, then of all, without holding up writers."""
    words = {"stage": stages, "error_code": codes}
    changes = [
        f"DROP CONSTRAINT ck_failed_rows_{column}, ADD CONSTRAINT ck_failed_rows_{column}"
        f" CHECK ({column} IN ({', '.join(map(repr, listed))})) NOT VALID"
        for column, listed in words.items()
    ]
    op.execute(f"ALTER TABLE adsp.failed_rows {', '.join(changes)}")
    with op.get_context().autocommit_block():
        op.execute(
            "ALTER TABLE adsp.failed_rows VALIDATE CONSTRAINT ck_failed_rows_stage,"
            " VALIDATE CONSTRAINT ck_failed_rows_error_code"
        )
