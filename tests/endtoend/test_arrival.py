"""A file that comes late, or in two parts, is loaded once it is there and whole, without a person."""

from pathlib import Path

from libs.devstack.testing.waiting import wait_for
from tests.endtoend.system import System
from tools.client.sample_items import write_items


def test_a_job_waits_for_a_file_that_comes_late(system: System) -> None:
    """Seen before: it failed at once with `source-missing`, and nothing tried again."""
    table = system.make_table("late")
    with system.client as client:
        client.put_dataset(
            "late",
            {"table": table, "source": "late.csv", "arrival": {"wait": "1h", "poll": "5s"}},
        )
        job = client.submit(dataset="late")
        wait_for(lambda: client.job(job.id).state == "waiting", 20, "the job waits")
        is_reported = "SELECT published_at FROM adsp.events WHERE job_id = %s AND type = 'job.late'"
        wait_for(lambda: system.query(is_reported, job.id)[0][0], 20, "it is reported to be late")
        # Written beside its place and renamed, as a sender should.
        write_items(system.incoming / "late.tmp", 100)
        (system.incoming / "late.tmp").rename(system.incoming / "late.csv")

        ended = system.wait_over(job)

    assert (ended.state, ended.rows_loaded, ended.attempt) == ("succeeded", 100, 1)
    assert system.count(table) == 100
    assert system.query(is_reported.replace("published_at", "count(*)"), job.id) == [(1,)]


def test_a_waiting_job_is_cancelled_at_once(system: System) -> None:
    table = system.make_table("never")
    with system.client as client:
        client.put_dataset(
            "never", {"table": table, "source": "never.csv", "arrival": {"wait": "1h"}}
        )
        job = client.submit(dataset="never")
        wait_for(lambda: client.job(job.id).state == "waiting", 20, "the job waits")

        cancelled = client.cancel(job.id)

    assert cancelled.state == "cancelled"


def _write_halves(path: Path) -> tuple[bytes, bytes]:
    """Return the two halves of a file of 1,000 records, cut at the end of a line."""
    write_items(path, 1_000)
    lines = path.read_bytes().splitlines(keepends=True)
    return b"".join(lines[:501]), b"".join(lines[501:])


def test_a_sender_that_pauses_has_its_whole_file_loaded_once(system: System) -> None:
    """Seen before: 500 rows as `succeeded`, and the whole file later doubled them."""
    table = system.make_table("paused")
    first, second = _write_halves(system.folder / "paused.csv")
    path = system.incoming / "paused.csv"
    path.write_bytes(first)
    with system.client as client:
        client.put_dataset("paused", {"table": table, "source": path.name, "settle": 4})
        job = client.submit(dataset="paused")
        is_seen = "SELECT seen_identity FROM adsp.jobs WHERE id = %s"
        wait_for(lambda: system.query(is_seen, job.id)[0][0], 20, "the first half is seen")
        with path.open("ab") as file:
            file.write(second)

        ended = system.wait_over(job)

    assert (ended.state, ended.rows_loaded) == ("succeeded", 1_000)
    assert system.count(table) == 1_000
