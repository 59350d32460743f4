"""Keep what a job over several files has loaded, file by file (decision 33).

Revision 0017, after 0016.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | Sequence[str] | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

GRANTS = (
    "SELECT ON adsp.job_files TO adsp_api",
    "SELECT, INSERT, UPDATE, DELETE ON adsp.job_files TO adsp_worker",
    "SELECT, UPDATE ON adsp.job_files TO adsp_loader",
)
PLACE = "in the decompressed source; of file n of several (job_files), n << 40 more."


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="From 0, in the order in which they are loaded: by path.",
        ),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="As stored, bytes."),
        sa.Column(
            "mtime_ns", sa.BigInteger(), nullable=False, comment="Modification time at plan, ns."
        ),
        sa.Column("inode", sa.Text(), nullable=False, comment="Device and inode at plan."),
        sa.Column(
            "fingerprint", sa.Text(), nullable=False, comment="SHA-256 of the file's bytes, hex."
        ),
        sa.Column(
            "duplicate_of",
            sa.Uuid(),
            nullable=True,
            comment="The job that has loaded the file; NULL: this one does.",
        ),
        *(
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for name in ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
        ),
        sa.CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_superseded",
            name=op.f("ck_job_files_accounted"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["adsp.jobs.id"], name=op.f("fk_job_files_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_files")),
        schema="adsp",
    )
    op.create_index("ix_job_files_fingerprint", "job_files", ["fingerprint"], schema="adsp")
    # A path may be longer than what a B-tree takes.
    op.create_index(
        "ix_job_files_path", "job_files", ["path"], schema="adsp", postgresql_using="hash"
    )
    for grant in GRANTS:
        op.execute(f"GRANT {grant}")
    _comment("line_number", f"Physical line it starts on, from 1, {PLACE}")
    _comment("byte_offset", f"Of its first byte {PLACE}")


def downgrade() -> None:
    """Take the revision back; what is known of single files goes."""
    _comment("line_number", "Physical line it starts on, from 1.")
    _comment("byte_offset", "Of its first byte in the decompressed source.")
    op.drop_table("job_files", schema="adsp")


def _comment(column: str, text: str) -> None:
    op.alter_column("failed_rows", column, comment=text, schema="adsp")
