"""List the commands, as `./dev --list` and `./dev --help NAME` show them."""

import inspect
from collections.abc import Iterator
from typing import Any

from invoke.collection import Collection
from invoke.loader import FilesystemLoader
from invoke.tasks import Task

from tools.bootstrap.locations import ROOT
from tools.reference.markdown import code, table

_HEAD = """\
# Commands

`./dev NAME` runs one (in an environment of your own: `invoke NAME`); `./dev --help NAME` shows its options.
`./dev cancel JOB` is `./dev cancel --job JOB`: what is needed may stand without its name.
"""


def page() -> str:
    """Return the page: one table of commands with their options."""
    loaded, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    rows = sorted(_rows(loaded.namespace))
    return f"{_HEAD}\n{table(('command', 'does', 'options'), rows)}"


def _rows(namespace: Collection) -> Iterator[tuple[str, str, str]]:
    for name in namespace.task_names:
        command = namespace[name]
        yield code(name), inspect.getdoc(command) or "", "<br>".join(_options(command))


def _options(command: Task[Any]) -> Iterator[str]:
    """Yield the options; what `get_arguments` would give lacks its help from the second time on."""
    for argument in list(inspect.signature(command.body).parameters.values())[1:]:
        needed = " (needed)" if argument.name in command.positional else ""
        shown = code(f"--{argument.name.replace('_', '-')}") + needed
        described = command.help.get(argument.name, "")
        yield f"{shown}: {described}" if described else shown
