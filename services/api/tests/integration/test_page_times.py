"""Pages keep to their size, and to their time, with 200 datasets and many jobs.

``./dev history`` runs it with a million jobs, and prints and bounds what each page takes: a time in a test would fail
on a busy machine and prove nothing.
"""

import os
import sys
import time
from statistics import quantiles

import httpx
import pytest

from libs.common.heap import settle_heap
from services.api.tests.integration.api_bench import Ledger

JOBS = int(os.environ.get("ADSP_HISTORY_JOBS", "20000"))
DATASETS = 200
LOOKS = 60
MOST_BYTES = 200_000
"""Of a page, before compression."""
MOST_SECONDS = 0.150
"""For 19 of 20 requests."""

_DATASETS = """
INSERT INTO adsp.datasets (name, definition, created_at)
SELECT
    'feed-' || n,
    json_build_object(
        'table', 'public.items', 'source', 'items-{data_date}.csv',
        'schedule', json_build_object('cron', (n % 60) || ' ' || (n % 24) || ' * * *', 'time_zone', 'Europe/Vienna')
    ),
    now() - interval '10 years'
FROM generate_series(0, %(datasets)s - 1) AS n
"""
_JOBS = """
INSERT INTO adsp.jobs (
    id, dataset, data_date, state, source, trigger, definition, definition_version, owner, created_at, finished_at,
    rows_read, rows_loaded
)
SELECT
    uuidv7(age), 'feed-' || n % %(datasets)s, (now() + age)::date, 'succeeded', 'items.csv', 'api', '{}', 1,
    'owner-' || n % 7, now() + age, now() + age, 1000, 1000
FROM (
    SELECT n, (n - %(jobs)s) * interval '200 seconds' AS age FROM generate_series(0, %(jobs)s - 1) AS n
) AS made
"""


def _fill(ledger: Ledger) -> str:
    """Add the datasets, and jobs of all of them up to now; return the id of the last."""
    sizes = {"datasets": DATASETS, "jobs": JOBS}
    ledger.execute("ALTER TABLE adsp.jobs DISABLE TRIGGER count_inserted_job")
    ledger.execute(_filled(_DATASETS, sizes))
    ledger.execute(_filled(_JOBS, sizes))
    ledger.execute("ALTER TABLE adsp.jobs ENABLE TRIGGER count_inserted_job")
    ledger.execute("ANALYZE adsp.jobs")
    return str(ledger.value("SELECT max(id::text) FROM adsp.jobs WHERE dataset = 'feed-7'"))


def _filled(statement: str, sizes: dict[str, int]) -> str:
    for name, value in sizes.items():
        statement = statement.replace(f"%({name})s", str(value))
    return statement


def test_pages_keep_to_their_size_and_time(
    client: httpx.Client, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    job = _fill(ledger)
    settle_heap()  # as the api's program does
    slow = []
    for path in ("/", "/v1/overview", "/jobs", "/jobs?dataset=feed-7", f"/jobs/{job}"):
        headers = {} if path.startswith("/v1") else {"Accept": "text/html"}
        seconds, size = [], 0
        for _ in range(LOOKS):
            start = time.perf_counter()
            answer = client.get(path, headers=headers)
            seconds.append(time.perf_counter() - start)
            assert answer.status_code == 200
            size = len(answer.content)
        half, most = (quantiles(seconds, n=20)[place] for place in (9, 18))
        with capsys.disabled():
            sys.stdout.write(
                f"{JOBS:,} jobs, {path.replace(job, 'ID')}: p50 {half * 1000:.0f} ms, p95 {most * 1000:.0f} ms,"
                f" {size / 1000:.0f} kB\n"
            )
        assert size <= MOST_BYTES
        slow += [path] if most > MOST_SECONDS else []

    assert "ADSP_HISTORY_JOBS" not in os.environ or slow == []
