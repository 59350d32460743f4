"""A job's page leads to its dataset's dashboard, at the job's time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from services.api.schemas import JobDocument
from services.api.web.dashboards import dashboard_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class _Job:
    dataset: str = "items & more"
    created_at: datetime = AT
    finished_at: datetime | None = None


def _asked(job: _Job) -> dict[str, Any]:
    url = dashboard_of("http://grafana", cast("JobDocument", job))

    return parse_qs(urlsplit(url or "").query)


def test_without_grafana_there_is_no_link() -> None:
    assert dashboard_of(None, cast("JobDocument", _Job())) is None


def test_a_live_job_is_shown_until_now_and_its_dataset_is_escaped() -> None:
    assert _asked(_Job()) == {
        "var-dataset": ["items & more"],
        "from": [str(int(AT.timestamp() - 3600) * 1000)],
        "to": ["now"],
    }


def test_an_ended_job_is_shown_with_the_hour_after_it() -> None:
    ended = _asked(_Job(finished_at=AT))

    assert ended["to"] == [str(int(AT.timestamp() + 3600) * 1000)]
