"""Make, list and revoke API keys in the ledger, as its owner, through psql.

psql is what reaches Postgres in both stacks: from this machine, or inside the container, whose port is not published.
The key is made here, and only its digest goes there.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.common.enums import Scope
from libs.common.errors import AdspError
from libs.common.ledger.api_keys import ApiKey

COMPOSE_PSQL = ("exec", "-T", "postgres", "psql", "--username=postgres", "--dbname=adsp")
"""What follows Compose's own arguments to speak to its database."""

_SECONDS = 30
_CREATE = """
INSERT INTO adsp.api_keys (id, name, owner, scopes, digest)
VALUES (:'id', :'name', :'owner', :'scopes', decode(:'digest', 'hex'));
"""
_LIST = """
SELECT coalesce(json_agg(to_jsonb(k) - 'digest' ORDER BY k.created_at), '[]') FROM adsp.api_keys AS k;
"""
_REVOKE = """
UPDATE adsp.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = :'id' RETURNING to_json(id);
"""


class KeyStoreFault(AdspError):
    """psql did not do what it was told; the message has its words."""


@dataclass(frozen=True)
class KeyStore:
    """The keys of one ledger; `psql` is the command that leads to it."""

    psql: Sequence[str]
    variables: Mapping[str, str]

    def create(self, name: str, owner: str, scopes: Sequence[Scope]) -> ApiKey:
        """Make a key and return it; its secret is not shown again."""
        key = ApiKey.make()
        held = "{" + ",".join(scopes) + "}"
        digest = key.digest.hex()
        self._run(_CREATE, id=key.id, name=name, owner=owner, scopes=held, digest=digest)
        return key

    def all(self) -> list[dict[str, Any]]:
        """Return every key's row, the oldest first, without its digest."""
        rows: list[dict[str, Any]] = json.loads(self._run(_LIST))
        times = ("created_at", "last_used_at", "revoked_at")
        return [row | {name: _time(row[name]) for name in times} for row in rows]

    def revoke(self, key_id: str) -> None:
        """End a key at once; raise `KeyStoreFault` when there is none."""
        if not self._run(_REVOKE, id=key_id):
            raise KeyStoreFault(f"there is no API key {key_id}; ./dev keys list shows them")

    def _run(self, statement: str, **values: str) -> str:
        """Run a statement and return what it gives; the values are quoted by psql."""
        settings = [f"--set={name}={value}" for name, value in values.items()]
        fixed = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        done = subprocess.run(
            [*self.psql, *fixed, *settings],
            input=statement,
            env=dict(self.variables),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KeyStoreFault(f"the ledger's keys cannot be reached: {done.stderr.strip()}")
        return done.stdout.strip()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
