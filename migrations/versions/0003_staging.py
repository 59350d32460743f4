"""Give the loader a schema to stage deliveries in, note what a load has changed in its table, and let jobs be dry runs.

The loader's tables there are gone at the end of each transaction: the schema is empty but for loads under way.

Revision 0003, after 0002.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"

STATES = (
    "queued",
    "waiting",
    "running",
    "succeeded",
    "completed_with_rejects",
    "failed",
    "cancelled",
    "duplicate",
    "outdated",
    "checked",
)
DRY_RUN = (
    "CASE WHEN dry_run THEN state NOT IN ('succeeded', 'completed_with_rejects', 'duplicate', 'outdated')"
    " ELSE state <> 'checked' END"
)
COMMENTS = {
    "rows_inserted": "Rows that the load has added to its table; NULL: not known.",
    "rows_updated": "Rows of the table that it has changed; NULL: not known.",
    "rows_deleted": "Rows of the table that it has deleted; NULL: not known.",
    "rows_unchanged": "Rows of the delivery that the table held already; NULL: not known.",
}


def upgrade() -> None:
    """Apply the revision."""
    op.execute("CREATE SCHEMA adsp_staging")
    op.execute(
        "COMMENT ON SCHEMA adsp_staging IS 'Tables of loads under way; empty when there are none.'"
    )
    op.execute("GRANT USAGE, CREATE ON SCHEMA adsp_staging TO adsp_loader")
    for table in ("jobs", "chunks"):
        for name, comment in COMMENTS.items():
            column = sa.Column(name, sa.BigInteger(), nullable=True, comment=comment)
            op.add_column(table, column, schema="adsp")
    dry_run: sa.Column[bool] = sa.Column(
        "dry_run",
        sa.Boolean(),
        server_default=sa.text("false"),
        nullable=False,
        comment="It is judged as a load and leaves no row.",
    )
    op.add_column("jobs", dry_run, schema="adsp")
    _count_jobs("NOT NEW.dry_run AND ")
    _check("ck_jobs_dry_run_loads_nothing", DRY_RUN)
    _check("ck_jobs_state", _one_of(STATES))


def downgrade() -> None:
    """Take the revision back; what was checked has loaded nothing, as a cancelled job."""
    op.execute("ALTER TABLE adsp.jobs DROP CONSTRAINT ck_jobs_dry_run_loads_nothing")
    op.execute("UPDATE adsp.jobs SET state = 'cancelled' WHERE state = 'checked'")
    _check("ck_jobs_state", _one_of([state for state in STATES if state != "checked"]))
    _count_jobs("")
    op.drop_column("jobs", "dry_run", schema="adsp")
    for table in ("chunks", "jobs"):
        for name in reversed(COMMENTS):
            op.drop_column(table, name, schema="adsp")
    op.execute("DROP SCHEMA adsp_staging")


def _count_jobs(condition: str) -> None:
    """Count the jobs that end, of which this holds, by the triggers of the baseline."""
    for event, name, ended in (
        ("INSERT", "count_inserted_job", "NEW.finished_at IS NOT NULL"),
        ("UPDATE", "count_ended_job", "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL"),
    ):
        op.execute(
            f"CREATE OR REPLACE TRIGGER {name} AFTER {event} ON adsp.jobs"
            f" FOR EACH ROW WHEN ({condition}{ended}) EXECUTE FUNCTION adsp.count_ended_job()"
        )


def _check(name: str, condition: str) -> None:
    """Make or replace a CHECK of jobs, first for new rows only, then for all."""
    op.execute(
        f"ALTER TABLE adsp.jobs DROP CONSTRAINT IF EXISTS {name},"
        f" ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE adsp.jobs VALIDATE CONSTRAINT {name}")


def _one_of(states: Sequence[str]) -> str:
    return f"state IN ({', '.join(map(repr, states))})"
