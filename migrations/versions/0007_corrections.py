"""Keep what people have made of failed rows until a replay loads it.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Apply the revision; the foreign key locks `jobs` against writers for a moment."""
    op.create_table(
        "corrections",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "byte_offset",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Of the failed row, as it is kept there.",
        ),
        sa.Column("cells", JSONB(), comment="Header cell → its text, or null; the others stay."),
        sa.Column("record", sa.Text(), comment="The whole record as text."),
        sa.Column(
            "discarded",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="A replay leaves the row out.",
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Another one after each change, never one that was.",
        ),
        sa.Column(
            "corrected_by",
            sa.Text(),
            nullable=False,
            comment="Owner of the API key that was used.",
        ),
        sa.Column(
            "corrected_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("job_id", "byte_offset", name="pk_corrections"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["adsp.jobs.id"], name="fk_corrections_job_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "num_nonnulls(cells, record) + CAST(discarded AS integer) = 1", name="one_kind"
        ),
        sa.CheckConstraint("jsonb_typeof(cells) = 'object'", name="cells_by_name"),
        schema="adsp",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON adsp.corrections TO adsp_api")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_table("corrections", schema="adsp")
