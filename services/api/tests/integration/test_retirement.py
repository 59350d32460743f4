"""A dataset is paused and deleted: what was loaded stays, stays readable, and is not loaded again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from libs.common.enums import Trigger
from libs.common.errors import NotFound
from libs.common.ledger.jobs import JobRequest, create_job
from libs.common.ledger.models import Dataset
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

URL = "/v1/datasets/items"
SCHEDULED = {**ITEMS, "schedule": {"cron": "30 2 * * *"}}
SUBMIT = {"dataset": "items", "data_date": "2026-01-02"}
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def _end(ledger: Ledger, job: str) -> None:
    """Do what a worker does at the end of a job with one failed row."""
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(),"
        " rows_read = 1, rows_rejected = 1 WHERE id = %s",
        job,
    )
    ledger.add_failed_row(job, 10, b"a,b")


def test_a_dataset_with_unfinished_jobs_is_not_deleted(client: httpx.Client, job: str) -> None:
    status, code, detail = problem_of(client.delete(URL))

    assert (status, code) == (409, "jobs-unfinished")
    assert job in detail
    assert client.get(URL).status_code == 200


def test_a_deleted_dataset_is_gone_and_its_jobs_and_failed_rows_are_not(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    _end(ledger, job)
    ledger.execute("INSERT INTO public.items VALUES ('a', 'b', 'c', 1, 1, now())")
    answer = client.delete(URL)

    assert (answer.status_code, answer.content) == (204, b"")
    for method, path in (("GET", URL), ("DELETE", URL), ("POST", f"{URL}/pause")):
        assert problem_of(client.request(method, path))[:2] == (404, "dataset-unknown")
    assert client.get("/v1/datasets").json()["items"] == []
    for path in ("/v1/jobs", "/trigger-job"):
        assert problem_of(client.post(path, json=SUBMIT))[:2] == (404, "dataset-unknown")
    upload = client.post(f"{URL}/uploads", content=b"sku\n")
    assert problem_of(upload)[:2] == (404, "dataset-unknown")
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "completed_with_rejects"
    rows = client.get(f"/v1/jobs/{job}/failed-rows").json()["items"]
    assert [row["raw"] for row in rows] == ["a,b"]
    assert [each["id"] for each in client.get("/v1/jobs?dataset=items").json()["items"]] == [job]
    assert client.get(f"{URL}/versions/1").json()["definition"]["table"] == "public.items"
    assert ledger.value("SELECT count(*) FROM public.items") == 1


def test_a_deleted_dataset_comes_back_as_the_one_it_was(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    """Its jobs are still its own: that is what keeps content from being loaded twice."""
    _end(ledger, job)
    before = client.get(URL).json()
    client.delete(URL).raise_for_status()
    back = client.put(URL, json=SCHEDULED)
    client.delete(URL).raise_for_status()
    same = client.put(URL, json=SCHEDULED)

    assert (back.status_code, same.status_code) == (201, 201)
    assert back.headers["location"] == URL
    assert (back.json()["version"], same.json()["version"]) == (2, 2)
    assert same.json()["created_at"] > before["created_at"]
    assert [each["id"] for each in client.get("/v1/jobs?dataset=items").json()["items"]] == [job]
    assert client.post("/v1/jobs", json=SUBMIT).json()["definition_version"] == 2


def test_a_dataset_that_comes_back_is_due_from_now_on(client: httpx.Client, ledger: Ledger) -> None:
    """What was missed while it was deleted is nobody's plan; a pause does not outlive it either."""
    client.put(URL, json=SCHEDULED).raise_for_status()
    ledger.execute("UPDATE adsp.datasets SET last_due_at = '2026-01-01'")
    client.post(f"{URL}/pause").raise_for_status()
    client.delete(URL).raise_for_status()
    gone = ledger.value("SELECT last_due_at FROM adsp.datasets")
    back = client.put(URL, json=SCHEDULED).raise_for_status().json()

    assert gone is None
    assert back["paused_at"] is None
    assert ledger.value("SELECT last_due_at = updated_at FROM adsp.datasets")


def test_a_paused_dataset_takes_other_triggers_and_stays_paused_when_it_is_changed(
    client: httpx.Client, items: object, ledger: Ledger
) -> None:
    client.put(URL, json=SCHEDULED).raise_for_status()
    due = ledger.value("SELECT last_due_at FROM adsp.datasets")
    paused = client.post(f"{URL}/pause").json()
    again = client.post(f"{URL}/pause").json()
    changed = client.put(URL, json={**SCHEDULED, "max_rejected_rows": 1}).json()
    triggered = client.post("/v1/jobs", json=SUBMIT)
    resumed = client.post(f"{URL}/resume").json()

    assert paused["paused_at"] is not None
    assert again == paused
    assert changed["paused_at"] == paused["paused_at"]
    assert triggered.status_code == 202
    assert resumed["paused_at"] is None
    assert ledger.value("SELECT last_due_at FROM adsp.datasets") == due


@contextmanager
def _sessions(database: ScratchDatabase) -> Iterator[Session]:
    engine = create_engine(database.url_for("api"))
    with Session(engine) as session:
        yield session
    engine.dispose()


def test_a_job_that_is_being_made_is_seen_by_the_deletion(
    client: httpx.Client, items: object, clean_database: ScratchDatabase, ledger: Ledger
) -> None:
    answers: list[httpx.Response] = []
    deletion = threading.Thread(target=lambda: answers.append(client.delete(URL)))
    with _sessions(clean_database) as session:
        create_job(session, JobRequest(dataset="items", trigger=Trigger.API))
        deletion.start()
        wait_for(lambda: ledger.value(WAITS) == 1, 10, "the deletion waits for the job")
        session.commit()
    deletion.join(10)

    assert problem_of(answers[0])[:2] == (409, "jobs-unfinished")


def test_no_job_is_made_of_a_dataset_that_is_being_deleted(
    client: httpx.Client, items: object, clean_database: ScratchDatabase, ledger: Ledger
) -> None:
    refusals: list[BaseException] = []

    def submit() -> None:
        with _sessions(clean_database) as session, pytest.raises(NotFound) as caught:
            create_job(session, JobRequest(dataset="items", trigger=Trigger.API))
        refusals.append(caught.value)

    submission = threading.Thread(target=submit)
    with _sessions(clean_database) as deleting:
        query = select(Dataset).where(Dataset.name == "items").with_for_update()
        deleting.scalars(query).one().deleted_at = datetime.now(UTC)
        deleting.flush()
        submission.start()
        wait_for(lambda: ledger.value(WAITS) == 1, 10, "the job waits for the deletion")
        deleting.commit()
    submission.join(10)

    assert len(refusals) == 1
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 0
