"""Make the ledger, the sample table, and what each service may do with them.

Roles belong to the whole server, so a missing one is made without a login (whoever runs the server decides how it
logs in), and the downgrade takes privileges back but keeps the roles: other databases may use them.

Revision 0001, the first.
"""

from alembic import op

from libs.common.sql_files import read_statement

revision: str = "0001"
down_revision: str | None = None

ROLES = ("adsp_api", "adsp_worker", "adsp_loader")
CREATE_ROLE_IF_MISSING = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another migration was quicker
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role {role} does not exist and this role may not make it'
            USING HINT = 'As a superuser: CREATE ROLE {role} LOGIN PASSWORD ...';
END $$
"""
PARTS = ("tables", "triggers", "views", "sample_table", "privileges")


def upgrade() -> None:
    """Apply the revision."""
    connection = op.get_bind()
    for role in ROLES:
        op.execute(CREATE_ROLE_IF_MISSING.format(role=role))
    for part in PARTS:
        # The colons and percent signs of these files are no parameters.
        connection.exec_driver_sql(read_statement("migrations.baseline", part))


def downgrade() -> None:
    """Take the revision back; the schema stays, for it has Alembic's own table."""
    roles = ", ".join(ROLES)
    op.execute(f"REVOKE ALL ON SCHEMA adsp FROM {roles}")
    op.execute("DROP TABLE public.items")
    op.execute("DROP VIEW adsp.open_failed_rows")
    op.execute(
        "DROP TABLE adsp.failed_row_counters, adsp.job_counters, adsp.api_keys, adsp.uploads, adsp.idempotency_keys,"
        " adsp.events, adsp.failed_rows, adsp.chunk_leases, adsp.chunks, adsp.job_files, adsp.jobs,"
        " adsp.dataset_versions, adsp.datasets"
    )
    op.execute(
        "DROP FUNCTION adsp.count_ended_job(), adsp.delete_failed_rows(), adsp.keep_dataset_version()"
    )
