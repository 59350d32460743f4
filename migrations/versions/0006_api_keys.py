"""Keep API keys, and with each job the owner of the key that made it.

The api finds keys and notes their use; the owner's role makes and revokes them, and no other role reads them. The index
is built without holding up writers, and so outside the migration's transaction.

Revision 0006, after 0005.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_jobs_owner_id"
ROUTE = "Method and path of the request"


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False, comment="The public part of the key."),
        sa.Column("name", sa.Text(), nullable=False, comment="What it is for, to people."),
        sa.Column(
            "owner",
            sa.Text(),
            nullable=False,
            comment="Whose jobs it sees; several keys may share one.",
        ),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret part."
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "last_used_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="To within a minute.",
        ),
        sa.CheckConstraint(
            "scopes <@ ARRAY['read', 'submit', 'admin'] AND cardinality(scopes) > 0",
            name=op.f("ck_api_keys_scopes"),
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_api_keys_digest_is_sha256")),
        sa.CheckConstraint("name <> '' AND owner <> ''", name=op.f("ck_api_keys_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        schema="adsp",
    )
    op.execute("GRANT SELECT, UPDATE (last_used_at) ON adsp.api_keys TO adsp_api")
    op.add_column(
        "jobs",
        sa.Column(
            "owner",
            sa.Text(),
            nullable=True,
            comment="Owner of the API key that made it; NULL: the schedule, or an api without keys.",
        ),
        schema="adsp",
    )
    op.alter_column(
        "idempotency_keys",
        "route",
        comment=f"{ROUTE}, and the owner of its API key.",
        schema="adsp",
    )
    with op.get_context().autocommit_block():
        # What an attempt that was cut off has left cannot be used.
        _drop_index()
        op.create_index(
            INDEX,
            "jobs",
            ["owner", "id"],
            schema="adsp",
            postgresql_where=sa.text("owner IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the revision back."""
    with op.get_context().autocommit_block():
        _drop_index()
    op.alter_column("idempotency_keys", "route", comment=f"{ROUTE}.", schema="adsp")
    op.drop_column("jobs", "owner", schema="adsp")
    op.drop_table("api_keys", schema="adsp")


def _drop_index() -> None:
    op.drop_index(
        INDEX, table_name="jobs", schema="adsp", if_exists=True, postgresql_concurrently=True
    )
