"""The live proof: every panel asks a running Prometheus, and is answered with numbers that have the legend's names."""

import re
import time
from collections.abc import Callable

import pytest

from libs.client.models import Job
from libs.devstack.binaries import missing_monitoring
from libs.devstack.testing.waiting import wait_for
from services.api.web.dashboards import DAILY_LOADS
from tests.dashboards.daily_work import DATASETS
from tests.dashboards.expressions import all_questions, question
from tests.dashboards.prometheus import Prometheus, Series
from tests.dashboards.verdicts import complaints

pytestmark = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)

RIGHTLY_EMPTY: dict[str, str] = {}
"""Questions that a healthy system answers with nothing, each with the reason."""

QUESTIONS = all_questions()
PATIENCE_SECONDS = 15
WINDOW_SECONDS = 180
VARIABLES = {"__rate_interval": "120s", "__range": "300s", "dataset": ".*"}
_COUNTED = re.compile(r"(?:rate|increase)\((\w+)")


def _unanswered(ask: Callable[[str], list[Series]]) -> list[str]:
    """Ask everything; on a busy machine a scrape may come late, and is waited for."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [
            complaint
            for asked in QUESTIONS
            for complaint in complaints(asked, ask(asked.filled(**VARIABLES)), RIGHTLY_EMPTY)
        ]
        if not found or time.monotonic() > end:
            return found


def test_every_panel_has_an_answer_now(watched: Prometheus) -> None:
    assert _unanswered(watched.query) == []


def test_every_panel_has_an_answer_over_time(watched: Prometheus) -> None:
    assert _unanswered(lambda text: watched.query_range(text, WINDOW_SECONDS)) == []


def test_the_list_of_empty_panels_names_panels_that_are_there() -> None:
    assert set(RIGHTLY_EMPTY) <= {str(asked) for asked in QUESTIONS}


def test_what_is_rated_is_a_counter(watched: Prometheus) -> None:
    kinds = watched.kinds()
    rated = {name for asked in QUESTIONS for name in _COUNTED.findall(asked.expression)}

    wrong = {
        name: kind
        for name in rated
        if (kind := kinds.get(name) or kinds.get(name.rpartition("_")[0]))
        not in {"counter", "histogram"}
    }

    assert len(rated) > 20
    assert wrong == {}


def test_the_jobs_are_a_good_a_rejecting_and_a_failing_one(jobs: list[Job]) -> None:
    states = [job.state for job in jobs]

    assert states == ["succeeded", "succeeded", "completed_with_rejects", "failed"]


@pytest.mark.parametrize(
    ("panel", "legend", "expected"),
    [
        ("Late datasets", "late", lambda _: 0),
        ("Unaccounted rows", "unaccounted", lambda _: 0),
        ("Open failed rows", "open", lambda jobs: jobs[2].rows_rejected),
        ("Targets down", "down", lambda _: 0),
        ("Postgres up", "up", lambda _: 1),
        ("Redis up", "up", lambda _: 1),
    ],
)
def test_a_number_is_what_it_says(
    watched: Prometheus,
    jobs: list[Job],
    panel: str,
    legend: str,
    expected: Callable[[list[Job]], float],
) -> None:
    asked = question(panel, legend).filled(**VARIABLES)

    wait_for(
        lambda: watched.value(asked) == expected(jobs), PATIENCE_SECONDS, f"the value of {panel}"
    )


@pytest.mark.parametrize(
    ("heading", "field"), [("Rows loaded", "rows_loaded"), ("Rows rejected", "rows_rejected")]
)
def test_a_column_is_that_of_the_last_jobs(
    watched: Prometheus, jobs: list[Job], heading: str, field: str
) -> None:
    last = {job.dataset: job for job in jobs}
    asked = question("Datasets", heading).filled(**VARIABLES)

    found = wait_for(lambda: watched.query(asked), PATIENCE_SECONDS, heading)

    assert {one.labels["dataset"]: one.values[0] for one in found} == {
        name: getattr(last[name], field) for name in DATASETS
    }


def test_a_chosen_dataset_is_shown_alone(watched: Prometheus) -> None:
    chosen = [asked for asked in QUESTIONS if "$dataset" in asked.expression]
    one = VARIABLES | {"dataset": "rejecting"}

    shown = {
        series.labels["dataset"]
        for asked in chosen
        for series in watched.query(asked.filled(**one))
        if "dataset" in series.labels
    }

    assert len(chosen) > 15
    assert shown == {"rejecting"}


def test_the_pages_of_the_api_lead_to_a_dashboard_that_is_there() -> None:
    assert DAILY_LOADS in {asked.board for asked in QUESTIONS}
