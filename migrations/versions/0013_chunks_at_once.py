"""Let a job whose chunks have no order have some of them under way at a time, not all: say so of its column.

Revision 0013, after 0012. Taken back, loaders of the version before load such jobs in order.
"""

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"

COLUMN = "adsp.jobs.chunks_at_once"
COMMENT = "Most chunks under way; 1: they are loaded in their order. NULL: all, in any order."
COMMENT_BEFORE = "Most chunks under way, which end in their order; NULL: all, in any order."


def upgrade() -> None:
    """Apply the revision."""
    op.execute(f"COMMENT ON COLUMN {COLUMN} IS '{COMMENT}'")


def downgrade() -> None:
    """Take the revision back."""
    op.execute(f"COMMENT ON COLUMN {COLUMN} IS '{COMMENT_BEFORE}'")
