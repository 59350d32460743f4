"""Let a job end `outdated`: a delivery that is older than what the table holds (decision 28).

Revision 0010, after 0009.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BEFORE = (
    "'queued', 'running', 'succeeded', 'completed_with_rejects', 'failed', 'cancelled', 'duplicate'"
)
NAMES_NEWER = "(state = 'outdated') = (outdated_by IS NOT NULL)"
INDEXES = {
    "ix_jobs_outdated_by": (["outdated_by"], "outdated_by IS NOT NULL"),
    "ix_jobs_delivered": (
        ["dataset", "data_date"],
        "state IN ('succeeded', 'completed_with_rejects', 'duplicate')",
    ),
}


def upgrade() -> None:
    """Apply the revision; what is new is checked without holding up writers."""
    comment = "The newer delivery that the table holds."
    op.add_column(
        "jobs", sa.Column("outdated_by", sa.Uuid(), nullable=True, comment=comment), schema="adsp"
    )
    op.create_foreign_key(
        "fk_jobs_outdated_by",
        "jobs",
        "jobs",
        ["outdated_by"],
        ["id"],
        source_schema="adsp",
        referent_schema="adsp",
        postgresql_not_valid=True,
    )
    _check("state", f"state IN ({BEFORE}, 'outdated')", replaces=True)
    _check("outdated_names_newer", NAMES_NEWER)
    with op.get_context().autocommit_block():
        for name in ("fk_jobs_outdated_by", "ck_jobs_state", "ck_jobs_outdated_names_newer"):
            op.execute(f"ALTER TABLE adsp.jobs VALIDATE CONSTRAINT {name}")
        for name, (columns, where) in INDEXES.items():
            _drop(name)  # what an attempt that was cut off has left cannot be used
            op.create_index(
                name,
                "jobs",
                columns,
                schema="adsp",
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    """Take the revision back; what was outdated counts as cancelled."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            _drop(name)
    op.execute("ALTER TABLE adsp.jobs DROP CONSTRAINT ck_jobs_outdated_names_newer")
    op.execute("UPDATE adsp.jobs SET state = 'cancelled' WHERE state = 'outdated'")
    op.drop_column("jobs", "outdated_by", schema="adsp")
    _check("state", f"state IN ({BEFORE})", replaces=True)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE adsp.jobs VALIDATE CONSTRAINT ck_jobs_state")


def _check(name: str, condition: str, *, replaces: bool = False) -> None:
    """Add a constraint that looks at new rows only, until it is validated."""
    if replaces:
        op.execute(f"ALTER TABLE adsp.jobs DROP CONSTRAINT ck_jobs_{name}")
    op.execute(f"ALTER TABLE adsp.jobs ADD CONSTRAINT ck_jobs_{name} CHECK ({condition}) NOT VALID")


def _drop(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
