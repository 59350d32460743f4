"""Find failed rows by their place alone: an index of `id` made a load with a million of them a quarter slower.

Nobody looks for one by `id`. The index of the new key is built without holding up loads; then the keys change places
in one short statement.

Revision 0004, after 0003.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"

BY_PLACE, BY_ID = "uq_failed_rows_job_id_byte_offset", "pk_failed_rows_id"
PLACE = ("job_id", "byte_offset")


def upgrade() -> None:
    """Apply the revision."""
    _build("pk_failed_rows_place", PLACE)
    op.execute(
        "ALTER TABLE adsp.failed_rows DROP CONSTRAINT pk_failed_rows,"
        f" DROP CONSTRAINT {BY_PLACE},"
        " ADD CONSTRAINT pk_failed_rows PRIMARY KEY USING INDEX pk_failed_rows_place"
    )


def downgrade() -> None:
    """Take the revision back."""
    _build(BY_ID, ("id",))
    _build(BY_PLACE, PLACE)
    op.execute(
        "ALTER TABLE adsp.failed_rows DROP CONSTRAINT pk_failed_rows,"
        f" ADD CONSTRAINT pk_failed_rows PRIMARY KEY USING INDEX {BY_ID},"
        f" ADD CONSTRAINT {BY_PLACE} UNIQUE USING INDEX {BY_PLACE}"
    )


def _build(name: str, columns: Sequence[str]) -> None:
    """Build a unique index; what an attempt that was cut off has left cannot be used."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS adsp.{name}")
        listed = ", ".join(columns)
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON adsp.failed_rows ({listed})")
