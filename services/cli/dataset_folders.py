"""Make the server equal to a folder of YAML files, one a dataset, named by its file: diff and apply.

The api says what a definition would become (a PUT with `dry_run`), so a plan compares like with like, defaults
and all, and shows what would be refused before anything is changed.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.text import Text

from libs.client.client import Client
from libs.client.errors import Conflict, InvalidRequest
from services.cli.connection import connect
from services.cli.exit_codes import ExitCode
from services.cli.options import Json, Yes
from services.cli.output import console, say, show_json

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", exists=True, file_okay=False, help="A folder of NAME.yaml files."
    ),
]
Prune = Annotated[bool, typer.Option("--prune", help="Delete the datasets that have no file, too.")]

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True)
class Change:
    """What becomes of one dataset: `create`, `change`, `delete`, or `refused` with the reason."""

    name: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    said: dict[str, Any] | None = None
    refusal: str | None = None

    def lines(self) -> list[str]:
        """Return the difference as a diff of YAML."""
        old, new = (_lines(side) for side in (self.before, self.after))
        return list(difflib.unified_diff(old, new, self.name, self.name, n=2, lineterm=""))[2:]


def diff(folder: Folder, *, prune: Prune = False, json: Json = False) -> ExitCode:
    """Show what `apply` would change; exits with 0 when nothing, 3 when something, 4 when it would be refused."""
    with connect() as client:
        changes = list(plan(client, folder, prune=prune))
    _show(changes, as_json=json)
    if any(change.refusal for change in changes):
        return ExitCode.FAILED
    return ExitCode.REJECTS if changes else ExitCode.OK


def apply(
    folder: Folder, *, prune: Prune = False, yes: Yes = False, json: Json = False
) -> ExitCode:
    """Make the server's datasets equal to a folder of files: plan, ask, then apply."""
    with connect() as client:
        changes = list(plan(client, folder, prune=prune))
        _show(changes, as_json=json)
        if any(change.refusal for change in changes):
            return ExitCode.FAILED
        if not changes:
            return ExitCode.NOTHING_TO_DO
        if not yes and not typer.confirm(f"Apply {len(changes)} changes?", err=True):
            return ExitCode.REFUSED
        for change in changes:
            _apply(client, change)
            say(f"{change.name}: {change.action}d")
    return ExitCode.OK


def plan(client: Client, folder: Path, *, prune: bool) -> Iterator[Change]:
    """Yield what differs between the folder and the server, by name."""
    wanted = read_folder(folder)
    present = {dataset.name: dataset for dataset in client.datasets()}
    for name, said in sorted(wanted.items()):
        before = present[name].definition if name in present else None
        change = _planned(client, name, said, before)
        if change.refusal or change.before != change.after:
            yield change
    if prune:
        for name in sorted(present.keys() - wanted.keys()):
            yield Change(name, "delete", present[name].definition, None)


def read_folder(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the definitions of a folder's files by name; a file that is no mapping is a usage error."""
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        raise typer.BadParameter(f"{folder} has no file that ends with .yaml")
    read = [(file, _read(file)) for file in files]
    doubled = {
        file.stem for file, _ in read if sum(other.stem == file.stem for other, _ in read) > 1
    }
    if doubled:
        raise typer.BadParameter(f"{folder} has two files for {', '.join(sorted(doubled))}")
    return {file.stem: definition for file, definition in read}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise typer.BadParameter(f"{file} is not YAML: {exc}") from exc
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} must hold the definition of a dataset, as `table: …`")
    return found


def _planned(
    client: Client, name: str, said: dict[str, Any], before: dict[str, Any] | None
) -> Change:
    action = "change" if before is not None else "create"
    try:
        after = client.put_dataset(name, said, dry_run=True).definition
    except (InvalidRequest, Conflict) as refused:
        return Change(name, action, before, said, said, refused.detail)
    return Change(name, action, before, after, said)


def _apply(client: Client, change: Change) -> None:
    if change.said is None:
        client.delete_dataset(change.name)
    else:
        client.put_dataset(change.name, change.said)


def _show(changes: list[Change], *, as_json: bool) -> None:
    if as_json:
        show_json([_document(change) for change in changes])
        return
    for change in changes:
        _show_change(change)
    if not changes:
        say("nothing differs")


def _show_change(change: Change) -> None:
    target = console()
    target.print(Text(f"{change.action} {change.name}", style="bold"))
    for line in change.lines():
        target.print(Text(f"  {line}", style=_COLOURS.get(line[:1], "")), soft_wrap=True)
    if change.refusal:
        target.print(Text(f"  refused: {change.refusal}", style="red"), soft_wrap=True)


def _document(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "action": change.action,
        "before": change.before,
        "after": change.after,
        "refusal": change.refusal,
    }


def _lines(definition: dict[str, Any] | None) -> list[str]:
    if definition is None:
        return []
    dumped: str = yaml.safe_dump(definition, sort_keys=True, allow_unicode=True)
    return dumped.splitlines()
