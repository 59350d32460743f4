"""Keep what was odd about a job and allowed (`warnings` of jobs and chunks), and how many rows the load before had.

Revision 0013, after 0012.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0013"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COMMENTS = {
    "jobs": "What was odd and allowed; at its end with its chunks'.",
    "chunks": "What was odd about the load and allowed.",
}


def upgrade() -> None:
    """Apply the revision; constant defaults leave the rows as they are."""
    for table, comment in COMMENTS.items():
        column = sa.Column(
            "warnings", JSONB(), nullable=False, server_default=sa.text("'[]'"), comment=comment
        )
        op.add_column(table, column, schema="adsp")
    op.add_column(
        "jobs",
        sa.Column(
            "rows_before",
            sa.BigInteger(),
            nullable=True,
            comment="Rows of the load before, set by plan; NULL when there was none.",
        ),
        schema="adsp",
    )


def downgrade() -> None:
    """Take the revision back; the warnings are lost."""
    op.drop_column("jobs", "rows_before", schema="adsp")
    for table in COMMENTS:
        op.drop_column(table, "warnings", schema="adsp")
