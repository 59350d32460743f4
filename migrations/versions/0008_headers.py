"""Keep what the plan reads of a header, so that loaders need not read it again.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0008"
down_revision: str | None = "0007"

TABLES = ("jobs", "job_files")
COMMENT = "Where the records begin behind the header, set by plan; NULL: not known, the file tells."


def upgrade() -> None:
    """Apply the revision; of jobs that are planned already, and by workers of the version before, loaders read it."""
    for table in TABLES:
        column = sa.Column("header_end", JSONB(none_as_null=True), nullable=True, comment=COMMENT)
        op.add_column(table, column, schema="adsp")


def downgrade() -> None:
    """Take the revision back."""
    for table in reversed(TABLES):
        op.drop_column(table, "header_end", schema="adsp")
