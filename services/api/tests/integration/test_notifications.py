"""A dataset notifies only targets that the workers know, and the notifications of a job are shown."""

from uuid import uuid4

import httpx

from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

URL = "/v1/datasets/items"
NOTIFIED = {**ITEMS, "notify": [{"to": ["ops", "hook"], "on": ["failed"]}]}


def test_a_dataset_names_targets_that_the_workers_know(
    client: httpx.Client, ledger: Ledger
) -> None:
    ledger.execute("INSERT INTO adsp.notification_targets VALUES ('hook', 'webhook')")

    status, code, detail = problem_of(client.put(URL, json=NOTIFIED))
    ledger.execute("INSERT INTO adsp.notification_targets VALUES ('ops', 'mailtos')")
    answer = client.put(URL, json=NOTIFIED)

    assert (status, code) == (422, "notify-target-unknown")
    assert "names 'ops', which no worker knows; known are: hook." in detail
    assert answer.is_success
    assert client.get(URL).json()["notify"] == NOTIFIED["notify"]
    assert client.get("/v1/notification-targets").json()["items"] == [
        {"name": "hook", "kind": "webhook"},
        {"name": "ops", "kind": "mailtos"},
    ]


def test_the_notifications_of_a_job_are_listed(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    event = uuid4()
    ledger.execute(
        "INSERT INTO adsp.events (id, job_id, type, payload) VALUES (%s, %s, 'job.failed', '{}')",
        str(event),
        job,
    )
    for target in ("hook", "ops"):
        ledger.execute(
            "INSERT INTO adsp.notifications (id, event_id, target, occasions, error)"
            " VALUES (%s, %s, %s, '{failed}', 'the webhook answers 500')",
            str(uuid4()),
            str(event),
            target,
        )

    path = f"/v1/jobs/{job}/notifications"
    first = client.get(path, params={"page_size": 1}).json()
    rest = client.get(path, params={"page_size": 1, "page_token": first["next_page_token"]}).json()

    shown = [*first["items"], *rest["items"]]
    assert {each["target"] for each in shown} == {"hook", "ops"}
    assert {(each["event"], each["error"]) for each in shown} == {
        ("job.failed", "the webhook answers 500")
    }
    assert rest["next_page_token"] is None
    assert client.get(f"/v1/jobs/{uuid4()}/notifications").status_code == 404
