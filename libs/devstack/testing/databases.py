"""Give each test process a database of its own, copied from a template migrated only once."""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # a class in lower case

from libs.devstack.addresses import Role, StackAddresses
from libs.devstack.cluster import (
    administration,
    create_database,
    database_exists,
    drop_database,
)

Migrate = Callable[[str], None]

_LOCK_NAME = "adsp-test-template"
_SCHEMAS = ["adsp", "public"]
_KEPT_TABLE = "alembic_version"


@dataclass(frozen=True)
class ScratchDatabase:
    """A migrated database that belongs to one test process."""

    name: str
    addresses: StackAddresses

    def url_for(self, role: Role) -> str:
        """Return SQLAlchemy's URL (``postgresql+psycopg2://…``) for a role."""
        return self.addresses.database_url(role, self.name)

    def dsn_for(self, role: Role) -> str:
        """Return libpq's URL (``postgresql://…``) for `psycopg2.connect` and psql."""
        return self.addresses.postgres_dsn(role, self.name)

    @property
    def superuser_dsn(self) -> str:
        """Return libpq's URL for the cluster's administrator."""
        return self.addresses.superuser_dsn(self.name)

    def empty(self) -> None:
        """Remove every row of the ledger and of the tables in `public`, Alembic's own excepted."""
        with administration(self.addresses, self.name) as cursor:
            # A test that left a transaction open fails the next one here, instead of hanging it.
            cursor.execute("SET lock_timeout = '10s'")
            tables = _tables(cursor)
            if tables:
                cursor.execute(
                    sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(
                        sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
                    )
                )


@contextmanager
def scratch_database(
    addresses: StackAddresses, migrations: Path, migrate: Migrate
) -> Iterator[ScratchDatabase]:
    """Make a migrated database and drop it in the end, sessions and all."""
    template = migrated_template(addresses, migrations, migrate)
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    with administration(addresses) as cursor:
        create_database(cursor, name, template)
    try:
        yield ScratchDatabase(name, addresses)
    finally:
        with administration(addresses) as cursor:
            drop_database(cursor, name)


def migrated_template(addresses: StackAddresses, migrations: Path, migrate: Migrate) -> str:
    """Return the name of a database that has these migrations; the first to ask makes it."""
    name = f"adsp_template_{_digest(migrations)}"
    with administration(addresses) as cursor:
        # The lock ends with this connection, however this process ends.
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (_LOCK_NAME,))
        if not database_exists(cursor, name):
            _make_template(cursor, addresses, name, migrate)
    return name


def _make_template(cursor: Cursor, addresses: StackAddresses, name: str, migrate: Migrate) -> None:
    """Migrate under another name and rename: a template of the right name is always whole."""
    making = f"{name}_making"
    drop_database(cursor, making)
    create_database(cursor, making)
    migrate(addresses.database_url("owner", making))
    # A pool that `migrate` left behind would stand in the way of the rename.
    cursor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (making,)
    )
    cursor.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(making), sql.Identifier(name)
        )
    )


def _digest(migrations: Path) -> str:
    """Digest the migrations' sources, so that changed ones get a new template."""
    digest = hashlib.sha256()
    for source in sorted([*migrations.rglob("*.py"), *migrations.rglob("*.sql")]):
        if "tests" not in source.relative_to(migrations).parts:
            digest.update(
                str(source.relative_to(migrations)).encode() + b"\0" + source.read_bytes()
            )
    return digest.hexdigest()[:12]


def _tables(cursor: Cursor) -> list[tuple[str, str]]:
    cursor.execute(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname = ANY (%s) AND tablename <> %s",
        (_SCHEMAS, _KEPT_TABLE),
    )
    return cursor.fetchall()
