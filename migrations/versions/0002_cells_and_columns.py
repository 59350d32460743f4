"""Let a failed row have the error code `conversion-error`, and note how a header differs from the last load's.

Revision 0002, after 0001.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0002"
down_revision: str | None = "0001"

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
IN_JOBS = """
UPDATE adsp.jobs SET rejected_by_code = rejected_by_code - 'conversion-error' || jsonb_build_object(
    'type-error',
    coalesce((rejected_by_code ->> 'type-error')::bigint, 0) + (rejected_by_code ->> 'conversion-error')::bigint
)
WHERE rejected_by_code ? 'conversion-error'
"""
IN_FAILED_ROWS = (
    "UPDATE adsp.failed_rows SET error_code = 'type-error' WHERE error_code = 'conversion-error'"
)
IN_COUNTERS = """
INSERT INTO adsp.failed_row_counters AS counter (dataset, error_code, failed_rows)
SELECT dataset, 'type-error', failed_rows FROM adsp.failed_row_counters WHERE error_code = 'conversion-error'
ON CONFLICT (dataset, error_code) DO UPDATE SET failed_rows = counter.failed_rows + excluded.failed_rows
"""
WITHOUT_COUNTERS = "DELETE FROM adsp.failed_row_counters WHERE error_code = 'conversion-error'"


def upgrade() -> None:
    """Apply the revision; the rows are checked without holding up writers."""
    column = sa.Column(
        "header_changes",
        JSONB(none_as_null=True),
        nullable=True,
        comment="How its header differs from that of the last load, set by plan; NULL: it does not.",
    )
    op.add_column("jobs", column, schema="adsp")
    _replace_check(CODES)


def downgrade() -> None:
    """Take the revision back; what could not be converted counts as a type error, the nearest code there was."""
    for statement in (IN_JOBS, IN_FAILED_ROWS, IN_COUNTERS, WITHOUT_COUNTERS):
        op.execute(statement)
    _replace_check([code for code in CODES if code != "conversion-error"])
    op.drop_column("jobs", "header_changes", schema="adsp")


def _replace_check(codes: Sequence[str]) -> None:
    """Allow these codes, first of new rows only, then of all."""
    listed = ", ".join(f"'{code}'" for code in codes)
    op.execute(
        "ALTER TABLE adsp.failed_rows DROP CONSTRAINT ck_failed_rows_error_code,"
        f" ADD CONSTRAINT ck_failed_rows_error_code CHECK (error_code IN ({listed})) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE adsp.failed_rows VALIDATE CONSTRAINT ck_failed_rows_error_code")
