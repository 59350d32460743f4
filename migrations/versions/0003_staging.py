"""Give the loader a schema to stage deliveries in, and note what a load has changed in its table.

The loader's tables there are gone at the end of each transaction: the schema is empty but for loads under way.

Revision 0003, after 0002.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

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


def downgrade() -> None:
    """Take the revision back."""
    for table in ("chunks", "jobs"):
        for name in reversed(COMMENTS):
            op.drop_column(table, name, schema="adsp")
    op.execute("DROP SCHEMA adsp_staging")
