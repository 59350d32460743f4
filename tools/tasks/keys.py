"""Commands for API keys: create, list, revoke; in the local stack, or in that of Docker Compose."""

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT
from tools.tasks.errors import plain_errors

if TYPE_CHECKING:
    from tools.local_env.keystore import KeyStore

_COLUMNS = ("id", "name", "owner", "scopes", "created_at", "last_used_at", "revoked_at")


@task(
    iterable=["scope"],
    help={
        "name": "What the key is for, for example 'nightly feed of prices'.",
        "owner": "Whose jobs it sees; keys of one owner see the same jobs.",
        "scope": "read, submit or admin (which has all rights), or for some datasets alone read:NAME or submit:NAME, "
        "with * for any characters; give it again for a second one.",
    },
)
def create(_context: Context, name: str, owner: str, scope: list[str]) -> None:
    """Make an API key and print it; it is shown this once."""
    from libs.common.ledger.api_keys import RIGHT_PATTERN

    if not scope or not all(re.match(RIGHT_PATTERN, each) for each in scope):
        raise Exit(
            "--scope is read, submit or admin, or read:NAME or submit:NAME; give one or more",
            code=1,
        )
    if not name or not owner:
        raise Exit("--name and --owner must say something", code=1)
    with plain_errors():
        key = _store().create(name, owner, list(dict.fromkeys(scope)))
    print(key.text)


@task(name="list")
def show(_context: Context) -> None:
    """List the API keys, revoked ones too."""
    from rich.markup import escape
    from rich.table import Column, Table

    from tools.local_env.display import console

    with plain_errors():
        keys = _store().all()
    # The id must be readable to be revoked; the rest may be cut on a narrow terminal.
    table = Table(Column("id", no_wrap=True, min_width=12), *_COLUMNS[1:])
    for key in keys:
        table.add_row(*(escape(_shown(key[column])) for column in _COLUMNS))
    console.print(table)


@task(positional=["key"], help={"key": "The key's id: the part between 'adsp_' and the next '_'."})
def revoke(_context: Context, key: str) -> None:
    """Revoke an API key: the next request with it is refused."""
    with plain_errors():
        _store().revoke(key)
    print(f"The key {key} is revoked.")


def _store() -> "KeyStore":
    """Return the keys of the database that is named, of the local stack, or of the compose stack."""
    from tools.local_env.compose import compose_command
    from tools.local_env.connections import database_url
    from tools.local_env.keystore import COMPOSE, LOCAL, KeyStore
    from tools.local_env.layout import Layout

    is_named = "ADSP_DATABASE_URL" in os.environ
    if not is_named and not Layout.of_checkout().is_running:
        compose = compose_command()
        if compose is not None:
            command = [*compose, "--project-directory", str(ROOT)]
            return KeyStore([*command, *COMPOSE], os.environ)
    return KeyStore(LOCAL, {**os.environ, "ADSP_DATABASE_URL": database_url()})


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return "" if value is None else str(value)
