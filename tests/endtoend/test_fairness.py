"""A small job does not wait for large ones that came before it."""

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
