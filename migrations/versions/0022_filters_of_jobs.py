"""Find jobs by their trigger and data date: `GET /v1/jobs` read all jobs where hardly any is meant.

The indexes are built without holding up writers, and so outside the migration's transaction.

Revision 0022, after 0021.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0022"
down_revision: str | Sequence[str] | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEXES = {
    "ix_jobs_trigger_id": ["trigger", "id"],
    "ix_jobs_data_date_id": ["data_date", "id"],
}


def upgrade() -> None:
    """Apply the revision."""
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            _drop(name)  # what an attempt that was cut off has left cannot be used
            op.create_index(name, "jobs", columns, schema="adsp", postgresql_concurrently=True)


def downgrade() -> None:
    """Take the revision back."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            _drop(name)


def _drop(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
