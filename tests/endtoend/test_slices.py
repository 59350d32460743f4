"""A day that is sent again takes the place of its rows, and of nothing else."""

from tests.endtoend.feed import Feed, codes, end
from tests.endtoend.system import System

SCOPE = {"mode": "replace", "scope": {"day": "data_date"}}
EVENTS = "day date NOT NULL, id int NOT NULL, v text"
THE_23RD = "day,id,v\n2026-11-23,1,a\n2026-11-23,2,b\n"
THE_24TH = "day,id,v\n2026-11-24,3,c\n2026-11-24,4,d\n"
CORRECTED = "day,id,v\n2026-11-24,3,c2\n"


def rows(feed: Feed) -> list[tuple[str, int, str]]:
    """Return the rows with the day of the month."""
    return [(f"{day:%d}", number, text) for day, number, text in feed.rows()]


def test_a_corrected_day_does_not_double(system: System) -> None:
    """Seen before, with append: the 24th was there one and a half times without a word."""
    feed = Feed(system, "events_corrected", EVENTS, **SCOPE)
    feed.load(THE_24TH, data_date="2026-11-24")
    feed.load(THE_23RD, data_date="2026-11-23")  # late, and yet of another slice

    corrected = feed.load(CORRECTED, data_date="2026-11-24")
    once = rows(feed)
    again = feed.load(CORRECTED, data_date="2026-11-24")
    forced = feed.load(CORRECTED, data_date="2026-11-24", force=True)

    assert end(corrected) == ("succeeded", None)
    assert once == [("23", 1, "a"), ("23", 2, "b"), ("24", 3, "c2")]
    assert (end(again), end(forced)) == (("duplicate", None), ("succeeded", None))
    assert rows(feed) == once


def test_a_corrected_day_that_is_appended_is_reported(system: System) -> None:
    feed = Feed(system, "events_appended", EVENTS)
    day = feed.load(THE_24TH, data_date="2026-11-24")

    corrected = feed.load(CORRECTED, data_date="2026-11-24")

    assert (codes(day), codes(corrected)) == ([], ["date-loaded-before"])
    assert day.id in corrected.warnings[0].message
    assert len(rows(feed)) == 3


def test_records_of_other_days_are_failed_rows_and_stay_so_in_a_replay(system: System) -> None:
    feed = Feed(system, "events_mixed", EVENTS, **SCOPE)
    feed.load(THE_23RD, data_date="2026-11-23")

    mixed = feed.load(THE_24TH + "2026-11-23,9,late\n", data_date="2026-11-24")
    with system.client as client:
        failed = list(client.failed_rows(mixed.id))
        replay = system.wait_over(client.replay(mixed.id))

    assert (mixed.state, mixed.rows_loaded) == ("completed_with_rejects", 2)
    assert [(row.stage, row.error_code, row.column, row.sqlstate) for row in failed] == [
        ("constraint", "check", "day", None)
    ]  # fmt: skip
    assert (replay.rows_loaded, replay.rows_rejected) == (0, 1)
    assert [number for _, number, _ in rows(feed)] == [1, 2, 3, 4]


def test_guards_look_at_the_slice(system: System) -> None:
    """A corrected day is held against itself, a new one against the last; a file of another day changes nothing."""
    feed = Feed(system, "events_guarded", EVENTS, **SCOPE, max_shrink=0.4)
    feed.load(THE_23RD, data_date="2026-11-23")
    feed.load(THE_24TH, data_date="2026-11-24")
    before = rows(feed)

    shrunk = feed.load(CORRECTED, data_date="2026-11-24")
    wrong_day = feed.load(THE_23RD, data_date="2026-11-24")
    kept = rows(feed)
    forced = feed.load(CORRECTED, data_date="2026-11-24", force=True)
    next_day = feed.load("day,id,v\n2026-11-25,5,e\n", data_date="2026-11-25")

    assert (end(shrunk), end(wrong_day)) == (("failed", "shrunk"), ("failed", "nothing-good"))
    assert kept == before
    assert (end(forced), codes(forced)) == (("succeeded", None), ["shrunk"])
    assert (end(next_day), codes(next_day)) == (("succeeded", None), [])
