"""Keep with each job how many failed rows of each reason it has, and find the last ends of a dataset.

Prometheus asks for both again and again; going through all failed rows each time would cost more with every job.
The jobs that have ended already are counted here, once. The index is built without holding up writers, and so outside
the migration's transaction.

Revision 0005, after 0004.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_jobs_finished"

COUNT_ENDED = """
UPDATE adsp.jobs AS j
SET rejected_by_code = counted.by_code
FROM (
    SELECT job_id, jsonb_object_agg(error_code, failed_rows) AS by_code
    FROM (
        SELECT job_id, error_code, count(*) AS failed_rows
        FROM adsp.failed_rows
        GROUP BY job_id, error_code
    ) AS of_code
    GROUP BY job_id
) AS counted
WHERE counted.job_id = j.id AND j.finished_at IS NOT NULL
"""


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "jobs",
        sa.Column(
            "rejected_by_code",
            postgresql.JSONB(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Failed rows by error code, counted at the job's end.",
        ),
        schema="adsp",
    )
    op.execute(COUNT_ENDED)
    with op.get_context().autocommit_block():
        # What an attempt that was cut off has left cannot be used.
        _drop_index()
        op.create_index(
            INDEX,
            "jobs",
            ["dataset", "finished_at"],
            schema="adsp",
            postgresql_where=sa.text("finished_at IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the revision back."""
    with op.get_context().autocommit_block():
        _drop_index()
    op.drop_column("jobs", "rejected_by_code", schema="adsp")


def _drop_index() -> None:
    op.drop_index(
        INDEX, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
