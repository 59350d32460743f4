"""Run the migrations: Alembic executes this file; `migrations.runner` and ``./dev db.*`` call Alembic."""

import os
from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event, pool, text
from sqlalchemy.schema import SchemaItem

from libs.common.database_url import read_database_url
from libs.common.ledger.models import SCHEMA, Base

_SCHEMAS = {SCHEMA, None}  # Alembic calls the default schema None
CONNECT_SECONDS = 10
"""How long to wait for each host of the URL."""
LOCK_TIMEOUT = "5s"
LONGEST_BUILD_WAIT = "1h"
"""An index that is built or dropped concurrently waits for each statement under way, and keeps nobody waiting."""


def _is_ours(item: SchemaItem, name: str | None, kind: str, *_: object) -> bool:
    """Keep autogenerate away from tables in `public` that belong to somebody else."""
    if kind != "table":
        return True
    return getattr(item, "schema", None) == SCHEMA or name == "items"


def _set_wait(_connection: Any, cursor: Any, statement: str, *_: object) -> None:
    """Before each statement: say how long it may wait for others."""
    wait = LONGEST_BUILD_WAIT if " CONCURRENTLY " in statement else LOCK_TIMEOUT
    cursor.execute(f"SET lock_timeout = '{wait}'")


class EncodingUnsupported(Exception):
    """The database cannot hold every text."""


def _require_utf8(connection: Connection) -> None:
    """Raise `EncodingUnsupported` for a database in which names and failed rows of a file may have no place."""
    name, encoding = connection.execute(
        text("SELECT current_database(), current_setting('server_encoding')")
    ).one()
    if encoding != "UTF8":
        raise EncodingUnsupported(
            f"the database {name!r} has the encoding {encoding}, ADSP needs UTF8; make one with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, move the tables there (pg_dump), and migrate that"
        )


def _run(url: str) -> None:
    """Apply the migrations in one transaction each, never queueing for long behind a user's lock."""
    engine = create_engine(
        read_database_url(url),
        poolclass=pool.NullPool,
        connect_args={
            "application_name": "adsp-migrations",
            "connect_timeout": CONNECT_SECONDS,
        },
    )
    event.listen(engine, "before_cursor_execute", _set_wait)
    with engine.connect() as connection:
        _require_utf8(connection)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            include_name=lambda name, kind, _parents: kind != "schema" or name in _SCHEMAS,
            include_object=_is_ours,
            version_table_schema=SCHEMA,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


_run(context.config.attributes.get("url") or os.environ["ADSP_DATABASE_URL"])
