"""The live proof: every panel asks a running Prometheus, and is answered with numbers that have the legend's names."""

import re

import pytest

from libs.common.stack.binaries import missing_monitoring
from tests.dashboards.expressions import all_questions
from tests.dashboards.prometheus import Prometheus
from tests.dashboards.verdicts import complaints

pytestmark = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)

RIGHTLY_EMPTY: dict[str, str] = {}
"""Questions that a healthy system answers with nothing, each with the reason."""

QUESTIONS = all_questions()
WINDOW_SECONDS = 90
VARIABLES = {"__rate_interval": "60s", "__range": "300s", "dataset": ".*"}
_COUNTED = re.compile(r"(?:rate|increase)\((\w+)")


def test_every_panel_has_an_answer_now(watched: Prometheus) -> None:
    found = [
        complaint
        for asked in QUESTIONS
        for complaint in complaints(asked, watched.query(asked.filled(**VARIABLES)), RIGHTLY_EMPTY)
    ]

    assert found == []


def test_every_panel_has_an_answer_over_time(watched: Prometheus) -> None:
    found = [
        complaint
        for asked in QUESTIONS
        for complaint in complaints(
            asked, watched.query_range(asked.filled(**VARIABLES), WINDOW_SECONDS), RIGHTLY_EMPTY
        )
    ]

    assert found == []


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
