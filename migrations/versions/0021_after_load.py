"""Note which loaded files are still to be moved or deleted (`after_load`).

Revision 0021, after 0020.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | Sequence[str] | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_jobs_files_due"


def upgrade() -> None:
    """Apply the revision; the index is built without holding up writers."""
    column = sa.Column(
        "files_due_at",
        sa.DateTime(timezone=True),
        nullable=True,
        comment="The job's files are moved or deleted after this time (after_load); NULL: nothing is left to do.",
    )
    op.add_column("jobs", column, schema="adsp")
    with op.get_context().autocommit_block():
        _drop()  # what an attempt that was cut off has left cannot be used
        op.create_index(
            INDEX,
            "jobs",
            ["files_due_at"],
            schema="adsp",
            postgresql_where=sa.text("files_due_at IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the revision back; files that wait to be moved or deleted stay."""
    with op.get_context().autocommit_block():
        _drop()
    op.drop_column("jobs", "files_due_at", schema="adsp")


def _drop() -> None:
    op.drop_index(
        INDEX, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
