"""Find the api and the database for a command: those that the environment names, else the local stack's."""

import os
from collections.abc import Mapping

from psycopg2.extensions import parse_dsn

from libs.common.database_url import read_database_url
from libs.devstack.binaries import client_program
from tools.local_env.layout import Layout
from tools.local_env.state import running_state

# libpq's variables: a password among a program's arguments would be public.
_LIBPQ_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def database_url() -> str:
    """Return the owner's URL of the database: that of ADSP_DATABASE_URL, else the local stack's."""
    return _address("ADSP_DATABASE_URL")


def api_url() -> str:
    """Return the URL of the api: that of ADSP_API_URL, else the local stack's."""
    return _address("ADSP_API_URL")


def _address(variable: str) -> str:
    given = os.environ.get(variable)
    return given or running_state(Layout.of_checkout()).environment()[variable]


def psql_command() -> tuple[str, Mapping[str, str]]:
    """Return the program and the environment that leads it to the database."""
    parts = parse_dsn(read_database_url(database_url()).replace("+psycopg2", "", 1))
    variables = {name: parts[part] for part, name in _LIBPQ_VARIABLES.items() if part in parts}
    # The ledger's tables need no prefix then.
    variables["PGOPTIONS"] = "-c search_path=public,adsp"
    return str(client_program("psql")), {**os.environ, **variables}
