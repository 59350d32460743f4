"""Load content once where that is the dataset's promise: appends and replays; a state may come back.

Contents A, B, A of a `replace` or `upsert` dataset are three loads, so its content is unique only while it is loaded
(decision 28). Questions by content and the foreign key of duplicates get the indexes that they lacked. Indexes come
and go without holding up writers, and so outside the migration's transaction.

Revision 0009, after 0008.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BEFORE = "uq_jobs_content_once"
LOADED = "state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force"
INDEXES: dict[str, tuple[list[str], str, bool]] = {
    "uq_jobs_appended_once": (
        ["dataset", "fingerprint"],
        f"{LOADED} AND (definition ->> 'mode' = 'append' OR replay_of IS NOT NULL)",
        True,
    ),
    "uq_jobs_content_running": (
        ["dataset", "fingerprint"],
        "state = 'running' AND NOT force",
        True,
    ),
    "ix_jobs_dataset_fingerprint": (
        ["dataset", "fingerprint"],
        "fingerprint IS NOT NULL",
        False,
    ),
    "ix_jobs_duplicate_of": (["duplicate_of"], "duplicate_of IS NOT NULL", False),
}

# A content that came back is marked as loaded by force, as only that could have loaded it before this revision.
FORCE_REPEATED = """
UPDATE adsp.jobs AS j SET force = true
WHERE j.state IN ('succeeded', 'completed_with_rejects') AND NOT j.force AND EXISTS (
    SELECT FROM adsp.jobs AS later
    WHERE later.dataset = j.dataset AND later.fingerprint = j.fingerprint AND later.id > j.id
        AND later.state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT later.force
)
"""


def upgrade() -> None:
    """Apply the revision."""
    with op.get_context().autocommit_block():
        for name, (columns, where, unique) in INDEXES.items():
            _create(name, columns, where, unique=unique)
        _drop(BEFORE)


def downgrade() -> None:
    """Take the revision back."""
    op.execute(FORCE_REPEATED)
    with op.get_context().autocommit_block():
        _create(BEFORE, ["dataset", "fingerprint"], LOADED, unique=True)
        for name in INDEXES:
            _drop(name)


def _create(name: str, columns: list[str], where: str, *, unique: bool) -> None:
    _drop(name)  # what an attempt that was cut off has left cannot be used
    op.create_index(
        name,
        "jobs",
        columns,
        unique=unique,
        schema="adsp",
        postgresql_where=sa.text(where),
        postgresql_concurrently=True,
    )


def _drop(name: str) -> None:
    op.drop_index(
        name, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
