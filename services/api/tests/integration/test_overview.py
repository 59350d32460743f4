"""The overview tells each day of each dataset by its last job, what is late, and what runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.tests.integration.api_bench import ITEMS, Ledger, MakeKey

TODAY = datetime.now(UTC).date()
DAILY = {**ITEMS, "schedule": {"cron": "0 0 * * *"}, "arrival": {"wait": "5h"}}


@pytest.fixture
def daily(client: httpx.Client, root: Path, ledger: Ledger) -> str:
    """Make a dataset that has been due at midnight for a year; return its name."""
    assert client.put("/v1/datasets/daily", json=DAILY).status_code == 201
    ledger.execute("UPDATE adsp.datasets SET created_at = now() - interval '1 year'")
    return "daily"


def add_job(
    ledger: Ledger, state: str, days_ago: int = 0, dataset: str = "daily", **more: object
) -> str:
    """Put a job of a day on record, in a state."""
    columns = {
        "dataset": dataset,
        "data_date": TODAY - timedelta(days=days_ago),
        "state": state,
        "source": "items.csv",
        "trigger": "api",
        "definition": "{}",
        "definition_version": 1,
        **_ended(ledger, state),
        **more,
    }
    names = ", ".join(columns)
    values = ", ".join(["%s"] * len(columns))
    return str(
        ledger.value(
            f"INSERT INTO adsp.jobs (id, {names}) VALUES (uuidv7(), {values}) RETURNING id",
            *columns.values(),
        )
    )


def _ended(ledger: Ledger, state: str) -> dict[str, object]:
    if state in {"queued", "running"}:
        return {}
    if state == "waiting":
        return {"waiting_since": datetime.now(UTC)}
    ended: dict[str, object] = {"finished_at": datetime.now(UTC)}
    if state == "failed":
        ended |= {"error_code": "x", "error_message": "x"}
    if state in {"duplicate", "outdated"}:
        ended[f"{state}_of" if state == "duplicate" else "outdated_by"] = add_job(
            ledger, "succeeded", 60
        )
    return ended


def cells(client: httpx.Client, dataset: str = "daily", **asked: int) -> list[str]:
    [row] = [
        row
        for row in client.get("/v1/overview", params=asked).json()["items"]
        if row["dataset"] == dataset
    ]
    return [day["state"] for day in row["days"]]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("succeeded", "loaded"),
        ("completed_with_rejects", "partial"),
        ("duplicate", "loaded"),
        ("outdated", "outdated"),
        ("failed", "failed"),
        ("cancelled", "failed"),
        ("running", "running"),
        ("queued", "running"),
        ("waiting", "waiting"),
    ],
)
def test_a_day_is_as_its_last_job(
    client: httpx.Client, daily: str, ledger: Ledger, state: str, shown: str
) -> None:
    add_job(ledger, "failed", 1)
    due = datetime.now(UTC) - timedelta(minutes=1)
    more: dict[str, Any] = {"trigger": "schedule", "due_at": due} if state == "waiting" else {}
    job = add_job(ledger, state, 1, **more)
    add_job(ledger, "succeeded", 1, replay_of=add_job(ledger, "failed", 50))
    add_job(ledger, "checked", 1, dry_run=True)
    [row] = client.get("/v1/overview").json()["items"]

    assert row["days"][-2] == {
        "data_date": str(TODAY - timedelta(days=1)),
        "state": shown,
        "job_id": job,
    }
    assert len(row["days"]) == 30


def test_a_day_of_which_a_replay_has_loaded_all_is_whole(
    client: httpx.Client, daily: str, ledger: Ledger
) -> None:
    job = add_job(ledger, "completed_with_rejects", 1, rows_read=2, rows_loaded=1, rows_rejected=1)
    add_job(ledger, "succeeded", 1, replay_of=job, trigger="replay")

    assert cells(client)[-2] == "loaded"


def test_a_day_that_was_due_and_has_no_job_is_late(
    client: httpx.Client, daily: str, ledger: Ledger
) -> None:
    assert cells(client, days=3)[:2] == ["late", "late"]

    ledger.execute("UPDATE adsp.datasets SET created_at = now() - interval '30 hours'")
    assert cells(client, days=4)[0] == "not-due"

    client.post("/v1/datasets/daily/pause")
    assert set(cells(client, days=3)) == {"not-due"}


def test_days_that_the_schedule_leaves_out_are_not_due(client: httpx.Client, daily: str) -> None:
    far = (TODAY + timedelta(days=180)).month
    yearly = {**DAILY, "schedule": {"cron": f"0 0 1 {far} *"}}
    assert client.put("/v1/datasets/daily", json=yearly).status_code == 200

    assert set(cells(client)) == {"not-due"}


def test_what_waits_longer_than_usual_is_late_and_named_first(
    client: httpx.Client, daily: str, ledger: Ledger
) -> None:
    """It is usually loaded an hour after it was due; this one was due three hours ago."""
    due = datetime.now(UTC) - timedelta(hours=3)
    for days_ago in range(10, 13):
        earlier = due - timedelta(days=days_ago)
        add_job(
            ledger,
            "succeeded",
            days_ago,
            trigger="schedule",
            due_at=earlier,
            finished_at=earlier + timedelta(hours=1),
        )
    waiting = add_job(ledger, "waiting", 0, trigger="schedule", due_at=due)
    add_job(ledger, "succeeded", 1)
    late = client.get("/v1/overview").json()["late"]

    assert [(each["dataset"], each["job_id"]) for each in late] == [("daily", waiting)]
    usual = datetime.fromisoformat(late[0]["usual_at"])
    assert abs(usual - due - timedelta(hours=1)) < timedelta(seconds=2)


def test_when_it_is_usually_loaded_is_said_by_the_jobs_that_the_key_sees(
    guarded: httpx.Client, make_key: MakeKey, daily: str, ledger: Ledger
) -> None:
    """Both owners load it; `stock` an hour after it was due, `prices` never yet."""
    for days_ago in range(10, 13):
        due = datetime.now(UTC) - timedelta(days=days_ago)
        end: dict[str, Any] = {"due_at": due, "finished_at": due + timedelta(hours=1)}
        add_job(ledger, "succeeded", days_ago, trigger="schedule", owner="stock", **end)

    def usual(*scopes: str, owner: str) -> bool:
        headers = {"Authorization": f"Bearer {make_key(*scopes, owner=owner)}"}
        [late, *_] = guarded.get("/v1/overview", headers=headers).json()["late"]
        return late["usual_at"] is not None

    assert usual("read", owner="stock")
    assert usual("admin", owner="prices")
    assert not usual("read", owner="prices")


def test_what_runs_is_shown_as_far_as_it_is(
    client: httpx.Client, job: str, items: Path, ledger: Ledger
) -> None:
    ledger.plan(job, items)
    ledger.execute(
        "UPDATE adsp.chunks SET state = 'done', finished_at = now(), rows_read = 9, rows_loaded = 9"
    )
    [running] = client.get("/v1/overview").json()["running"]

    assert (running["id"], running["state"], running["rows_read"]) == (job, "running", 9)


def test_each_sees_his_own_jobs(
    client: httpx.Client,
    guarded: httpx.Client,
    make_key: MakeKey,
    daily: str,
    ledger: Ledger,
) -> None:
    add_job(ledger, "succeeded", 1, owner="stock")
    add_job(ledger, "running", 2, owner="stock")
    mine = {"Authorization": f"Bearer {make_key('read', owner='stock')}"}
    others = {"Authorization": f"Bearer {make_key('read')}"}

    def seen(headers: dict[str, str]) -> tuple[list[str], int]:
        shown = guarded.get("/v1/overview", headers=headers).json()
        return [day["state"] for day in shown["items"][0]["days"][-3:-1]], len(shown["running"])

    assert seen(mine) == (["running", "loaded"], 1)
    assert seen(others) == (["late", "late"], 0)


def test_datasets_are_cut_into_pages(client: httpx.Client, daily: str) -> None:
    client.put("/v1/datasets/other", json=ITEMS)
    first = client.get("/v1/overview", params={"page_size": 1}).json()
    token = first["next_page_token"]
    second = client.get("/v1/overview", params={"page_size": 1, "page_token": token}).json()

    assert [page["items"][0]["dataset"] for page in (first, second)] == ["daily", "other"]
    assert second["next_page_token"] is None


def test_the_page_leads_to_each_job(client: httpx.Client, daily: str, ledger: Ledger) -> None:
    job = add_job(ledger, "failed", 1)
    page = client.get("/")

    assert page.status_code == 200
    assert f'<td class="failed"><a href="/jobs/{job}" aria-label="failed">✗</a>' in page.text
