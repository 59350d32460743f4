"""Jobs load sources that lie in a bucket as they load files of a folder."""

import hashlib
import json
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.client.client import Client
from libs.client.errors import RefusedRequest, StoreRefused
from libs.devstack.testing.stores import Fault, ServedStore, s3_server
from libs.devstack.testing.waiting import wait_for
from tests.endtoend.system import REPOSITORY, System
from tests.endtoend.terminal import adsp

HEADER = b"sku,name,category,price,quantity,updated_at\n"
ROW = b"SKU-%d,lamp,tools,9.99,%d,2026-01-01 00:00:00+00\n"
BAD = b"SKU-%d,lamp,tools,much,3,2026-01-01 00:00:00+00\n"


@pytest.fixture(scope="module")
def bucket(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedStore]:
    """Give a bucket that the services have connections to; worker and loader share no folder with the api."""
    nothing = {"ADSP_SOURCE_ROOTS": "[]", "ADSP_UPLOAD_DIR": str(tmp_path_factory.mktemp("none"))}
    with s3_server() as served:
        prefixes = {"landing": "feeds/", "uploads": "sent/"}
        connections = {
            name: {**served.connection, "prefix": prefix} for name, prefix in prefixes.items()
        }
        variables = {
            "ADSP_CONNECTIONS": json.dumps(connections),
            "ADSP_UPLOAD_STORE": "s3://landing/sent/",
        }
        with (
            system.restarted("api", **variables),
            system.restarted("worker", "loader", **variables, **nothing),
        ):
            yield served


def rows(first: int, count: int) -> bytes:
    """Return good rows."""
    return b"".join(ROW % (number, number % 7) for number in range(first, first + count))


def names_below(bucket: ServedStore, prefix: str) -> set[str]:
    """Return the keys of a folder."""
    return {name for name in bucket.names() if name.startswith(prefix)}


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "chunked"])
def test_a_file_of_a_bucket_is_loaded_with_its_failed_rows(
    system: System, bucket: ServedStore, *, atomic: bool
) -> None:
    table = system.make_table(f"bucket_{atomic}".lower())
    name = f"from-bucket-{atomic}".lower()
    content = HEADER + rows(0, 5_000) + BAD % 9_999 + rows(5_000, 5_000)
    bucket.put(f"feeds/{name}/2026-11-27.csv", content)
    source = f"s3://landing/feeds/{name}/{{data_date}}.csv"
    with system.client as client:
        client.put_dataset(name, {"table": table, "source": source, "atomic": atomic})
        job = system.wait_over(client.submit(dataset=name, data_date="2026-11-27"))
        again = system.wait_over(client.submit(dataset=name, data_date="2026-11-27"))
        [failed] = client.failed_rows(job.id)
        [file] = client.files(job.id)

    assert (job.state, job.rows_loaded, job.rows_rejected) == (
        "completed_with_rejects",
        10_000,
        1,
    )
    assert (failed.line_number, failed.byte_offset) == (5_002, len(HEADER + rows(0, 5_000)))
    assert (file.path, job.bytes_total) == (
        f"s3://landing/feeds/{name}/2026-11-27.csv",
        len(content),
    )
    assert system.count(table) == 10_000
    assert again.state == "duplicate"


def test_all_files_of_a_day_are_loaded_once_and_moved(system: System, bucket: ServedStore) -> None:
    table = system.make_table("bucket_parts")
    for number in range(3):
        bucket.put(f"feeds/parts/p{number}.csv", HEADER + rows(10 * number, 10))
    definition = {
        "table": table,
        "source": "s3://landing/feeds/parts/*.csv",
        "match": "all",
        "after_load": "move",
    }
    with system.client as client:
        client.put_dataset("bucket-parts", definition)
        first = system.wait_over(client.submit(dataset="bucket-parts"))
        moved = {f"feeds/parts/loaded/p{number}.csv" for number in range(3)}
        wait_for(lambda: names_below(bucket, "feeds/parts/") == moved, 20, "the files are moved")
        bucket.put("feeds/parts/p3.csv", HEADER + rows(30, 10))
        second = system.wait_over(client.submit(dataset="bucket-parts"))

    assert (first.state, first.rows_loaded) == ("succeeded", 30)
    assert (second.state, second.rows_loaded) == ("succeeded", 10)
    assert system.count(table) == 40


def test_an_object_that_is_replaced_between_plan_and_load_is_not_loaded(
    system: System, bucket: ServedStore
) -> None:
    table = system.make_table("bucket_replaced")
    bucket.put("feeds/replaced.csv", HEADER + rows(0, 100))
    with system.client as client:
        client.put_dataset(
            "bucket-replaced", {"table": table, "source": "s3://landing/feeds/replaced.csv"}
        )
        with system.holding(f"LOCK TABLE {table}"):
            job = client.submit(dataset="bucket-replaced")
            system.wait_held()
            bucket.put("feeds/replaced.csv", HEADER + rows(100, 200))
        ended = system.wait_over(job)
        again = system.wait_over(client.submit(dataset="bucket-replaced"))

    assert ended.state == "failed"
    assert ended.error is not None
    assert ended.error.code == "source-changing"
    assert (again.state, again.rows_loaded) == ("succeeded", 200)
    assert system.count(table) == 200


def test_a_large_object_is_sent_once_where_its_size_is_new(
    system: System, bucket: ServedStore
) -> None:
    """One of the same size is read first, and found to be the same content."""
    table = system.make_table("bucket_once")
    content = HEADER + rows(0, 500_000)
    definition = {"table": table, "source": "s3://landing/feeds/once/{data_date}.csv"}
    sent = []
    with system.client as client:
        client.put_dataset("bucket-once", definition)
        for day in ("2026-11-27", "2026-11-28"):
            bucket.put(f"feeds/once/{day}.csv", content)
            bucket.faults.requests.clear()
            job = system.wait_over(client.submit(dataset="bucket-once", data_date=day), 120)
            [file] = client.files(job.id)
            sent.append((job.state, file.fingerprint, bytes_asked_for(bucket) / len(content)))

    digest = hashlib.sha256(content).hexdigest()
    assert [each[:2] for each in sent] == [("succeeded", digest), ("duplicate", digest)]
    assert max(share for *_, share in sent) < 1.5
    assert system.count(table) == 500_000


def bytes_asked_for(bucket: ServedStore) -> int:
    """Return how many bytes of objects were asked for."""
    ranges = (request.partition("bytes=")[2] for request in bucket.faults.requests)
    ends = (each.partition("-") for each in ranges if each)
    return sum(int(last) + 1 - int(first) for first, _, last in ends)


def test_a_store_that_throttles_for_a_while_costs_time_alone(
    system: System, bucket: ServedStore
) -> None:
    table = system.make_table("bucket_slow")
    bucket.put("feeds/slow.csv", HEADER + rows(0, 1_000))
    with system.client as client:
        client.put_dataset("bucket-slow", {"table": table, "source": "s3://landing/feeds/slow.csv"})
        bucket.faults.next[:] = [Fault.THROTTLED, None, Fault.CUT, None, Fault.THROTTLED]
        job = system.wait_over(client.submit(dataset="bucket-slow"))

    assert (job.state, job.rows_loaded) == ("succeeded", 1_000)
    assert bucket.faults.next == []
    worker = [
        line for line in system.log_lines("worker") if line["event"] == "store_request_retried"
    ]
    assert worker[-1]["connection"] == "landing"


def test_credentials_that_have_expired_end_a_job_with_how_to_renew_them(
    system: System, bucket: ServedStore
) -> None:
    table = system.make_table("bucket_expired")
    with system.client as client:
        client.put_dataset("bucket-expired", {"table": table, "source": "s3://landing/feeds/e.csv"})
        bucket.faults.always = Fault.EXPIRED
        try:
            job = system.wait_over(client.submit(dataset="bucket-expired"))
        finally:
            bucket.faults.always = None

    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "source-not-allowed"
    assert "ADSP_CONNECTIONS" in job.error.message


@pytest.mark.parametrize(
    "source",
    [
        "s3://landing/elsewhere/a.csv",
        "s3://landing/feeds/../secret.csv",
        "s3://other/feeds/a.csv",
        "s3://landing/sent/0/a.csv",
        "https://example.org/a.csv",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://landing/feeds/a.csv",
    ],
)
def test_what_no_connection_leads_to_is_refused(
    system: System, bucket: ServedStore, source: str
) -> None:
    table = system.make_table("bucket_refused")
    with system.client as client:
        client.put_dataset("bucket-refused", {"table": table})
        with pytest.raises(RefusedRequest) as raised:
            client.submit(dataset="bucket-refused", source=source)
    system.execute(f"DROP TABLE {table}")

    assert raised.value.code == "source-not-allowed"


def test_a_file_that_comes_later_is_waited_for(system: System, bucket: ServedStore) -> None:
    table = system.make_table("bucket_late")
    definition = {
        "table": table,
        "source": "s3://landing/feeds/late.csv",
        "arrival": {"wait": "1m", "poll": "5s"},
    }
    with system.client as client:
        client.put_dataset("bucket-late", definition)
        job = client.submit(dataset="bucket-late")
        wait_for(lambda: client.job(job.id).state == "waiting", 30, "it waits")
        bucket.put("feeds/late.csv", HEADER + rows(0, 5))
        ended = system.wait_over(job)

    assert (ended.state, ended.rows_loaded) == ("succeeded", 5)


def test_uploads_and_replays_go_through_the_bucket(
    system: System, bucket: ServedStore, tmp_path: Path
) -> None:
    table = system.make_table("bucket_sent")
    sent, corrected = tmp_path / "sent.csv", tmp_path / "corrected.csv"
    sent.write_bytes(HEADER + rows(0, 10) + BAD % 77)
    corrected.write_bytes(HEADER + rows(77, 1))
    with system.client as client:
        client.put_dataset("bucket-sent", {"table": table})
        job = system.wait_over(client.load("bucket-sent", sent))
        again = system.wait_over(client.replay(job.id))
        same = client.replay(job.id)
        replayed = system.wait_over(client.replay(job.id, corrected))

    keys = names_below(bucket, "sent/")
    assert job.source.startswith("s3://landing/sent/")
    assert (job.state, job.rows_loaded, job.rows_rejected) == ("completed_with_rejects", 10, 1)
    assert (again.rows_rejected, same.source) == (1, again.source)
    assert (replayed.state, replayed.rows_loaded) == ("succeeded", 1)
    assert keys == {each.source.removeprefix("s3://landing/") for each in (job, again, replayed)}
    assert not [path for path in system.folder.rglob("sent.csv") if path.is_file()]


def test_a_file_goes_straight_to_the_bucket_and_its_rows_into_the_table(
    system: System, bucket: ServedStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No bytes of it go through the api, and nobody writes down where it was sent with which signature."""
    table = system.make_table("bucket_direct")
    sent = tmp_path / "direct.csv"
    sent.write_bytes(HEADER + rows(0, 10_000) + BAD % 99_999)
    progress: list[int] = []
    before = names_below(bucket, "sent/")
    with system.client as client, caplog.at_level(logging.INFO):
        client.put_dataset("bucket-direct", {"table": table})
        made = client.load("bucket-direct", sent, direct=True, on_progress=progress.append)
        job = system.wait_over(made)
        replayed = system.wait_over(client.replay(job.id))

    new = names_below(bucket, "sent/") - before
    lines = [line for name in ("api", "worker", "loader") for line in system.log_lines(name)]
    assert (job.state, job.rows_loaded, job.rows_rejected) == ("completed_with_rejects", 10_000, 1)
    assert system.count(table) == 10_000
    assert (replayed.rows_rejected, job.trigger) == (1, "upload")
    assert progress[-1] == sent.stat().st_size
    assert new == {each.source.removeprefix("s3://landing/") for each in (job, replayed)}
    assert "/v1/uploads" in caplog.text
    assert "X-Amz-Signature" not in caplog.text + json.dumps(lines)


def test_a_bucket_that_does_not_take_a_file_is_asked_again_or_named(
    system: System, bucket: ServedStore, tmp_path: Path
) -> None:
    table = system.make_table("bucket_not_taken")
    sent = tmp_path / "direct.csv"
    sent.write_bytes(HEADER + rows(0, 10))
    with Client(f"http://127.0.0.1:{system.port}", retry_seconds=30) as client:
        client.put_dataset("bucket-not-taken", {"table": table})
        bucket.faults.next[:] = [Fault.THROTTLED]
        job = system.wait_over(client.load("bucket-not-taken", sent, direct=True))
        bucket.faults.next[:] = [Fault.DENIED]
        with pytest.raises(StoreRefused) as raised:
            client.load("bucket-not-taken", sent, direct=True)

    assert (job.state, job.rows_loaded) == ("succeeded", 10)
    assert "403" in str(raised.value)
    assert "Signature" not in str(raised.value)


def test_the_command_sends_files_straight_to_the_bucket(
    system: System, bucket: ServedStore, tmp_path: Path
) -> None:
    table = system.make_table("bucket_command")
    sent = tmp_path / "command.csv"
    sent.write_bytes(HEADER + rows(0, 10))
    variables = {"ADSP_API_URL": f"http://127.0.0.1:{system.port}", "PYTHONPATH": str(REPOSITORY)}
    with system.client as client:
        client.put_dataset("bucket-command", {"table": table})
    before = len(bucket.faults.requests)
    ran = subprocess.run(
        adsp("load", str(sent), "-d", "bucket-command", "--direct", "--watch", "--json"),
        env=os.environ | variables | {"XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    [job] = json.loads(ran.stdout)
    assert (ran.returncode, job["state"], job["rows_loaded"]) == (0, "succeeded", 10), ran.stderr
    assert bucket.faults.requests[before] == "PUT "
