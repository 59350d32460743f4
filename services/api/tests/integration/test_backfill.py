from datetime import date
from typing import Any

import httpx
import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.api.routes.backfill import MOST_DAYS, due_days
from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

PATH = "/v1/datasets/items/backfill"
RANGE = {"from": "2026-01-01", "to": "2026-01-03"}


def _definition(cron: str | None, zone: str = "UTC") -> DatasetDefinition:
    schedule = {"cron": cron, "time_zone": zone} if cron else None
    return DatasetDefinition.model_validate({**ITEMS, "schedule": schedule})


@pytest.mark.parametrize(
    ("cron", "zone", "days"),
    [
        (None, "UTC", [23, 24, 25, 26, 27, 28, 29, 30]),
        ("30 2 * * 1-5", "UTC", [23, 24, 25, 26, 27, 30]),
        ("0 0 * * 0", "Pacific/Kiritimati", [29]),
        ("59 23 * * 0", "America/New_York", [29]),
        ("0 12 1 * *", "UTC", []),
    ],
)
def test_the_days_are_those_of_the_schedule_in_its_zone(
    cron: str | None, zone: str, days: list[int]
) -> None:
    found = due_days(_definition(cron, zone), date(2026, 11, 23), date(2026, 11, 30))

    assert found == [date(2026, 11, day) for day in days]


def test_each_day_gets_a_job_or_the_reason_why_it_has_none(
    client: httpx.Client, items: Any, ledger: Ledger
) -> None:
    answer = client.post(PATH, json={**RANGE, "force": True})
    first, second, third = answer.json()["items"]

    assert answer.status_code == 202
    assert [day["data_date"] for day in (first, second, third)] == [
        f"2026-01-0{n}" for n in (1, 2, 3)
    ]
    assert (first["job"], first["problem"]["code"]) == (None, "source-missing")
    assert "items-2026-01-01.csv" in first["problem"]["detail"]
    assert (second["job"]["trigger"], second["job"]["force"]) == ("backfill", True)
    assert (second["job"]["data_date"], second["problem"]) == ("2026-01-02", None)
    assert third["problem"]["code"] == "source-missing"
    assert ledger.execute("SELECT data_date::text FROM adsp.jobs") == [("2026-01-02",)]


def test_sent_again_with_its_key_a_day_keeps_its_job_and_others_are_tried_again(
    client: httpx.Client, items: Any
) -> None:
    key = {"Idempotency-Key": "backfill-1"}
    before = client.post(PATH, json=RANGE, headers=key).json()["items"]
    items.with_name("items-2026-01-03.csv").write_bytes(items.read_bytes())

    after = client.post(PATH, json=RANGE, headers=key).json()["items"]

    assert after[:2] == before[:2]
    assert after[2]["job"]["data_date"] == "2026-01-03"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"from": "2026-01-02", "to": "2026-01-01"}, "lies before"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, f"more than {MOST_DAYS}"),
        ({"from": "2026-01-02"}, "body.to"),
        ({"from": "yesterday", "to": "2026-01-01"}, "body.from"),
        ({**RANGE, "days": 3}, "body.days"),
    ],
)
def test_a_range_that_is_none_is_refused(
    client: httpx.Client, items: Any, body: dict[str, str], where: str
) -> None:
    status, code, detail = problem_of(client.post(PATH, json=body))

    assert (status, code) == (422, "invalid-request")
    assert where in detail


def test_an_unknown_dataset_is_404(client: httpx.Client) -> None:
    assert problem_of(client.post(PATH, json=RANGE))[:2] == (404, "dataset-unknown")
