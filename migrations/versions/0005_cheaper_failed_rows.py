"""Let a million failed rows cost less.

Their chunk counts them by error code, so that no job goes through all of them at its end; a COPY of them compares with
the most frequent words first and takes a thousand ids at a time.

Revision 0005, after 0004.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

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
FREQUENT_STAGES = ("constraint", "convert")
FREQUENT_CODES = ("unique", "foreign-key", "check", "not-null", "type-error")


def upgrade() -> None:
    """Apply the revision; chunks that have ended, and those of loaders of the version before, have no counts."""
    column = sa.Column(
        "rejected_by_code",
        JSONB(none_as_null=True),
        nullable=True,
        comment="Failed rows by error code; NULL: not known.",
    )
    op.add_column("chunks", column, schema="adsp")
    op.execute("ALTER TABLE adsp.failed_rows ALTER COLUMN id SET CACHE 1000")
    _replace_checks(
        dict.fromkeys((*FREQUENT_STAGES, *STAGES)), dict.fromkeys((*FREQUENT_CODES, *CODES))
    )


def downgrade() -> None:
    """Take the revision back."""
    _replace_checks(STAGES, CODES)
    op.execute("ALTER TABLE adsp.failed_rows ALTER COLUMN id SET CACHE 1")
    op.drop_column("chunks", "rejected_by_code", schema="adsp")


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
