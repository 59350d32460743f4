"""Let a failed row have the error code `bare-carriage-return`.

Revision 0012, after 0011.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0012"
down_revision: str | Sequence[str] | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

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
    "not-null",
    "unique",
    "foreign-key",
    "check",
    "exclusion",
    "suppressed",
    "other",
)
NEW = "bare-carriage-return"


def upgrade() -> None:
    """Apply the revision; the rows are checked without holding up writers."""
    _replace_check(CODES)


def downgrade() -> None:
    """Take the revision back; a bare carriage return counts as a malformed quote, the nearest code there was."""
    op.execute(
        "UPDATE adsp.jobs SET rejected_by_code = rejected_by_code - 'bare-carriage-return'"
        " || jsonb_build_object('malformed-quote',"
        "  coalesce((rejected_by_code ->> 'malformed-quote')::bigint, 0)"
        "  + (rejected_by_code ->> 'bare-carriage-return')::bigint)"
        " WHERE rejected_by_code ? 'bare-carriage-return'"
    )
    op.execute(
        "UPDATE adsp.failed_rows SET error_code = 'malformed-quote'"
        " WHERE error_code = 'bare-carriage-return'"
    )
    _replace_check([code for code in CODES if code != NEW])


def _replace_check(codes: Sequence[str]) -> None:
    """Allow these codes, first of new rows only, then of all."""
    listed = ", ".join(f"'{code}'" for code in codes)
    op.execute(
        "ALTER TABLE adsp.failed_rows DROP CONSTRAINT ck_failed_rows_error_code,"
        f" ADD CONSTRAINT ck_failed_rows_error_code CHECK (error_code IN ({listed})) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE adsp.failed_rows VALIDATE CONSTRAINT ck_failed_rows_error_code")
