"""Remember what was planned of each chunk (decision 32) and how it was loaded, and which failed rows are cut.

Revision 0016, after 0015.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | Sequence[str] | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CUT = "ix_failed_rows_cut"


def upgrade() -> None:
    """Apply the revision; chunks that are planned already are not checked."""
    for column in _chunk_columns():
        op.add_column("chunks", column, schema="adsp")
    op.add_column(
        "failed_rows",
        sa.Column(
            "record_bytes",
            sa.BigInteger(),
            nullable=True,
            comment="Its length with the line end where raw is only its start; NULL: raw is all of it.",
        ),
        schema="adsp",
    )
    _comment_on_raw("Its bytes without the line end, or their start.")
    with op.get_context().autocommit_block():
        _note_cut_rows()
        _drop_index()  # what an attempt that was cut off has left cannot be used
        op.create_index(
            CUT,
            "failed_rows",
            ["job_id"],
            schema="adsp",
            postgresql_where=sa.text("record_bytes IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the revision back."""
    with op.get_context().autocommit_block():
        _drop_index()
    _comment_on_raw("Its bytes without the line end, cut at the record cap.")
    op.drop_column("failed_rows", "record_bytes", schema="adsp")
    for column in _chunk_columns():
        op.drop_column("chunks", column.name, schema="adsp")


def _chunk_columns() -> list[sa.Column[str]]:
    comments = {
        "digest": "SHA-256 of the source's header and these bytes, as stored, hex, at plan; NULL: before 0016.",
        "load_path": "How its records were written: blocks, records or singly; NULL: not loaded, or before 0016.",
        "load_path_reason": "Why not all of them as blocks, the fastest way.",
    }
    return [
        sa.Column(name, sa.Text(), nullable=True, comment=comment)
        for name, comment in comments.items()
    ]


def _note_cut_rows() -> None:
    """Note the length of the records that earlier versions have cut, which their messages tell."""
    op.execute(
        "UPDATE adsp.failed_rows SET record_bytes = coalesce("
        " substring(message FROM 'bytes [0-9]+ to ([0-9]+)')::bigint - byte_offset, octet_length(raw) + 1)"
        " WHERE error_code = 'line-too-long' AND record_bytes IS NULL"
    )


def _comment_on_raw(comment: str) -> None:
    op.alter_column("failed_rows", "raw", comment=comment, schema="adsp")


def _drop_index() -> None:
    op.drop_index(
        CUT,
        table_name="failed_rows",
        schema="adsp",
        if_exists=True,
        postgresql_concurrently=True,
    )
