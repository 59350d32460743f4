"""Write failed rows at half the cost: without a foreign key that looks at each, and an index that nobody asks.

Whoever writes failed rows updates the row of their chunk in the same transaction, so the key said nothing new
(decision 27). What it did besides stays: the failed rows of a chunk that is deleted go too. A failed row is found by
its job, for which the unique index is enough. Indexes go and come without holding up writers, and so outside the
migration's transaction.

Revision 0008, after 0007.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FOREIGN_KEY = "fk_failed_rows_job_id_chunk_number"
INDEX = "ix_failed_rows_job_id_chunk_number"

DELETE_WITH_CHUNKS = """
CREATE FUNCTION adsp.delete_failed_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM adsp.failed_rows AS f USING gone
    WHERE f.job_id = gone.job_id AND f.chunk_number = gone.number;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_failed_rows AFTER DELETE ON adsp.chunks
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION adsp.delete_failed_rows()
"""


def upgrade() -> None:
    """Apply the revision."""
    op.execute(DELETE_WITH_CHUNKS)
    op.drop_constraint(FOREIGN_KEY, "failed_rows", schema="adsp", type_="foreignkey")
    with op.get_context().autocommit_block():
        _drop_index()


def downgrade() -> None:
    """Take the revision back; the key is checked without holding up writers."""
    with op.get_context().autocommit_block():
        # What an attempt that was cut off has left cannot be used.
        _drop_index()
        op.create_index(
            INDEX,
            "failed_rows",
            ["job_id", "chunk_number"],
            schema="adsp",
            postgresql_concurrently=True,
        )
    op.create_foreign_key(
        FOREIGN_KEY,
        "failed_rows",
        "chunks",
        ["job_id", "chunk_number"],
        ["job_id", "number"],
        source_schema="adsp",
        referent_schema="adsp",
        ondelete="CASCADE",
        postgresql_not_valid=True,
    )
    op.execute(f"ALTER TABLE adsp.failed_rows VALIDATE CONSTRAINT {FOREIGN_KEY}")
    op.execute("DROP TRIGGER delete_failed_rows ON adsp.chunks")
    op.execute("DROP FUNCTION adsp.delete_failed_rows()")


def _drop_index() -> None:
    op.drop_index(
        INDEX, table_name="failed_rows", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
