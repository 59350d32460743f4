"""Whatever is killed in the middle of a load, the rows arrive once and the job ends."""

import pytest

from libs.devstack.testing.waiting import wait_for
from tests.endtoend.system import System
from tools.client.sample_items import write_items

ROWS = 60_000


@pytest.mark.parametrize("service", ["loader", "worker", "api"])
def test_a_killed_service_loses_and_repeats_nothing(system: System, service: str) -> None:
    """Killed while the loader is at work, started again: every row is there once."""
    table = system.make_table(f"killed_{service}")
    write_items(system.incoming / f"{service}.csv", ROWS, bad_ratio=0.001, seed=5)
    with system.client as client:
        client.put_dataset(f"killed_{service}", {"table": table, "source": f"{service}.csv"})
        job = client.submit(dataset=f"killed_{service}")
        wait_for(lambda: client.job(job.id).rows_read > 0, 60, "the load is under way")

    system.kill(service)
    system.start(service)
    system.wait_ready()
    ended = system.wait_over(job, 120)

    assert ended.state == "completed_with_rejects"
    assert ended.rows_read == ROWS
    assert ended.rows_loaded == system.count(table)
    assert ended.rows_rejected == system.count(f"adsp.failed_rows WHERE job_id = '{job.id}'")


def test_a_job_that_was_queued_while_the_worker_was_away_is_loaded_later(system: System) -> None:
    """Nothing depends on a worker being there at the time of the trigger."""
    table = system.make_table("waiting")
    write_items(system.incoming / "waiting.csv", 100)
    system.kill("worker")
    with system.client as client:
        client.put_dataset("waiting", {"table": table, "source": "waiting.csv"})

        job = client.submit(dataset="waiting")

    system.start("worker")
    assert system.wait_over(job).state == "succeeded"
    assert system.count(table) == 100
