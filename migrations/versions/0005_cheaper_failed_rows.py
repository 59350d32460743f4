"""Count a chunk's failed rows by their error code, so that no job goes through all of them at its end.

Revision 0005, after 0004.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the revision; chunks that have ended, and those of loaders of the version before, have no such counts."""
    column = sa.Column(
        "rejected_by_code",
        JSONB(none_as_null=True),
        nullable=True,
        comment="Failed rows by error code; NULL: not known.",
    )
    op.add_column("chunks", column, schema="adsp")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("chunks", "rejected_by_code", schema="adsp")
