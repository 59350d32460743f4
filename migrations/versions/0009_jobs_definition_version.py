"""Require of each job the version of its dataset's definition that it was made under: each has had one since 0001.

Jobs are checked without holding up writers. What was written by hand without a version gets that of its time.

Revision 0009, after 0008.
"""

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"

CHECK = "ck_jobs_definition_version"
FILL = """
UPDATE adsp.jobs AS j SET definition_version = (
    SELECT coalesce(max(v.version) FILTER (WHERE v.created_at <= j.created_at), min(v.version))
    FROM adsp.dataset_versions AS v WHERE v.dataset = j.dataset
)
WHERE j.definition_version IS NULL
"""


def upgrade() -> None:
    """Apply the revision; with a check that holds for all jobs, SET NOT NULL reads none of them.

    What an attempt that was cut off has left is made again.
    """
    op.execute(
        f"ALTER TABLE adsp.jobs DROP CONSTRAINT IF EXISTS {CHECK},"
        f" ADD CONSTRAINT {CHECK} CHECK (definition_version IS NOT NULL) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute(FILL)
        op.execute(f"ALTER TABLE adsp.jobs VALIDATE CONSTRAINT {CHECK}")
    op.execute(
        f"ALTER TABLE adsp.jobs ALTER COLUMN definition_version SET NOT NULL, DROP CONSTRAINT {CHECK}"
    )


def downgrade() -> None:
    """Take the revision back."""
    op.execute("ALTER TABLE adsp.jobs ALTER COLUMN definition_version DROP NOT NULL")
