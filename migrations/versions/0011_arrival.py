"""Let a job wait for its source (state `waiting`), and keep what was seen of a source that has to settle.

Revision 0011, after 0010.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ENDS = "'succeeded', 'completed_with_rejects', 'failed', 'cancelled', 'duplicate', 'outdated'"
WITHOUT, WITH = "'queued', 'running'", "'queued', 'waiting', 'running'"
LIVE_SCHEDULE = "uq_jobs_live_schedule"


def upgrade() -> None:
    """Apply the revision; what is new is checked without holding up writers."""
    for column in _columns():
        op.add_column("jobs", column, schema="adsp")
    op.execute(
        "ALTER TABLE adsp.jobs ADD CONSTRAINT ck_jobs_waiting_has_start "
        "CHECK (state <> 'waiting' OR waiting_since IS NOT NULL) NOT VALID"
    )
    names = _replace_checks(WITH)
    with op.get_context().autocommit_block():
        _validate([*names, "ck_jobs_waiting_has_start"])
        _replace_index(WITH)


def downgrade() -> None:
    """Take the revision back; what was waiting is queued, and fails when its source is not there."""
    op.execute(
        "UPDATE adsp.jobs SET state = 'queued', next_attempt_at = now() WHERE state = 'waiting'"
    )
    op.execute("ALTER TABLE adsp.jobs DROP CONSTRAINT ck_jobs_waiting_has_start")
    names = _replace_checks(WITHOUT)
    for column in _columns():
        op.drop_column("jobs", column.name, schema="adsp")
    with op.get_context().autocommit_block():
        _validate(names)
        _replace_index(WITHOUT)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "waiting_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it began to wait for its source; kept once that has come.",
        ),
        sa.Column(
            "seen_identity",
            JSONB(none_as_null=True),
            nullable=True,
            comment="The source as it was first seen unchanged, and when; of a dataset with settle.",
        ),
    ]


def _replace_checks(live: str) -> list[str]:
    """Replace the constraints that name the live states by ones that look at new rows only."""
    checks = {
        "ck_jobs_state": f"state IN ({live}, {ENDS})",
        "ck_jobs_accounted": (
            f"state IN ({live}) OR rows_read = rows_loaded + rows_rejected + rows_superseded"
        ),
        "ck_jobs_finished_has_time": f"(state IN ({live})) = (finished_at IS NULL)",
    }
    for name, condition in checks.items():
        op.execute(f"ALTER TABLE adsp.jobs DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE adsp.jobs ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    return list(checks)


def _validate(names: Sequence[str]) -> None:
    for name in names:
        op.execute(f"ALTER TABLE adsp.jobs VALIDATE CONSTRAINT {name}")


def _replace_index(live: str) -> None:
    """Build the index of live scheduled jobs beside the old one, then let it take that one's place."""
    fresh = f"{LIVE_SCHEDULE}_new"
    _drop(fresh)  # what an attempt that was cut off has left cannot be used
    op.create_index(
        fresh,
        "jobs",
        ["dataset", "data_date", "source"],
        unique=True,
        schema="adsp",
        postgresql_where=sa.text(f"trigger = 'schedule' AND state IN ({live})"),
        postgresql_concurrently=True,
    )
    _drop(LIVE_SCHEDULE)
    op.execute(f"ALTER INDEX adsp.{fresh} RENAME TO {LIVE_SCHEDULE}")


def _drop(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
