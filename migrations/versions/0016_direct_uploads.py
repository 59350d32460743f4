"""Keep which files clients send straight to the bucket of uploads, until a job is made of them or nobody came.

Revision 0016, after 0015. Taken back, what was not claimed by then cannot be any more.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "direct_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "owner", sa.Text(), nullable=True, comment="Of the API key; NULL: an api without keys."
        ),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False, comment="Where it is sent; not signed."),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Its size, as was said."),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="NULL: nobody has claimed it."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_direct_uploads")),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["adsp.jobs.id"],
            name=op.f("fk_direct_uploads_job_id"),
            ondelete="CASCADE",
        ),
        schema="adsp",
    )
    op.create_index("ix_direct_uploads_job_id", "direct_uploads", ["job_id"], schema="adsp")
    op.create_index(
        "ix_direct_uploads_unclaimed",
        "direct_uploads",
        ["owner"],
        schema="adsp",
        postgresql_where=sa.text("job_id IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE (job_id) ON adsp.direct_uploads TO adsp_api")
    op.execute("GRANT SELECT, DELETE ON adsp.direct_uploads TO adsp_worker")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_table("direct_uploads", schema="adsp")
