"""Run a management command: make the environment when needed, then hand over to invoke in it.

This part runs before anything is installed, so it uses the standard library only.
"""

import os
import shlex
import sys
from typing import NoReturn

from tools.bootstrap.environments import activated, development_environment
from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.locations import ROOT

GROUPS = frozenset({"db", "keys"})
"""Commands of a group may be written with a space, as most people do: `keys create` is `keys.create`."""


def invoke_arguments(arguments: list[str]) -> list[str]:
    """Translate the command line: none is the list, what follows `pants` is Pants' own, a group's command has a dot."""
    if not arguments:
        return ["--list"]
    if arguments[0] == "pants" and arguments[1:2] != ["--"]:
        return ["pants", "--", shlex.join(arguments[1:])]
    if arguments[0] in GROUPS and arguments[1:] and not arguments[1].startswith("-"):
        return [f"{arguments[0]}.{arguments[1]}", *arguments[2:]]
    return arguments


def main() -> NoReturn:
    """Replace this process by invoke, or exit with the reason why the environment is missing."""
    try:
        environment = development_environment()
    except BootstrapError as error:
        sys.exit(f"dev: {error}")
    python = environment / "bin" / "python"
    command = [str(python), "-m", "invoke", "--search-root", str(ROOT)]
    arguments = command + invoke_arguments(sys.argv[1:])
    os.execve(python, arguments, activated(environment))  # noqa: S606  # invoke takes over


if __name__ == "__main__":
    main()
