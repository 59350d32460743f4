"""Lead psql to the database, by the environment: a password among a program's arguments would be public."""

import os
from collections.abc import Mapping

from psycopg2.extensions import parse_dsn

from libs.common.database_url import read_database_url
from libs.devstack.binaries import client_program
from tools.local_env.connections import database_url

_LIBPQ_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def psql_command() -> tuple[str, Mapping[str, str]]:
    """Return the program and the environment that leads it to the database."""
    parts = parse_dsn(read_database_url(database_url()).replace("+psycopg2", "", 1))
    variables = {name: parts[part] for part, name in _LIBPQ_VARIABLES.items() if part in parts}
    # The ledger's tables need no prefix then.
    variables["PGOPTIONS"] = "-c search_path=public,adsp"
    return str(client_program("psql")), {**os.environ, **variables}
