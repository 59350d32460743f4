"""The checker notices each way in which deliveries may be loaded wrongly."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.harness.contents import Content
from tests.faults.harness.deliveries import Ended, replay_ends

_START = datetime(2026, 1, 10, tzinfo=UTC)


def _content(name: str, *keys: str) -> Content:
    return Content(Path(name), Counter((key, name, "1.25", 1) for key in keys), {}, 0)


_CONTENTS = {"a": _content("a", "x", "y"), "b": _content("b", "y", "z"), "empty": _content("empty")}


def _ended(*ends: tuple[str, int, str]) -> list[Ended]:
    """Make jobs that end one after the other: content, day and state, of which `forced` is a load by force."""
    return [
        Ended(
            job_id=str(number),
            content=_CONTENTS[name],
            data_date=date(2026, 1, day),
            force=state == "forced",
            state="succeeded" if state == "forced" else state,
            finished_at=_START + timedelta(seconds=number),
        )
        for number, (name, day, state) in enumerate(ends)
    ]


@pytest.mark.parametrize(
    ("ends", "wrong"),
    [
        ([("a", 1, "succeeded"), ("b", 2, "succeeded"), ("a", 3, "succeeded")], []),
        ([("a", 1, "succeeded"), ("a", 2, "duplicate"), ("b", 1, "outdated")], []),
        ([("b", 2, "succeeded"), ("a", 1, "forced"), ("a", 2, "duplicate")], []),
        ([("b", 2, "succeeded"), ("a", 1, "completed_with_rejects")], ["1"]),
        ([("a", 1, "succeeded"), ("a", 1, "succeeded")], ["1"]),
        ([("a", 1, "succeeded"), ("b", 2, "succeeded"), ("a", 2, "duplicate")], ["2"]),
        ([("a", 1, "succeeded"), ("b", 1, "outdated")], ["1"]),
        ([("a", 1, "duplicate")], ["0"]),
        ([("a", 1, "failed")], ["0"]),
    ],
)
def test_each_end_is_right_or_reported(ends: list[tuple[str, int, str]], wrong: list[str]) -> None:
    _, found = replay_ends("replace", _ended(*ends))

    assert [text.split("job ")[1].split(")")[0] for text in found] == wrong


def test_an_upsert_of_nothing_changes_nothing() -> None:
    ends = _ended(("a", 1, "succeeded"), ("empty", 2, "succeeded"), ("a", 3, "duplicate"))

    assert replay_ends("upsert", ends)[1] == []
    assert replay_ends("replace", ends)[1] != []


def test_appended_content_is_loaded_once_on_any_day() -> None:
    once = _ended(("b", 2, "succeeded"), ("a", 1, "succeeded"), ("b", 1, "duplicate"))
    twice = _ended(("b", 2, "succeeded"), ("b", 1, "succeeded"))

    assert replay_ends("append", once)[1] == []
    assert replay_ends("append", twice)[1] != []


@pytest.mark.parametrize(
    ("mode", "names"), [("replace", "bb"), ("upsert", "abb"), ("append", "aabb")]
)
def test_the_rows_are_those_of_the_loads_in_order(mode: str, names: str) -> None:
    ends = _ended(("a", 1, "succeeded"), ("a", 2, "duplicate"), ("b", 3, "succeeded"))

    rows, _ = replay_ends(mode, ends)

    assert sorted(row[1] for row in rows.elements()) == list(names)
