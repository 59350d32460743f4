"""Who follows a job reads each change within a second, nobody else's, and holds no connection to Postgres."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import (
    Ledger,
    MakeKey,
    SettingsWith,
    problem_of,
    serving,
)

Frame = tuple[str, dict[str, Any], str | None]
ReadsEvents = Callable[[float], bool]


@contextmanager
def following(client: httpx.Client, path: str, **headers: str) -> Iterator[Iterator[Frame]]:
    """Give the events of a stream as they come."""
    with client.stream("GET", path, headers=headers, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _parse(answer.iter_lines())


def _parse(lines: Iterator[str]) -> Iterator[Frame]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"]), fields.get("id")
            fields = {}


def _end(ledger: Ledger, job: str) -> None:
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'cancelled', finished_at = now() WHERE id = %s", job
    )


def add_event(ledger: Ledger, job: str, new_id: str) -> None:
    """Put an event of a job on record."""
    ledger.execute(
        "INSERT INTO adsp.events (id, job_id, type, payload) VALUES (%s, %s, 'job.cancelled', %s)",
        new_id,
        job,
        json.dumps({"job_id": job}),
    )


def new_event_id(seconds: int = 0) -> str:
    """Return an id as one that is made now, and so many seconds later."""
    return f"{int(time.time() * 1000) + seconds * 1000:012x}7000800000000000{uuid4().hex[:4]}"


def test_a_job_is_followed_to_its_end_within_a_second(
    client: httpx.Client, job: str, items: Path, ledger: Ledger
) -> None:
    with following(client, f"/v1/jobs/{job}/events") as got:
        kind, queued, _ = next(got)
        changed = time.monotonic()
        ledger.plan(job, items)
        running = next(got)[1]
        seconds = time.monotonic() - changed
        ledger.execute(
            "INSERT INTO adsp.chunk_leases (job_id, chunk_number, holder, backend_pid, backend_start, expires_at,"
            " bytes_done, rows_read) VALUES (%s, 0, 'a', 1, now(), now(), 40, 7)",
            job,
        )
        further = next(got)[1]
        _end(ledger, job)
        rest = list(got)

    assert (kind, queued["state"], running["state"]) == ("job", "queued", "running")
    assert seconds < 1
    assert (further["rows_read"], further["bytes_done"]) == (7, 40)
    assert [(kind, data.get("state")) for kind, data, _ in rest] == [
        ("job", "cancelled"),
        ("end", None),
    ]


def test_who_comes_again_misses_no_event_and_reads_none_twice(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    first, second, third = (new_event_id(n) for n in (-60, -50, -1))
    for event_id in (first, second):
        add_event(ledger, job, event_id)
    with following(client, "/v1/events", **{"Last-Event-ID": first}) as got:
        kind, data, found = next(got)
        assert next(got)[0] == "job"
        add_event(ledger, job, third)
        later = next(got)

    assert (kind, found and found.replace("-", "")) == ("ledger", second)
    assert data == {"type": "job.cancelled", "job_id": job}
    assert (later[0], later[2] and later[2].replace("-", "")) == ("ledger", third)


def test_an_event_that_is_committed_late_is_not_missed(
    client: httpx.Client, job: str, ledger: Ledger, served_feed_looks: ReadsEvents
) -> None:
    """Its id is older than the stream, whether the ledger was read before for another stream or not."""
    wait_for(lambda: not served_feed_looks(0.8), 10, "nobody listens")
    for seconds in (-10, -9):
        late = new_event_id(seconds)
        with following(client, "/v1/events") as got:
            assert next(got)[0] == "job"
            add_event(ledger, job, late)
            kind, _, found = next(got)

        assert (kind, found and found.replace("-", "")) == ("ledger", late)


def test_a_client_that_comes_again_at_any_moment_reads_the_whole_row_of_events(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    written = [new_event_id(-20)]
    add_event(ledger, job, written[0])
    busy = Event()

    def write() -> None:
        while not busy.wait(0.03) and len(written) < 400:
            event_id = new_event_id()
            add_event(ledger, job, event_id)
            written.append(event_id)

    read = written[:1]
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for most in (1, 2, 5, 3, 8, 1, 13, 21):
                with following(client, "/v1/events", **{"Last-Event-ID": read[-1]}) as got:
                    ids = (found.replace("-", "") for kind, _, found in got if found)
                    read.extend(islice(ids, most))
        finally:
            busy.set()
        writing.result()

    assert read == written[: len(read)]
    assert len(read) == 55


def test_what_a_client_has_read_before_the_feed_found_it_does_not_come_again(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    """It was read from the ledger for who came again; the look for all streams comes later."""
    last = new_event_id(-20)
    add_event(ledger, job, last)
    written, read = [last], [last]
    with following(client, "/v1/events") as other:
        next(other)
        for is_there in (True, False) * 4:
            written.append(new_event_id())
            if is_there:
                add_event(ledger, job, written[-1])
            with following(client, "/v1/events", **{"Last-Event-ID": read[-1]}) as got:
                if not is_there:
                    add_event(ledger, job, written[-1])
                read.append(next(found.replace("-", "") for _, _, found in got if found))

    assert read == written


def test_nobody_reads_of_the_jobs_of_others(
    guarded: httpx.Client, make_key: MakeKey, client: httpx.Client, job: str, ledger: Ledger
) -> None:
    """The job of nobody is the administrator's alone; each sees his own."""
    mine = client.post("/v1/jobs", json={"dataset": "items", "data_date": "2026-01-02"}).json()[
        "id"
    ]
    ledger.execute("UPDATE adsp.jobs SET owner = 'prices' WHERE id = %s", mine)
    key = {"Authorization": f"Bearer {make_key('read')}"}
    admin = {"Authorization": f"Bearer {make_key('admin', owner='ops')}"}
    with following(guarded, "/v1/events", **key) as got:
        shown = next(got)[1]["id"]
        add_event(ledger, job, new_event_id())
        add_event(ledger, mine, new_event_id())
        event = next(got)
    with following(guarded, "/v1/events", **admin) as got:
        seen = {next(got)[1]["id"] for _ in range(2)}

    assert shown == mine
    assert event[1]["job_id"] == mine
    assert seen == {job, mine}
    assert problem_of(guarded.get(f"/v1/jobs/{job}/events", headers=key))[:2] == (
        404,
        "job-unknown",
    )


def test_streams_hold_no_connection_and_are_bounded(
    settings_with: SettingsWith, client: httpx.Client, job: str, ledger: Ledger
) -> None:
    limits = httpx.Limits(max_connections=None)
    with serving(settings_with(max_event_streams=20)) as api, ExitStack() as streams:
        many = streams.enter_context(
            httpx.Client(base_url=api.base_url, limits=limits, trust_env=False, timeout=10)
        )
        got = [streams.enter_context(following(many, "/v1/events")) for _ in range(20)]
        assert all(next(each)[1]["id"] == job for each in got)
        refused = problem_of(many.get("/v1/events"))
        pool = settings_with().database_pool_size
        held = ledger.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'adsp-api'"
            " AND datname = current_database()"
        )

        assert refused[:2] == (429, "too-many-streams")
        assert held <= 2 * pool  # two apis serve this database; twenty streams would hold more
        assert many.get("/livez").status_code == 200


def test_the_ledger_is_not_looked_at_while_nobody_listens(
    client: httpx.Client, job: str, served_feed_looks: ReadsEvents
) -> None:
    with following(client, "/v1/events") as got:
        next(got)
    wait_for(lambda: not served_feed_looks(1.2), 10, "the looks have stopped")


def test_a_look_that_fails_ends_no_stream(client: httpx.Client, job: str, ledger: Ledger) -> None:
    with following(client, f"/v1/jobs/{job}/events") as got:
        next(got)
        ledger.execute("ALTER TABLE adsp.chunk_leases RENAME TO gone")
        time.sleep(1.2)  # as long as two looks take, which both fail
        ledger.execute("ALTER TABLE adsp.gone RENAME TO chunk_leases")
        _end(ledger, job)

        assert next(got)[1]["state"] == "cancelled"


def test_an_odd_last_event_is_refused(client: httpx.Client) -> None:
    answer = client.get("/v1/events", headers={"Last-Event-ID": "x"})

    assert problem_of(answer)[:2] == (422, "invalid-request")


@pytest.fixture
def served_feed_looks(ledger: Ledger) -> ReadsEvents:
    """Return whether the api has read the jobs within so many seconds, as Postgres counts the scans."""

    def looks(seconds: float) -> bool:
        query = "SELECT coalesce(sum(seq_scan + idx_scan), 0) FROM pg_stat_user_tables WHERE relname = 'events'"
        before = ledger.value(query)
        time.sleep(seconds)
        return bool(ledger.value(query) > before)

    return looks
