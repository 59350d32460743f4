"""Begin a dataset from a file: ask the api what the file is, print or make the table and the definition.

file ──start──► POST /v1/inspect ──► YAML with the statements as comments ──► or, with --create, table and dataset
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml

from libs.client.client import Client
from libs.client.models import InspectedFile
from services.cli.connection import connect
from services.cli.exit_codes import ExitCode
from services.cli.options import Json
from services.cli.output import say, show_json

File = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A file of the feed.")
]
Table = Annotated[
    str | None,
    typer.Option("--table", metavar="SCHEMA.TABLE", help="The table; one that exists is mapped."),
]
Name = Annotated[str | None, typer.Option("--name", help="What to call the dataset.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Write NAME.yaml there, for `adsp datasets apply`, instead of printing it.",
    ),
]
Create = Annotated[
    bool,
    typer.Option("--create", help="Make the dataset, and the table where the operator allows it."),
]


def init(
    file: File,
    *,
    table: Table = None,
    name: Name = None,
    output: Output = None,
    create: Create = False,
    json: Json = False,
) -> ExitCode:
    """Propose a table and a dataset for a file, or make them."""
    with connect() as client:
        seen = client.new_tables.inspect(file, table=table)
        name = name or seen.name
        if json:
            show_json(seen)
        elif output is not None:
            path = output / f"{name}.yaml"
            if path.exists():
                raise typer.BadParameter(f"{path} is there already; choose another --name")
            path.write_text(as_yaml(seen), encoding="utf-8")
            say(f"wrote {path}")
        else:
            typer.echo(as_yaml(seen), nl=False)
        for sentence in _remarks(seen):
            say(sentence)
        return _create(client, seen, name) if create else ExitCode.OK


def as_yaml(seen: InspectedFile) -> str:
    """Return the definition as a file, the statements that make its table above it as comments."""
    statements = "\n".join(f"{statement};" for statement in seen.ddl)
    comments = "".join(f"# {line}\n" for line in statements.splitlines())
    return comments + str(yaml.safe_dump(seen.definition, sort_keys=False, allow_unicode=True))


def _create(client: Client, seen: InspectedFile, name: str) -> ExitCode:
    if not seen.table_exists and not seen.can_create:
        say(
            f"the api may not make tables in {seen.table.partition('.')[0]}: have the owner of the schema run the "
            "statements above, then repeat this"
        )
        return ExitCode.REFUSED
    if not seen.table_exists:
        client.new_tables.create(seen)
        say(f"made the table {seen.table}")
    for warning in client.put_dataset(name, seen.definition).warnings:
        say(warning)
    say(f"made the dataset {name}")
    return ExitCode.OK


def _remarks(seen: InspectedFile) -> Iterator[str]:
    looked_at = f"{seen.records:,} records" + (" of its start" if seen.is_part else "")
    yield f"{looked_at} were examined; {seen.rejected:,} of them would be refused"
    for reject in seen.rejects[:5]:
        column = f" {reject.column}:" if reject.column else ""
        yield f"line {reject.line_number}:{column} {reject.message}"
    left_out = [each.cell for each in seen.columns if each.column is None]
    if left_out:
        yield f"left out, for the table has no such column: {', '.join(left_out)}"
    yield from seen.notes
