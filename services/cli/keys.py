"""Commands for API keys, for administrators: list, create, revoke."""

from typing import Annotated

import typer

from libs.client.keys import Key
from services.cli.connection import connect
from services.cli.exit_codes import ExitCode
from services.cli.options import Json
from services.cli.output import Column, moment, say, show_json, show_table

app = typer.Typer(help="Make and revoke API keys.", no_args_is_help=True)

_KEYS = (
    Column("id", 12, rank=0),
    Column("name", 20, rank=1),
    Column("owner", 12, rank=2),
    Column("scopes", 12, rank=3),
    Column("last used", 19, rank=4),
    Column("revoked", 19, rank=5),
    Column("made", 19, rank=6),
)


def _require_known(rights: list[str]) -> list[str]:
    """Return the rights, or raise BadParameter where one has another scope."""
    for right in rights:
        if right.partition(":")[0] not in {"read", "submit", "admin"}:
            raise typer.BadParameter(f"{right!r} is none; give read, submit or admin")
    return rights


@app.command("list")
def list_keys(*, json: Json = False) -> ExitCode:
    """List the keys, revoked ones too."""
    with connect() as client:
        keys = list(client.api_keys.list())
    if json:
        show_json(keys)
    else:
        show_table(_KEYS, (_cells(key) for key in keys))
    return ExitCode.OK


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for, e.g. 'nightly feed of prices'.")],
    owner: Annotated[str, typer.Option(help="Whose jobs it sees; keys may share an owner.")],
    scope: Annotated[
        list[str],
        typer.Option(
            callback=_require_known,
            help="read, submit or admin; for some datasets alone read:NAME or submit:NAME, with * for any "
            "characters. Give it again for a second one.",
        ),
    ],
    *,
    json: Json = False,
) -> ExitCode:
    """Make a key and print it; it is shown this once."""
    with connect() as client:
        made = client.api_keys.create(name, owner, scope)
    if json:
        show_json(made)
    else:
        typer.echo(made.key)
    return ExitCode.OK


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id: the part between 'adsp_' and the next '_'.")],
    *,
    json: Json = False,
) -> ExitCode:
    """Revoke a key: the next request with it is refused."""
    with connect() as client:
        revoked = client.api_keys.revoke(key)
    if json:
        show_json(revoked)
    else:
        say(f"the key {revoked.id} is revoked")
    return ExitCode.OK


def _cells(key: Key) -> tuple[str, ...]:
    return (
        key.id,
        key.name,
        key.owner,
        ", ".join(key.scopes),
        moment(key.last_used_at),
        moment(key.revoked_at),
        moment(key.created_at),
    )
