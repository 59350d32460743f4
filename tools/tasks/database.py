"""Commands for the database of the running stack: migrate, makemigrations, init, shell, run."""

import os
import subprocess
from http import HTTPStatus
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from libs.common.enums import LOADED_STATES, JobState
from tools.tasks.errors import plain_errors


@task(help={"revision": "Where to go; the newest by default."})
def migrate(_context: Context, revision: str = "head") -> None:
    """Apply the migrations to the running stack's database."""
    from migrations.runner import upgrade
    from tools.local_env.connections import database_url

    with plain_errors():
        upgrade(database_url(), revision)


@task(help={"message": "What the migration does, as in 'add a column for …'."})
def makemigrations(_context: Context, message: str) -> None:
    """Write a migration from the difference between the models and the running stack's database."""
    from migrations.runner import make_revision
    from tools.local_env.connections import database_url

    with plain_errors():
        make_revision(database_url(), message)


@task(help={"file": "The CSV file to load; the sample by default."})
def init(_context: Context, file: str = "") -> None:
    """Load the initial data from a CSV file into `items`, through the API, as any other job."""
    from libs.client.client import Client
    from tools.client.demo import ITEMS, SAMPLE
    from tools.client.progress import follow
    from tools.local_env.connections import api_url

    path = Path(file or SAMPLE).resolve()
    if not path.is_file():
        raise Exit(f"there is no file {path}", code=1)
    with plain_errors(), Client(api_url()) as client:
        if client.get("/v1/datasets/items").status_code == HTTPStatus.NOT_FOUND:
            client.put_dataset("items", ITEMS)
        job = follow(client, client.load("items", path))
    if job.state not in {*LOADED_STATES, JobState.DUPLICATE}:
        raise Exit(f"the job ended as {job.state}", code=1)


@task
def shell(_context: Context) -> None:
    """Open psql on the running stack's database, as its owner."""
    from tools.local_env.psql import psql_command

    with plain_errors():
        psql, variables = psql_command()
    os.execve(psql, [psql], variables)  # noqa: S606  # psql takes over the terminal


@task(help={"command": 'The SQL to run, for example "SELECT count(*) FROM items".'})
def run(_context: Context, command: str) -> None:
    """Run SQL in the running stack's database, as its owner; exits 1 when it fails."""
    from tools.local_env.psql import psql_command

    with plain_errors():
        psql, variables = psql_command()
    arguments = [psql, "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--command={command}"]
    if subprocess.run(arguments, env=variables, check=False).returncode != 0:
        raise Exit(code=1)
