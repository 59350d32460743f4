"""Tell loads that wait for a lock from those that get on.

`chunks.lock_waits` counts how often a chunk was put off for a lock, `chunk_leases.progressed_at` says when its load
last got on. Columns with a default that is the same for all rows are added without writing the table anew.

Revision 0015, after 0014.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LAST_PROBLEM = "Why it failed; until it has ended, why its last attempt did."


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "chunks",
        sa.Column(
            "lock_waits",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Attempts that ended because a lock was not to be had; they are not held against it.",
        ),
        schema="adsp",
    )
    op.execute(f"COMMENT ON COLUMN adsp.chunks.error_message IS '{LAST_PROBLEM}'")
    op.add_column(
        "chunk_leases",
        sa.Column(
            "progressed_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
            comment="When the load last got on; a lease is renewed also while it waits.",
        ),
        schema="adsp",
    )


def downgrade() -> None:
    """Take the revision back; attempts that ended for a lock count like others."""
    op.drop_column("chunk_leases", "progressed_at", schema="adsp")
    op.execute("COMMENT ON COLUMN adsp.chunks.error_message IS NULL")
    op.execute("UPDATE adsp.chunks SET error_message = NULL WHERE state <> 'failed'")
    op.drop_column("chunks", "lock_waits", schema="adsp")
