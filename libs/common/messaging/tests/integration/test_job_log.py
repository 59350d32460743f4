"""The newest log lines of a job are kept in Redis, and nothing waits for that."""

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import structlog
from redis import Redis

from libs.common import logs
from libs.common.logs import configure_logging, get_logger
from libs.common.messaging import job_log
from libs.common.messaging.job_log import MOST_LINES, JobLogReader, JobLogWriter, keep_job_log
from libs.common.settings import LoggingSettings, MessagingSettings
from libs.devstack.ports import free_port
from libs.devstack.testing.waiting import wait_for

SERVICE = "loader"


@pytest.fixture
def settings(redis_url: str) -> MessagingSettings:
    """Give settings with the real Redis."""
    return MessagingSettings(broker_url="amqp://nobody@127.0.0.1/x", redis_url=redis_url)


@pytest.fixture
def reader(redis_url: str) -> Iterator[JobLogReader]:
    """Give what the api reads with."""
    made = JobLogReader(redis_url)
    yield made
    made.close()


@pytest.fixture
def logged() -> Iterator[None]:
    """Let lines be logged as in a service, and as before in the end."""
    configure_logging(LoggingSettings(), SERVICE)
    yield
    logs.watchers.clear()
    structlog.reset_defaults()


def note(writer: JobLogWriter, job_id: object, number: int, **fields: Any) -> None:
    """Take a line."""
    at = f"2026-11-28T00:00:{number / 1000:09.6f}Z"
    writer.note(
        {"job_id": job_id, "timestamp": at, "level": "info", "event": "e", "n": number} | fields
    )


def wait_for_lines(reader: JobLogReader, job_id: object, count: int) -> list[dict[str, Any]]:
    """Wait until so many lines of a job are kept."""
    wait_for(lambda: len(reader.read(job_id)) >= count, 10, "the lines are kept")
    return reader.read(job_id)


@pytest.mark.usefixtures("logged")
def test_what_a_service_logs_of_a_job_is_kept_with_its_fields(
    settings: MessagingSettings, reader: JobLogReader
) -> None:
    job, log = uuid4(), get_logger("some.module")
    keep_job_log(settings, SERVICE)
    with structlog.contextvars.bound_contextvars(job_id=str(job), task_id="x"):
        log.info("begun", rows=3, ratio=0.5, note=None, names=["a"])
    log.info("of no job")
    log.debug("for developers", job_id=job)
    try:
        raise ValueError("a cell")
    except ValueError:
        log.exception("went_wrong", job_id=job, text="y" * 5_000)
    begun, wrong = wait_for_lines(reader, job, 2)

    assert begun.pop("at").startswith("20")
    assert begun == {
        "level": "info",
        "service": SERVICE,
        "event": "begun",
        "fields": {"rows": 3, "ratio": 0.5, "note": None, "names": '["a"]'},
    }
    assert (wrong["level"], wrong["fields"]["exception"]) == ("error", "ValueError")
    assert len(wrong["fields"]["text"]) < 1_100
    assert "a cell" not in str(wrong)


def test_the_newest_lines_of_each_job_are_kept_for_a_time(
    settings: MessagingSettings, reader: JobLogReader, redis_url: str
) -> None:
    writer, many, few = JobLogWriter(settings, SERVICE), uuid4(), uuid4()
    note(writer, few, 0)
    for number in range(MOST_LINES + 50):
        note(writer, many, number)
    kept = wait_for_lines(reader, many, MOST_LINES)
    with Redis.from_url(redis_url) as redis:
        seconds = redis.ttl(f"adsp:job-log:{many}")

    assert [line["fields"]["n"] for line in kept] == list(range(50, MOST_LINES + 50))
    assert len(reader.read(few)) == 1
    assert 0 < seconds <= settings.job_log_seconds


def test_a_forked_process_writes_its_own_lines(
    settings: MessagingSettings, reader: JobLogReader
) -> None:
    """As the children of a pool are forked: the parent's thread is not there, its lock may be taken."""
    writer, job = JobLogWriter(settings, SERVICE), uuid4()
    note(writer, job, 0)
    child = os.fork()
    if child == 0:
        note(writer, job, 1)
        time.sleep(3)
        os._exit(0)
    try:
        lines = wait_for_lines(reader, job, 2)
    finally:
        os.waitpid(child, 0)

    assert [line["fields"]["n"] for line in lines] == [0, 1]


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the numbers of lines that were logged as lost: output read while a thread writes it may lack some."""
    numbers: list[int] = []
    log = job_log.log

    def warning(event: str, *, lines: int, error: str | None) -> None:
        assert event == "job_log_not_kept"
        numbers.append(lines)
        log.warning(event, lines=lines, error=error)

    monkeypatch.setattr(job_log, "log", SimpleNamespace(warning=warning))
    return numbers


def test_each_lost_line_is_counted_whoever_takes_and_notes_lines_meanwhile(
    settings: MessagingSettings, lost: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    for name in ("_PAUSE", "_AWAY_SECONDS"):
        monkeypatch.setattr(job_log, name, 0)
    monkeypatch.setattr(job_log, "_MOST_WAITING", 1)
    writer, job = JobLogWriter(away, SERVICE), uuid4()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: note(writer, job, number), range(20_000)))
    finally:
        sys.setswitchinterval(interval)

    wait_for(lambda: sum(lost) >= 20_000, 20, "each line that is lost is counted")

    assert sum(lost) == 20_000


def test_nothing_waits_while_redis_is_away(
    settings: MessagingSettings, reader: JobLogReader, lost: list[int]
) -> None:
    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    writer, job = JobLogWriter(away, SERVICE), uuid4()
    start = time.monotonic()
    for number in range(10_000):
        note(writer, job, number)
    seconds = time.monotonic() - start
    wait_for(lambda: sum(lost) == 10_000, 20, "each line that is lost is counted")

    assert seconds < 5
    assert reader.read(job) == []


def test_no_value_stops_who_logs_it(settings: MessagingSettings, reader: JobLogReader) -> None:
    writer, job = JobLogWriter(settings, SERVICE), uuid4()
    endless: list[object] = []
    endless.append(endless)
    values = [{(1, 2): 3}, endless, "\udcff.csv", object(), float("nan"), b"\xff", 1 << 70]
    for number, value in enumerate(values):
        note(writer, job, number, value=value)
    lines = wait_for_lines(reader, job, len(values))

    assert lines[2]["fields"]["value"] == "\\udcff.csv"
    assert all(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() for line in lines)


def test_none_is_kept_where_that_is_switched_off(settings: MessagingSettings) -> None:
    before = list(logs.watchers)
    keep_job_log(settings.model_copy(update={"job_log_seconds": 0}), SERVICE)

    assert logs.watchers == before
