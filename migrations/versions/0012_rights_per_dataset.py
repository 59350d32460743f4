"""Let a scope of an API key be for some datasets alone: `submit:items`, `read:sales-*`.

Revision 0012, after 0011. Taken back, rights for some datasets are gone: a key that has no others is revoked.
"""

from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"

TABLE, NAME = "adsp.api_keys", "ck_api_keys_scopes"
CHECK = (
    "array_to_string(scopes, ' ', '?') ~ "
    "'^((admin|(read|submit)(:[a-z*][a-z0-9_*-]{0,62})?)( |$))+$' AND cardinality(scopes) > 0"
)
CHECK_BEFORE = "scopes <@ ARRAY['read', 'submit', 'admin'] AND cardinality(scopes) > 0"
COMMENT = "Each for all datasets, or for those of the name behind its colon."
REVOKE = """
UPDATE adsp.api_keys SET revoked_at = coalesce(revoked_at, now()), scopes = ARRAY['read']
WHERE NOT EXISTS (SELECT FROM unnest(scopes) AS s (scope) WHERE s.scope !~ ':')
"""
NARROW = """
UPDATE adsp.api_keys SET scopes = ARRAY(SELECT s.scope FROM unnest(scopes) AS s (scope) WHERE s.scope !~ ':')
WHERE scopes::text ~ ':'
"""


def upgrade() -> None:
    """Apply the revision."""
    op.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT {NAME}, ADD CONSTRAINT {NAME} CHECK ({CHECK})")
    op.execute(f"COMMENT ON COLUMN {TABLE}.scopes IS '{COMMENT}'")


def downgrade() -> None:
    """Take the revision back."""
    op.execute(f"COMMENT ON COLUMN {TABLE}.scopes IS NULL")
    op.execute(REVOKE)
    op.execute(NARROW)
    op.execute(
        f"ALTER TABLE {TABLE} DROP CONSTRAINT {NAME}, ADD CONSTRAINT {NAME} CHECK ({CHECK_BEFORE})"
    )
