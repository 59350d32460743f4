"""List the commands of `adsp`, as its own help shows them, and what it exits with."""

from collections.abc import Iterator
from typing import Any

from typer import Context
from typer.main import get_command

from services.cli.app import app
from services.cli.exit_codes import ExitCode
from tools.reference.markdown import code, table
from tools.reference.source_code import member_docs

_WIDTH = 100
_HEAD = """\
# The command `adsp`

[How to use it](../howto/command-line.md). `adsp COMMAND --help` shows what stands here.

"""


def page() -> str:
    """Return the page: what it exits with, then the help of each command."""
    docs = member_docs(ExitCode)
    codes = table(("exit", "means"), ((code(each.value), docs[each.name]) for each in ExitCode))
    helps = (f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps())
    return "\n".join([_HEAD + codes, *helps])


def _helps() -> Iterator[tuple[str, str]]:
    return _help_of(get_command(app), None, "adsp")


def _help_of(command: Any, parent: Context | None, name: str) -> Iterator[tuple[str, str]]:
    """Yield each command that does something below this one, with its help."""
    context = Context(command, parent=parent, info_name=name, terminal_width=_WIDTH)
    below = getattr(command, "commands", None)
    if below is None:
        yield context.command_path, command.get_help(context).strip()
        return
    for word in sorted(below):
        yield from _help_of(below[word], context, word)
