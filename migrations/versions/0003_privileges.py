"""Give each service what it needs and no DDL: roles adsp_api, adsp_worker, adsp_loader.

Roles belong to the whole server, so a missing one is made without a login (whoever runs the server
decides how it logs in), and the downgrade takes privileges back but keeps the roles: other databases
may use them.

Revision 0003, after 0002.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

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

GRANTS = (
    "USAGE ON SCHEMA adsp TO {roles}",
    "SELECT ON ALL TABLES IN SCHEMA adsp TO {roles}",
    # The api records what was asked for; it never decides how a load ends.
    "INSERT, UPDATE ON adsp.datasets, adsp.jobs TO adsp_api",
    "INSERT ON adsp.idempotency_keys, adsp.events TO adsp_api",
    "SELECT ON public.items TO adsp_api",
    # The worker plans, ends and cleans up jobs; it never touches a target table.
    "UPDATE ON adsp.datasets TO adsp_worker",
    "INSERT, UPDATE, DELETE ON adsp.jobs, adsp.chunks, adsp.chunk_leases TO adsp_worker",
    "INSERT, UPDATE, DELETE ON adsp.failed_rows, adsp.events, adsp.idempotency_keys TO adsp_worker",
    # The loader moves its chunk forward and writes rows.
    "UPDATE ON adsp.chunks TO adsp_loader",
    "INSERT, UPDATE, DELETE ON adsp.chunk_leases TO adsp_loader",
    "INSERT ON adsp.failed_rows TO adsp_loader",
    "SELECT, INSERT, UPDATE, DELETE ON public.items TO adsp_loader",
)


def upgrade() -> None:
    """Apply the revision."""
    for role in ROLES:
        op.execute(CREATE_ROLE_IF_MISSING.format(role=role))
    for grant in GRANTS:
        op.execute("GRANT " + grant.format(roles=", ".join(ROLES)))


def downgrade() -> None:
    """Take the revision back."""
    roles = ", ".join(ROLES)
    op.execute(f"REVOKE ALL ON public.items FROM {roles}")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA adsp FROM {roles}")
    op.execute(f"REVOKE ALL ON SCHEMA adsp FROM {roles}")
