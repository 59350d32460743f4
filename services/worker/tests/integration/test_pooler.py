"""A worker needs no session of its own: behind pgbouncer in transaction mode it plans, sweeps and finishes."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text, update

from libs.common.enums import ChunkState
from libs.common.ledger.models import Chunk
from libs.common.ledger.session import make_engine, make_sessions
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.pgbouncer import PGBOUNCER, pgbouncer
from services.worker.dependencies import WorkerContext
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import Bench

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None,
    reason="needs pgbouncer: sudo apt-get install --no-install-recommends pgbouncer",
)
LOCK_TIMEOUT = 1.5


@pytest.fixture
def pooled(bench: Bench, clean_database: ScratchDatabase) -> Iterator[Bench]:
    """Return the bench with its worker behind pgbouncer, which takes another backend for each transaction."""
    addresses = clean_database.addresses
    passwords = {"adsp_worker": addresses.credentials.worker}
    settings = ("ignore_startup_parameters = options", "server_round_robin = 1")
    with (
        pgbouncer(addresses.postgres_port, passwords, "transaction", settings) as port,
        _behind(bench, clean_database, port) as engine,
    ):
        bench.worker = dataclasses.replace(
            bench.worker, engine=engine, sessions=make_sessions(engine)
        )
        yield bench


@contextmanager
def _behind(bench: Bench, database: ScratchDatabase, port: int) -> Iterator[Engine]:
    url = database.url_for("worker").replace(f":{database.addresses.postgres_port}/", f":{port}/")
    through = bench.worker.settings.model_copy(update={"database_url": url})
    engine = make_engine(through, "adsp-worker", lock_timeout=LOCK_TIMEOUT)
    # So many backends that a transaction hardly finds again the one of the transaction before.
    connections = [engine.connect() for _ in range(4)]
    for connection in connections:
        connection.execute(text("SELECT 1"))
    for connection in connections:
        connection.close()
    yield engine
    engine.dispose()


def advisory_locks(bench: Bench) -> int:
    """Count the advisory locks that anybody in the database holds."""
    count = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with bench.owner.connect() as connection:
        return connection.scalar(count) or 0


def test_plan_sweep_and_finish_leave_no_advisory_lock(pooled: Bench) -> None:
    pooled.put_dataset()
    pooled.write_rows(3)
    job = pooled.make_job()

    states = [plan(pooled.worker, job.id)]
    between = advisory_locks(pooled)
    sweep(pooled.worker)
    with pooled.worker.sessions.begin() as session:
        session.execute(update(Chunk).values(state=ChunkState.DONE, rows_read=3, rows_loaded=3))
    states.append(finish(pooled.worker, job.id))

    assert states == ["running", "succeeded"]
    assert (between, advisory_locks(pooled)) == (0, 0)


def test_two_plans_of_one_job_are_kept_apart(
    pooled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled.put_dataset()
    pooled.write_rows(3)
    job = pooled.make_job()
    seen: list[str] = []

    def plan_twice(worker: WorkerContext, planned: object, **_: object) -> None:
        """Stand in for the look at the source, in the middle of which the message comes a second time."""
        del worker, planned
        seen.append(plan(pooled.worker, job.id))

    monkeypatch.setattr("services.worker.planning.job_plan.plan_source", plan_twice)
    plan(pooled.worker, job.id)

    assert seen == ["not-due"]
    assert advisory_locks(pooled) == 0


def test_waits_stay_bounded_though_the_pooler_passes_no_options_on(pooled: Bench) -> None:
    with pooled.worker.engine.begin() as connection:
        settings = [
            connection.scalar(text(f"SHOW {name}"))
            for name in ("lock_timeout", "statement_timeout", "timezone")
        ]

    assert settings == ["1500ms", "0", "UTC"]
