"""A small job does not wait for large ones that came before it, nor a day's job for a backfill."""

from collections import Counter
from datetime import date
from pathlib import Path

from libs.devstack.testing.waiting import wait_for
from tests.endtoend.system import System

HEADER = b"sku,name,category,price,quantity,updated_at\n"
ROW = b"SKU-%d,lamp,tools,9.99,3,2026-01-01 00:00:00+00\n"
LARGE_ROWS = 400_000


def make_table(system: System, name: str) -> str:
    """Make a table without a key, into which chunks go in any order."""
    system.execute(
        f"CREATE TABLE public.{name} (LIKE public.items);"
        f"GRANT SELECT, INSERT ON public.{name} TO adsp_loader"
    )
    return f"public.{name}"


def write_rows(path: Path, count: int) -> None:
    """Write a file of so many rows."""
    with path.open("wb") as file:
        file.write(HEADER)
        file.writelines(ROW % number for number in range(count))


def test_small_jobs_pass_large_ones_however_many_there_are(system: System) -> None:
    """Neither files that are loaded as a whole nor chunks hold the child of a loader that small jobs need."""
    large, small = make_table(system, "passed_large"), make_table(system, "passed_small")
    write_rows(system.incoming / "passed-large.csv", 30_000)
    write_rows(system.incoming / "passed-small.csv", 200)
    with system.client as client, system.holding(f"LOCK TABLE {large} IN SHARE MODE"):
        client.put_dataset("passed-small", {"table": small})
        held = []
        for number, is_whole in enumerate((True, False, True, False)):
            name = f"passed-large-{number}"
            client.put_dataset(name, {"table": large, "atomic": is_whole})
            held.append(client.submit(dataset=name, source="passed-large.csv"))
        wait_for(lambda: system.count("adsp.chunk_leases") > 1, 60, "large ones load")
        for _ in range(5):
            job = client.submit(dataset="passed-small", source="passed-small.csv", force=True)
            assert system.wait_over(job).state == "succeeded"
        assert {client.job(job.id).state for job in held} <= {"queued", "running"}
    ended = [system.wait_over(job, 180) for job in held]

    assert {(job.state, job.rows_loaded) for job in ended} == {("succeeded", 30_000)}
    assert system.count(large) == 4 * 30_000


def test_a_small_job_is_over_long_before_a_large_one_that_loads(system: System) -> None:
    """The large one has some 300 chunks; all of them once stood in the queue before the small one's."""
    large, small = make_table(system, "fair_large"), make_table(system, "fair_small")
    write_rows(system.incoming / "fair-large.csv", LARGE_ROWS)
    (system.incoming / "fair-small.csv").write_bytes(HEADER + ROW % 1)
    with system.client as client:
        client.put_dataset("fair-large", {"table": large, "atomic": False})
        client.put_dataset("fair-small", {"table": small})
        first = client.submit(dataset="fair-large", source="fair-large.csv")
        while not system.count(f"adsp.chunks WHERE job_id = '{first.id}' AND state = 'done'"):
            assert client.job(first.id).state in {"queued", "running"}
        second = system.wait_over(client.submit(dataset="fair-small", source="fair-small.csv"))
        chunks = system.count(f"adsp.chunks WHERE job_id = '{first.id}'")
        done = system.count(f"adsp.chunks WHERE job_id = '{first.id}' AND state = 'done'")
        under_way = system.count(
            f"adsp.chunks WHERE job_id = '{first.id}' AND next_attempt_at IS NOT NULL"
        )
        ended = system.wait_over(first, 180)

    assert (second.state, second.rows_loaded) == ("succeeded", 1)
    assert chunks > 200
    assert done < chunks / 2
    assert under_way <= 8
    assert (ended.state, ended.rows_loaded) == ("succeeded", LARGE_ROWS)
    assert system.count(large) == LARGE_ROWS


def test_a_backfill_leaves_the_loaders_to_the_days_work(system: System) -> None:
    """Two of its jobs are at work; the others begin as these end, the oldest days first."""
    table, today = make_table(system, "backfilled"), make_table(system, "today")
    days = [date(2026, 1, day) for day in range(1, 8)]
    for number, day in enumerate(days, start=1):
        write_rows(system.incoming / f"backfilled-{day}.csv", number)
    write_rows(system.incoming / "today.csv", 10)
    with system.client as client, system.holding(f"LOCK TABLE {table} IN SHARE MODE"):
        source = {"source": "backfilled-{data_date}.csv", "table": table}
        client.put_dataset("backfilled", source)
        client.put_dataset("today", {"table": today})
        jobs = [day.job for day in client.backfill("backfilled", days[0], days[-1]) if day.job]
        at_work = f"adsp.chunk_leases WHERE job_id IN ({', '.join(repr(job.id) for job in jobs)})"
        wait_for(lambda: system.count(at_work) == 2, 60, "two days load")
        job = system.wait_over(client.submit(dataset="today", source="today.csv"))
        states = Counter(client.job(job.id).state for job in jobs)
    ended = [system.wait_over(job, 60) for job in jobs]

    assert (job.state, job.rows_loaded) == ("succeeded", 10)
    assert states == {"running": 2, "queued": 5}
    assert {(job.state, job.trigger) for job in ended} == {("succeeded", "backfill")}
    assert system.count(table) == sum(range(1, 8))
    finished = [job.finished_at for job in ended if job.finished_at is not None]
    assert max(finished[:2]) <= min(finished[4:])
