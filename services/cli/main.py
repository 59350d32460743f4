"""Run the command `adsp`: parse, do, and exit by what became of it."""

import sys
from collections.abc import Sequence

import typer

from libs.client.errors import ClientError
from services.cli.app import app
from services.cli.connection import NotLoggedIn
from services.cli.exit_codes import ExitCode, code_of_error
from services.cli.output import say


def run(arguments: Sequence[str]) -> int:
    """Run a command line without its first word and return what to exit with."""
    try:
        done = app(list(arguments), prog_name="adsp", standalone_mode=False)
    except typer.Abort:
        say("aborted")
        return ExitCode.REFUSED
    except typer.TyperException as exc:
        _show_usage(exc)
        return ExitCode.USAGE
    except NotLoggedIn as exc:
        say(f"adsp: {exc}")
        return ExitCode.USAGE
    except ClientError as exc:
        say(f"adsp: {exc}")
        return code_of_error(exc)
    return int(done or 0)


def _show_usage(error: typer.TyperException) -> None:
    show = getattr(error, "show", None)
    if show:
        show()
    else:
        say(f"adsp: {error.format_message()}")


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
