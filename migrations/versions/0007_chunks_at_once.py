"""Let chunks whose order matters be loaded in parallel: say how many at a time.

That number takes the place of the mark that they go one after the other, and keeps that meaning for jobs that run.

Revision 0007, after 0006.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "jobs",
        sa.Column(
            "chunks_at_once",
            sa.Integer(),
            nullable=True,
            comment="Most chunks under way, which end in their order; NULL: all, in any order.",
        ),
        schema="adsp",
    )
    op.execute(
        "UPDATE adsp.jobs SET chunks_at_once = 1 WHERE chunks_in_order AND finished_at IS NULL"
    )
    op.drop_column("jobs", "chunks_in_order", schema="adsp")


def downgrade() -> None:
    """Take the revision back."""
    op.add_column(
        "jobs",
        sa.Column(
            "chunks_in_order",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Chunk n+1 is sent when chunk n is done.",
        ),
        schema="adsp",
    )
    op.execute(
        "UPDATE adsp.jobs SET chunks_in_order = true"
        " WHERE chunks_at_once IS NOT NULL AND finished_at IS NULL"
    )
    op.drop_column("jobs", "chunks_at_once", schema="adsp")
