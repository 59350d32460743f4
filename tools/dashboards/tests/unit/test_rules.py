"""The rules of a good dashboard, for every panel of every dashboard."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tools.dashboards.files import FOLDER
from tools.dashboards.links import DAILY_LOADS, PIPELINE, SERVICE_HEALTH, TAG

BOARDS = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{uid}: {panel['title']}")
    for uid, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
INFRA = Path(__file__).parents[4] / "infra"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
UNITS = {
    *("none", "short", "s", "dtdurations", "percentunit", "bytes"),
    *("Bps", "reqps", "ops", "rowsps", "mps"),
}
OVER_TIME = {"timeseries"}
OF_NOW = {"stat", "bargauge", "table"}
COUNTERS = re.compile(r"\w+_(total|count|sum|bucket)|pg_stat_database_\w+")

Json = dict[str, Any]

boards = pytest.mark.parametrize("uid", BOARDS)
panels = pytest.mark.parametrize("panel", PANELS)


def _expressions(panel: Json) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def _overlap(one: Json, other: Json) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def test_there_are_three_with_uids_that_pages_may_link_to() -> None:
    assert set(BOARDS) == {DAILY_LOADS, PIPELINE, SERVICE_HEALTH}
    assert all(board["uid"] == uid for uid, board in BOARDS.items())


@boards
def test_a_dashboard_says_what_it_is_and_links_to_the_others(uid: str) -> None:
    board = BOARDS[uid]

    assert board["title"].startswith("ADSP: ")
    assert board["description"]
    assert board["tags"] == [TAG]
    assert (board["timezone"], board["refresh"]) == ("browser", "30s")
    assert board["time"]["to"] == "now"
    assert [link["tags"] for link in board["links"]] == [[TAG]]
    assert not board["editable"]


@boards
def test_numbers_and_titles_are_unique(uid: str) -> None:
    found = BOARDS[uid]["panels"]

    for what in ("id", "title"):
        assert [
            one for one, count in Counter(panel[what] for panel in found).items() if count > 1
        ] == []


@boards
def test_panels_lie_within_the_grid_and_not_on_each_other(uid: str) -> None:
    places = [panel["gridPos"] for panel in BOARDS[uid]["panels"]]

    assert [place for place in places if place["x"] + place["w"] > 24 or place["h"] < 1] == []
    assert [(a, b) for a, b in combinations(places, 2) if _overlap(a, b)] == []


@boards
def test_variables_are_used_and_those_that_are_used_exist(uid: str) -> None:
    made = {variable["name"] for variable in BOARDS[uid]["templating"].get("list") or []}
    used = {
        name
        for panel in BOARDS[uid]["panels"]
        for expression in _expressions({"targets": [], **panel})
        for name in re.findall(r"\$(?!__)(\w+)", expression)
    }

    assert used == made


@boards
def test_a_variable_is_fed_and_offers_all(uid: str) -> None:
    for variable in BOARDS[uid]["templating"].get("list") or []:
        assert variable["datasource"] == SOURCE
        assert variable["label"]
        assert variable["description"]
        assert (variable["includeAll"], variable["allValue"], variable["multi"]) == (
            True,
            ".*",
            True,
        )


@panels
def test_a_panel_has_a_title_a_description_and_a_unit(panel: Json) -> None:
    assert panel["title"][0].isupper()
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@panels
def test_a_panel_and_its_questions_go_to_the_source_that_is_provisioned(panel: Json) -> None:
    assert panel["datasource"] == SOURCE
    assert [target["datasource"] for target in panel["targets"]] == [SOURCE] * len(panel["targets"])


@panels
def test_a_panel_asks_and_tells_its_questions_apart(panel: Json) -> None:
    letters = [target["refId"] for target in panel["targets"]]
    legends = [target["legendFormat"] for target in panel["targets"]]

    assert letters == list("ABCDEFGH"[: len(letters)])
    assert letters
    assert len(set(legends)) == len(legends)
    assert all(legend and "__auto" not in legend for legend in legends)


@panels
def test_only_counters_are_rated_and_over_grafanas_intervals(panel: Json) -> None:
    allowed = {"$__rate_interval"} | ({"$__range"} if panel["type"] in OF_NOW else set())
    for expression in _expressions(panel):
        windows = re.findall(r"\[([^]]*)\]", expression)
        rated = re.findall(r"(?:rate|increase)\((\w+)", expression)

        assert set(windows) <= allowed
        assert len(windows) == len(rated)
        assert [name for name in rated if not COUNTERS.fullmatch(name)] == []


@panels
def test_no_counter_is_shown_bare(panel: Json) -> None:
    for expression in _expressions(panel):
        counters = re.findall(r"\b(?!histogram_quantile)(\w+_(?:total|bucket))\b", expression)
        rated = re.findall(r"(?:rate|increase)\((\w+_(?:total|bucket))\b", expression)

        assert counters == rated


@panels
def test_lines_are_asked_over_time_and_numbers_for_now(panel: Json) -> None:
    assert panel["type"] in OVER_TIME | OF_NOW
    for target in panel["targets"]:
        assert target["instant"] != target["range"]
        assert target["range"] or panel["type"] in OF_NOW


@panels
def test_a_legend_names_labels_that_the_answer_keeps(panel: Json) -> None:
    for target in panel["targets"]:
        kept = set(re.split(r", *", ", ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))

        if re.search(r"\bby \(", target["expr"]) and "without" not in target["expr"]:
            assert named <= kept


def test_the_loads_of_a_dataset_are_one_click_from_its_name() -> None:
    [table] = [panel for panel in BOARDS[DAILY_LOADS]["panels"] if panel["type"] == "table"]
    links = [
        link["url"]
        for override in table["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "Dataset"
        for given in override["properties"]
        for link in given["value"]
    ]

    assert links == [f"/d/{DAILY_LOADS}?var-dataset=${{__value.raw}}&${{__url_time_range}}"]


def test_runbooks_are_those_of_the_alerts_and_each_is_linked() -> None:
    rules = (INFRA / "prometheus" / "rules").glob("*.yml")
    alerts = set(re.findall(r"alert: *(\w+)", "".join(file.read_text() for file in rules)))
    linked = {
        link["url"].removeprefix("/public/runbooks/").removesuffix(".md")
        for board in BOARDS.values()
        for panel in board["panels"]
        for link in panel.get("links") or []
    }

    assert linked == alerts
