"""Make, list and revoke API keys in the ledger, as its owner, through `migrations.api_keys`.

That program runs where Postgres can be reached: on this machine, or in a container of Compose's network, since
Postgres' port is not published. The key is made here, and only its digest goes there.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.common.errors import AdspError
from libs.common.ledger.api_keys import ApiKey
from tools.bootstrap.locations import ROOT

LOCAL = (sys.executable, "-m", "migrations.api_keys")

COMPOSE = (
    *("run", "--rm", "-T", "--no-deps", "--entrypoint", "/app/bin/python"),
    *("migrations", "-P", "-m", "migrations.api_keys"),
)
"""What follows Compose's own arguments to speak to its database."""

_SECONDS = 60


class KeyStoreFault(AdspError):
    """The program did not do what it was asked; the message has its words."""


@dataclass(frozen=True)
class KeyStore:
    """The keys of one ledger; `command` is what starts the program that reaches it."""

    command: Sequence[str]
    variables: Mapping[str, str]

    def create(self, name: str, owner: str, scopes: Sequence[str]) -> ApiKey:
        """Make a key and return it; its secret is not shown again."""
        key = ApiKey.make()
        named = {"id": key.id, "name": name, "owner": owner, "digest": key.digest.hex()}
        self._run("create", *named.items(), *(("scope", scope) for scope in scopes))
        return key

    def all(self) -> list[dict[str, Any]]:
        """Return every key's row, the oldest first, without its digest."""
        rows: list[dict[str, Any]] = self._run("list")
        times = ("created_at", "last_used_at", "revoked_at")
        return [row | {name: _time(row[name]) for name in times} for row in rows]

    def revoke(self, key_id: str) -> None:
        """End a key at once; raise `KeyStoreFault` when there is none."""
        if not self._run("revoke", ("id", key_id)):
            raise KeyStoreFault(f"there is no API key {key_id}; ./dev keys list shows them")

    def _run(self, what: str, *options: tuple[str, str]) -> Any:
        """Run the program and return its answer."""
        done = subprocess.run(
            [*self.command, what, *(f"--{name}={value}" for name, value in options)],
            env=dict(self.variables),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KeyStoreFault(f"the ledger's keys cannot be reached: {done.stderr.strip()}")
        return json.loads(done.stdout)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
