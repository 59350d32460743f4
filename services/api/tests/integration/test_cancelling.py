"""A cancel ends a job that nobody loads yet, and asks the loaders of another to stop."""

from pathlib import Path

import httpx
import pika
import pytest

from libs.common.messaging.names import FINISHES_QUEUE
from libs.devstack.testing.vhosts import ScratchVhost
from services.api.tests.integration.api_bench import Ledger, SettingsWith, problem_of, serving

UNKNOWN = "01a20bb0-ed59-716e-a450-60748f27550b"


def _cancel(client: httpx.Client, job: str) -> httpx.Response:
    return client.post(f"/v1/jobs/{job}/cancel")


@pytest.mark.parametrize("state", ["queued", "waiting", "running"])
def test_a_job_without_a_plan_is_cancelled_at_once(
    client: httpx.Client, job: str, ledger: Ledger, state: str
) -> None:
    """Also while a worker looks at its source: what it finds out is for a job that has ended."""
    ledger.execute(
        "UPDATE adsp.jobs SET state = %s, started_at = now(), waiting_since = now()", state
    )
    answer = _cancel(client, job)
    ended = answer.json()

    assert (answer.status_code, ended["state"]) == (200, "cancelled")
    assert ended["finished_at"]
    assert ended["cancel_requested_at"]
    assert client.get(f"/v1/jobs/{job}").json() == ended
    assert ledger.value("SELECT type FROM adsp.events WHERE job_id = %s", job) == "job.cancelled"


def test_a_job_that_loads_is_asked_to_stop(
    client: httpx.Client, job: str, items: Path, ledger: Ledger, vhost: ScratchVhost
) -> None:
    """A worker hears of it at once, so that nothing waits for the sweep."""
    ledger.plan(job, items, chunks=2)
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.queue_purge(FINISHES_QUEUE)
        answer = _cancel(client, job)
        _, properties, _ = channel.basic_get(FINISHES_QUEUE, auto_ack=True)

    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    assert answer.json()["cancel_requested_at"]
    assert properties.headers["task"] == "jobs.finish"
    assert ledger.value("SELECT count(*) FROM adsp.events") == 0


def test_a_second_cancel_changes_nothing(
    client: httpx.Client, job: str, items: Path, ledger: Ledger
) -> None:
    ledger.plan(job, items)
    asked = [_cancel(client, job) for _ in range(2)]
    ledger.execute("UPDATE adsp.jobs SET state = 'cancelled', finished_at = now()")
    after_end = [_cancel(client, job) for _ in range(2)]

    assert [answer.status_code for answer in asked + after_end] == [202, 202, 200, 200]
    assert len({answer.json()["cancel_requested_at"] for answer in asked + after_end}) == 1
    assert ledger.value("SELECT count(*) FROM adsp.events") == 0


@pytest.mark.parametrize("state", ["succeeded", "completed_with_rejects"])
def test_a_job_that_has_ended_otherwise_is_not_cancelled(
    client: httpx.Client, job: str, ledger: Ledger, state: str
) -> None:
    ledger.execute("UPDATE adsp.jobs SET state = %s, finished_at = now()", state)
    status, code, detail = problem_of(_cancel(client, job))

    assert (status, code) == (409, "job-ended")
    assert state in detail
    assert ledger.value("SELECT cancel_requested_at FROM adsp.jobs") is None


def test_a_job_that_does_not_exist_is_not_found(client: httpx.Client) -> None:
    assert problem_of(_cancel(client, UNKNOWN))[:2] == (404, "job-unknown")
    assert problem_of(_cancel(client, "42"))[:2] == (422, "invalid-request")


def test_a_cancel_is_on_record_while_the_broker_is_away(
    client: httpx.Client, job: str, items: Path, ledger: Ledger, settings_with: SettingsWith
) -> None:
    """The sweeper tells the worker later."""
    ledger.plan(job, items)
    with serving(settings_with(broker_url="amqp://guest:guest@127.0.0.1:1/")) as alone:
        answer = _cancel(alone, job)

    assert answer.status_code == 202
    assert ledger.value("SELECT cancel_requested_at IS NOT NULL FROM adsp.jobs")
