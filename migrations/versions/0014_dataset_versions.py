"""Keep each definition that a dataset has had, and let a dataset be paused and deleted.

A trigger writes the versions, so that no way of changing a definition goes past them; the services may only read
them. A deleted dataset stays as the row that its jobs and versions refer to.

Revision 0014, after 0013.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JOBS_VERSION = "fk_jobs_dataset_definition_version"

TRIGGERS = (
    """
CREATE FUNCTION adsp.keep_dataset_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.version := OLD.version + 1;
    END IF;
    INSERT INTO adsp.dataset_versions (dataset, version, definition)
    VALUES (NEW.name, NEW.version, NEW.definition);
    RETURN NEW;
END
$$
""",
    """
CREATE TRIGGER keep_first_version AFTER INSERT ON adsp.datasets
FOR EACH ROW EXECUTE FUNCTION adsp.keep_dataset_version()
""",
    """
CREATE TRIGGER keep_next_version BEFORE UPDATE ON adsp.datasets
FOR EACH ROW WHEN (OLD.definition IS DISTINCT FROM NEW.definition)
EXECUTE FUNCTION adsp.keep_dataset_version()
""",
)


def upgrade() -> None:
    """Apply the revision; what a dataset is now is its first version."""
    for column in _columns_of_datasets():
        op.add_column("datasets", column, schema="adsp")
    _make_versions()
    op.execute(
        "INSERT INTO adsp.dataset_versions (dataset, version, definition, created_at)"
        " SELECT name, version, definition, updated_at FROM adsp.datasets"
    )
    for statement in TRIGGERS:
        op.execute(statement)
    op.execute("GRANT SELECT ON adsp.dataset_versions TO adsp_api, adsp_worker, adsp_loader")
    op.add_column("jobs", _column_of_jobs(), schema="adsp")
    op.execute(
        f"ALTER TABLE adsp.jobs ADD CONSTRAINT {JOBS_VERSION}"
        " FOREIGN KEY (dataset, definition_version)"
        " REFERENCES adsp.dataset_versions (dataset, version) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE adsp.jobs VALIDATE CONSTRAINT {JOBS_VERSION}")


def downgrade() -> None:
    """Take the revision back: a deleted dataset is left without a schedule, a paused one is due from now on."""
    op.execute("DROP TRIGGER keep_next_version ON adsp.datasets")
    op.execute("DROP TRIGGER keep_first_version ON adsp.datasets")
    op.execute("DROP FUNCTION adsp.keep_dataset_version()")
    op.execute(
        "UPDATE adsp.datasets"
        " SET definition = jsonb_set(definition, '{schedule}', 'null'), last_due_at = NULL"
        " WHERE deleted_at IS NOT NULL"
    )
    op.execute(
        "UPDATE adsp.datasets SET last_due_at = now()"
        " WHERE paused_at IS NOT NULL AND last_due_at IS NOT NULL"
    )
    op.drop_constraint(JOBS_VERSION, "jobs", schema="adsp")
    op.drop_column("jobs", "definition_version", schema="adsp")
    op.drop_table("dataset_versions", schema="adsp")
    for column in _columns_of_datasets():
        op.drop_column("datasets", column.name, schema="adsp")


def _columns_of_datasets() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Number of the current definition in dataset_versions; a trigger counts.",
        ),
        sa.Column(
            "paused_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when no due time makes a job; NULL: each does.",
        ),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was deleted; the row stays for its jobs and versions.",
        ),
    ]


def _column_of_jobs() -> sa.Column[object]:
    return sa.Column(
        "definition_version",
        sa.Integer(),
        nullable=True,
        comment="The dataset's version that the job was made under; NULL: made before they were kept.",
    )


def _make_versions() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["adsp.datasets.name"],
            name=op.f("fk_dataset_versions_dataset"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset", "version", name=op.f("pk_dataset_versions")),
        schema="adsp",
    )
