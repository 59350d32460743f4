"""The command that keeps the address and the key: login."""

import sys
from typing import Annotated

import typer

from libs.client.client import Client
from services.cli.connection import Login, keep_login
from services.cli.exit_codes import ExitCode
from services.cli.output import say

Url = Annotated[
    str, typer.Argument(metavar="URL", help="Where the api is, as https://adsp.example.")
]
NoKey = Annotated[bool, typer.Option("--no-key", help="The api takes no keys.")]


def login(url: Url, *, no_key: NoKey = False) -> ExitCode:
    """Keep where the api is, and an API key for it, once both are seen to work.

    The key is asked for, or read from the standard input; never an argument, which others could see.
    """
    key = None if no_key else _read_key()
    with Client(url, key, retry_seconds=0) as client:
        next(iter(client.jobs(page_size=1)), None)
    file = keep_login(Login(url, key))
    say(f"logged in to {url}; kept in {file}")
    return ExitCode.OK


def _read_key() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("API key", hide_input=True)).strip()
    key = sys.stdin.readline().strip()
    if not key:
        raise typer.BadParameter("give the API key on the standard input, or --no-key")
    return key
