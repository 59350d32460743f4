"""Let a job that waits for its turn remember the fingerprint of its source.

Revision 0019, after 0018.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0019"
down_revision: str | Sequence[str] | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the revision."""
    column = sa.Column(
        "known_content",
        JSONB(),
        nullable=True,
        comment="Fingerprint of the source of a job that had to wait for another, and what the file was then.",
    )
    op.add_column("jobs", column, schema="adsp")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("jobs", "known_content", schema="adsp")
