"""Keep a source's header with its job, and find the replays of a job.

The header makes failed rows a file again, also when the source is gone. The index is built without holding up
writers, and so outside the migration's transaction.

Revision 0004, after 0003.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_jobs_replay_of"
FINGERPRINT = "SHA-256 of the source's bytes, hex"


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "jobs",
        sa.Column(
            "header",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="Cells of the source's header, set by plan.",
        ),
        schema="adsp",
    )
    op.alter_column(
        "jobs",
        "fingerprint",
        comment=f"{FINGERPRINT}; of a replay, with the job that it replays.",
        schema="adsp",
    )
    with op.get_context().autocommit_block():
        # What an attempt that was cut off has left cannot be used.
        _drop_index()
        op.create_index(
            INDEX,
            "jobs",
            ["replay_of"],
            schema="adsp",
            postgresql_where=sa.text("replay_of IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the revision back."""
    with op.get_context().autocommit_block():
        _drop_index()
    op.alter_column("jobs", "fingerprint", comment=f"{FINGERPRINT}.", schema="adsp")
    op.drop_column("jobs", "header", schema="adsp")


def _drop_index() -> None:
    op.drop_index(
        INDEX, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
