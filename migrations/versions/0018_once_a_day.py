"""Let an append load a content once for each data date (`once: data_date`).

Of such jobs the content is unique with its date, of all others as before. Indexes come and go without holding up
writers, and so outside the migration's transaction.

Revision 0018, after 0017.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | Sequence[str] | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPENDED = (
    "state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force "
    "AND (definition ->> 'mode' = 'append' OR replay_of IS NOT NULL)"
)
RUNNING = "state = 'running' AND NOT force"
ANY_DAY = "definition ->> 'once' IS DISTINCT FROM 'data_date'"
CONTENT = ["dataset", "fingerprint"]

# What is loaded again for another day is marked as loaded by force, as only that could have loaded it before.
FORCE_REPEATED = """
UPDATE adsp.jobs AS j SET force = true
WHERE j.state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT j.force
    AND j.definition ->> 'once' = 'data_date'
"""


def upgrade() -> None:
    """Apply the revision."""
    with op.get_context().autocommit_block():
        _create(
            "uq_jobs_appended_once_a_day",
            [*CONTENT, "data_date"],
            f"{APPENDED} AND definition ->> 'once' = 'data_date'",
        )
        _replace("uq_jobs_appended_once", f"{APPENDED} AND {ANY_DAY}")
        _replace("uq_jobs_content_running", f"{RUNNING} AND {ANY_DAY}")


def downgrade() -> None:
    """Take the revision back."""
    op.execute(FORCE_REPEATED)
    with op.get_context().autocommit_block():
        _replace("uq_jobs_appended_once", APPENDED)
        _replace("uq_jobs_content_running", RUNNING)
        _drop("uq_jobs_appended_once_a_day")


def _replace(name: str, where: str) -> None:
    """Make the new index before the old one goes."""
    _create(f"{name}_new", CONTENT, where)
    _drop(name)
    op.execute(f"ALTER INDEX adsp.{name}_new RENAME TO {name}")


def _create(name: str, columns: list[str], where: str) -> None:
    _drop(name)  # what an attempt that was cut off has left cannot be used
    op.create_index(
        name,
        "jobs",
        columns,
        unique=True,
        schema="adsp",
        postgresql_where=sa.text(where),
        postgresql_concurrently=True,
    )


def _drop(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
