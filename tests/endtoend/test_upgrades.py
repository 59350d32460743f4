"""The ledger is migrated while the services run and loads are under way (docs/howto/upgrade.md)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from migrations.runner import downgrade, upgrade
from tests.endtoend.system import System
from tools.generate import write_items

ROWS = 2_000
WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "chunks": {"atomic": False},
    "replace": {"mode": "replace"},
    "upsert": {"mode": "upsert", "key": ["sku"]},
}


@contextmanager
def locked(system: System, table: str) -> Iterator[None]:
    """Let loads into a table wait."""
    with closing(psycopg2.connect(system.database.superuser_dsn)) as other:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table}")
        yield
        other.rollback()


@pytest.mark.parametrize("way", WAYS)
def test_a_migration_does_not_wait_for_loads_and_loads_do_not_end_for_it(
    system: System, way: str
) -> None:
    """Its changes of the ledger's tables are taken back and applied again; a build of an index would wait."""
    name = f"upgraded_{way}"
    table = system.make_table(name)
    write_items(system.incoming / f"{name}.csv", ROWS, bad_ratio=0.01, seed=3)
    url = system.database.url_for("owner")
    with system.client as client:
        client.put_dataset(name, {"table": table, "source": f"{name}.csv", **WAYS[way]})
        with locked(system, table):
            job = client.submit(dataset=name)
            system.wait_held()
            downgrade(url, "0011")
            upgrade(url)
            state = client.job(job["id"])["state"]

    ended = system.wait_over(job)
    assert state == "running"
    assert ended["state"] == "completed_with_rejects"
    assert ended["rows_read"] == ROWS
    assert ended["rows_loaded"] == system.count(table)
    assert ended["rows_rejected"] == system.count(f"adsp.failed_rows WHERE job_id = '{job['id']}'")
