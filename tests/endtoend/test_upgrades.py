"""The ledger is migrated while the services run and loads are under way (docs/howto/upgrade.md)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from libs.devstack.testing.waiting import wait_for
from migrations.runner import downgrade, upgrade
from tests.endtoend.system import System
from tools.client.sample_items import write_items

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


def builds_index(system: System) -> bool:
    """Return whether a migration waits to build or drop an index, which is after all its other changes."""
    return bool(
        system.count(
            "pg_stat_activity WHERE datname = current_database() AND query LIKE '%CONCURRENTLY%'"
            " AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
        )
    )


def down_and_up(url: str) -> None:
    """Take the newest migration back and apply it again; what runs knows both."""
    downgrade(url, "0003")
    upgrade(url)


@pytest.mark.parametrize("way", WAYS)
def test_a_migration_does_not_wait_for_loads_and_loads_do_not_end_for_it(
    system: System, way: str
) -> None:
    """Only the build of an index waits, for a statement under way, and nobody waits for it."""
    name = f"upgraded_{way}"
    table = system.make_table(name)
    write_items(system.incoming / f"{name}.csv", ROWS, bad_ratio=0.01, seed=3)
    url = system.database.url_for("owner")
    with system.client as client, ThreadPoolExecutor(1) as pool:
        client.put_dataset(name, {"table": table, "source": f"{name}.csv", **WAYS[way]})
        with locked(system, table):
            job = client.submit(dataset=name)
            system.wait_held()
            migrating = pool.submit(down_and_up, url)
            wait_for(lambda: migrating.done() or builds_index(system), 30, "the tables are altered")
            was_held = system.is_held()
        migrating.result(60)

    ended = system.wait_over(job)
    assert was_held
    assert ended.state == "completed_with_rejects"
    assert ended.rows_read == ROWS
    assert ended.rows_loaded == system.count(table)
    assert ended.rows_rejected == system.count(f"adsp.failed_rows WHERE job_id = '{job.id}'")
