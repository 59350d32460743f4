"""Commands for the database of the running stack: migrate, makemigrations, init, shell, run."""

import os
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from psycopg2.extensions import parse_dsn

from libs.common.enums import LOADED_STATES, JobState
from libs.devstack.binaries import client_program
from tools.local_env import control
from tools.local_env.layout import REPOSITORY, Layout
from tools.tasks.stack import environment, plain_errors

SAMPLE = REPOSITORY / "infra" / "sample" / "items.csv"

# libpq's variables: a password among a program's arguments would be public.
_LIBPQ_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}


@task(help={"revision": "Where to go; the newest by default."})
def migrate(_context: Context, revision: str = "head") -> None:
    """Apply the migrations to the running stack's database."""
    from migrations.runner import upgrade  # noqa: PLC0415  # slow to import, and used only here

    with plain_errors():
        upgrade(database_url(), revision)


@task(help={"message": "What the migration does, as in 'add a column for …'."})
def makemigrations(_context: Context, message: str) -> None:
    """Write a migration from the difference between the models and the running stack's database."""
    from migrations.runner import make_revision  # noqa: PLC0415  # slow to import, used only here

    with plain_errors():
        make_revision(database_url(), message)


@task(help={"file": "The CSV file to load; the sample by default."})
def init(_context: Context, file: str = str(SAMPLE)) -> None:
    """Load the initial data from a CSV file into `items`, through the API, as any other job."""
    # Only this command needs them, and `jobs` needs this module.
    from tools.client.api import Client  # noqa: PLC0415
    from tools.client.progress import load_file  # noqa: PLC0415
    from tools.tasks.jobs import ITEMS  # noqa: PLC0415

    path = Path(file).resolve()
    if not path.is_file():
        raise Exit(f"there is no file {path}", code=1)
    with plain_errors():
        with Client(api_url()) as client:
            if client.get("/v1/datasets/items").status_code == HTTPStatus.NOT_FOUND:
                client.put_dataset("items", ITEMS)
        job = load_file(api_url(), path, dataset="items")
    if job["state"] not in {*LOADED_STATES, JobState.DUPLICATE}:
        raise Exit(f"the job ended as {job['state']}", code=1)


@task
def shell(_context: Context) -> None:
    """Open psql on the running stack's database, as its owner."""
    with plain_errors():
        psql, variables = psql_command()
    os.execve(psql, [psql], variables)  # noqa: S606  # psql takes over the terminal


@task(help={"command": 'The SQL to run, for example "SELECT count(*) FROM items".'})
def run(_context: Context, command: str) -> None:
    """Run SQL in the running stack's database, as its owner; exits 1 when it fails."""
    with plain_errors():
        psql, variables = psql_command()
    arguments = [psql, "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--command={command}"]
    if subprocess.run(arguments, env=variables, check=False).returncode != 0:
        raise Exit(code=1)


def database_url() -> str:
    """Return the owner's URL of the database: that of ADSP_DATABASE_URL, else the local stack's."""
    return _address("ADSP_DATABASE_URL")


def api_url() -> str:
    """Return the URL of the api: that of ADSP_API_URL, else the local stack's."""
    return _address("ADSP_API_URL")


def _address(variable: str) -> str:
    given = os.environ.get(variable)
    return given or environment(control.running_state(Layout.of_checkout()))[variable]


def psql_command() -> tuple[str, Mapping[str, str]]:
    """Return the program and the environment that leads it to the database."""
    parts = parse_dsn(database_url().replace("+psycopg2", "", 1))
    variables = {name: parts[part] for part, name in _LIBPQ_VARIABLES.items() if part in parts}
    # The ledger's tables need no prefix then.
    variables["PGOPTIONS"] = "-c search_path=public,adsp"
    return str(client_program("psql")), {**os.environ, **variables}
