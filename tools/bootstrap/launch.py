"""Run a management command: make the environment when needed, then hand over to invoke in it.

This part runs before anything is installed, so it uses the standard library only.
"""

import os
import shlex
import sys

from tools.bootstrap.environments import activated, development_environment
from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.locations import ROOT


def invoke_arguments(arguments: list[str]) -> list[str]:
    """Translate the command line: none means the list, and what follows `pants` is Pants' own."""
    if not arguments:
        return ["--list"]
    if arguments[0] == "pants" and arguments[1:2] != ["--"]:
        return ["pants", "--", shlex.join(arguments[1:])]
    return arguments


def main() -> int:
    """Replace this process by invoke; return only when the environment cannot be made."""
    try:
        environment = development_environment()
    except BootstrapError as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    python = environment / "bin" / "python"
    command = [str(python), "-m", "invoke", "--search-root", str(ROOT)]
    os.execve(python, command + invoke_arguments(sys.argv[1:]), activated(environment))


if __name__ == "__main__":
    sys.exit(main())
