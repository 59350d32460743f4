"""Let the api make and revoke API keys, for administrators; what is revoked stays so, whoever asks.

Revision 0011, after 0010.
"""

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"

RIGHTS = "INSERT, UPDATE (revoked_at)"
FUNCTION = """
CREATE FUNCTION adsp.keep_key_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'key % is revoked and stays so; make another one', OLD.id USING ERRCODE = 'check_violation';
END $$
"""
TRIGGER = """
CREATE TRIGGER keep_key_revoked BEFORE UPDATE ON adsp.api_keys
FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
EXECUTE FUNCTION adsp.keep_key_revoked()
"""


def upgrade() -> None:
    """Apply the revision."""
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    op.execute(f"GRANT {RIGHTS} ON adsp.api_keys TO adsp_api")


def downgrade() -> None:
    """Take the revision back."""
    op.execute(f"REVOKE {RIGHTS} ON adsp.api_keys FROM adsp_api")
    op.execute("DROP TRIGGER keep_key_revoked ON adsp.api_keys")
    op.execute("DROP FUNCTION adsp.keep_key_revoked()")
