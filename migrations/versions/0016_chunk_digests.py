"""Remember the digest of each chunk, so that a loader sees whether it reads what was planned (decision 40).

Revision 0016, after 0012.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DIGEST = sa.Column(
    "digest",
    sa.Text(),
    nullable=True,
    comment="SHA-256 of the source's header and these bytes, as stored, hex, at plan; NULL: before 0016.",
)


def upgrade() -> None:
    """Apply the revision; chunks that are planned already are not checked."""
    op.add_column("chunks", DIGEST, schema="adsp")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("chunks", "digest", schema="adsp")
