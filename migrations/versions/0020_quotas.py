"""Count what each owner takes: files in the upload area, unfinished jobs, failed rows; find jobs by their state.

The indexes are built without holding up writers, and so outside the migration's transaction.

Revision 0020, after 0019.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | Sequence[str] | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEXES = {
    "ix_jobs_state_id": (["state", "id"], None),
    "ix_jobs_owner_unfinished": (["owner"], "owner IS NOT NULL AND finished_at IS NULL"),
    "ix_jobs_owner_rejected": (["owner", "id"], "owner IS NOT NULL AND rows_rejected > 0"),
}


def upgrade() -> None:
    """Apply the revision; files that are there already count for nobody."""
    op.create_table(
        "uploads",
        sa.Column("folder", sa.Uuid(), nullable=False, comment="Its folder's name."),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Size of the file as stored."),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("folder", name=op.f("pk_uploads")),
        schema="adsp",
    )
    op.create_index(op.f("ix_uploads_owner"), "uploads", ["owner"], schema="adsp")
    op.execute("GRANT SELECT, INSERT ON adsp.uploads TO adsp_api")
    op.execute("GRANT SELECT, DELETE ON adsp.uploads TO adsp_worker")
    with op.get_context().autocommit_block():
        for name, (columns, condition) in INDEXES.items():
            _drop(name)  # what an attempt that was cut off has left cannot be used
            op.create_index(
                name,
                "jobs",
                columns,
                schema="adsp",
                postgresql_where=sa.text(condition) if condition else None,
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    """Take the revision back."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            _drop(name)
    op.drop_table("uploads", schema="adsp")


def _drop(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
