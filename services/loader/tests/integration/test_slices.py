"""A replace with a scope exchanges the rows of one day and no others."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.conftest import LoadBench

DAY = "2026-01-02"
"""The data date of the bench's jobs."""
OTHER_DAYS = ("2026-01-01", "2026-01-03")
TYPES = [
    "date", "timestamp", "timestamptz", "timestamp(0)", "timestamptz(3)", "text", "varchar", "varchar(10)", "char(12)",
]  # fmt: skip
BY_RECORDS = (
    "CREATE FUNCTION feed.c(int) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN true; END';"
    " ALTER TABLE feed.events ADD CHECK (feed.c(id))"
)
"""A function that is not immutable makes a table go record by record."""
TRIGGERED = (
    "CREATE FUNCTION feed.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    " CREATE TRIGGER g AFTER INSERT ON feed.events FOR EACH ROW EXECUTE FUNCTION feed.f();"
)
WAYS = pytest.mark.parametrize(
    "more", ["", BY_RECORDS, TRIGGERED], ids=["blocks", "records", "triggers"]
)


def make_table(bench: LoadBench, day_type: str = "date", more: str = "") -> None:
    """Make a table with two rows of each day, of which two are not the job's."""
    bench.renew_schema()
    bench.execute(f"CREATE TABLE feed.events (day {day_type}, id int UNIQUE, v text)")
    for number, day in enumerate((DAY, *OTHER_DAYS)):
        bench.execute(
            "INSERT INTO feed.events VALUES (%s, %s, 'old'), (%s, %s, 'old')",
            day,
            100 + 2 * number,
            day,
            101 + 2 * number,
        )
    if more:
        bench.execute(more)


def events(**options: Any) -> DatasetDefinition:
    """Return a dataset that replaces a day of the table."""
    return DatasetDefinition.model_validate(
        {"table": "feed.events", "mode": "replace", "scope": {"day": "data_date"}, **options}
    )


def load(bench: LoadBench, lines: list[str], **options: Any) -> UUID:
    """Load lines of a day, an id and a text."""
    data = "\n".join(["day,id,v", *lines, ""]).encode()
    return bench.load(data, events(**options), block_bytes=2000)


def rows(bench: LoadBench) -> list[tuple[Any, ...]]:
    """Return the rows: day, id and text."""
    return bench.execute("SELECT left(day::text, 10), id, v FROM feed.events ORDER BY 2")


OTHERS = [(day, 102 + n, "old") for n, day in enumerate(day for day in OTHER_DAYS for _ in "ab")]


@WAYS
@pytest.mark.parametrize("day_type", TYPES)
def test_a_corrected_day_takes_the_place_of_its_rows_alone(
    bench: LoadBench, day_type: str, more: str
) -> None:
    """Loaded twice it does not double, and the days around it stay."""
    make_table(bench, day_type, more)

    for word in ("new", "corrected"):
        job_id = load(bench, [f"{DAY},1,{word}", f"{DAY},2,{word}"])

        assert bench.chunk(job_id)["error_message"] is None
        assert rows(bench) == [(DAY, 1, word), (DAY, 2, word), *OTHERS]


@WAYS
@pytest.mark.parametrize("day_type", TYPES)
def test_records_outside_the_slice_are_failed_rows(
    bench: LoadBench, day_type: str, more: str
) -> None:
    """So are those without a day; a cell that its type refuses is reported first."""
    make_table(bench, day_type, more)
    good = [f"{DAY},{number},new" for number in range(60)]
    bad = ["2026-01-01,70,before", "2026-01-03,71,after", ",72,none", "2026-01-03,x,odd"]

    job_id = load(bench, [*good[:30], *bad[:2], *good[30:], *bad[2:]])

    assert bench.chunk(job_id)["state"] == "done"
    assert rows(bench) == [*((DAY, number, "new") for number in range(60)), *OTHERS]
    failed = bench.failed_rows(job_id)
    assert [(raw, code, column, state) for _, _, raw, code, column, state, _ in failed] == [
        (b"2026-01-01,70,before", "check", "day", None),
        (b"2026-01-03,71,after", "check", "day", None),
        (b",72,none", "check", "day", None),
        (b"2026-01-03,x,odd", "type-error", "id", "22P02"),
    ]
    assert 'column "day" is not of 2026-01-02, the data date of the job' in failed[0][-1]


@pytest.mark.parametrize("day_type", ["timestamp", "timestamptz", "timestamp(0)", "timestamptz(0)"])
@WAYS
def test_a_day_of_moments_is_one_in_the_zone_of_the_datasets_days(
    bench: LoadBench, day_type: str, more: str
) -> None:
    """From midnight to midnight, as they are stored: half a second may round a moment into the next day."""
    make_table(bench, day_type, more)
    vienna = {"schedule": {"cron": "0 5 * * *", "time_zone": "Europe/Vienna"}, "source": "s"}
    midnight, evening = ("2026-01-02 00:00", "2026-01-02 23:59:59.9")
    if "tz" in day_type:
        midnight, evening = "2026-01-01 23:00+00", "2026-01-02 22:59:59.9+00"
        # The rows of the table are at midnight of UTC: those of the day before and of the day are.
        bench.execute("UPDATE feed.events SET day = day - interval '1 hour'")
    is_rounded = "(0)" in day_type

    job_id = load(
        bench, [f"{midnight},1,new", f"{evening},2,new", f"{evening[:-1]}4,3,new"], **vienna
    )

    stored = [1, 3] if is_rounded else [1, 2, 3]
    assert [number for _, number, _ in rows(bench)] == [*stored, 102, 103, 104, 105]
    assert [row[2] for row in bench.failed_rows(job_id)] == (
        [f"{evening},2,new".encode()] if is_rounded else []
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "Pacific/Auckland"])
@pytest.mark.parametrize("day_type", ["timestamp", "timestamptz"])
@WAYS
def test_the_first_and_the_last_moment_of_a_day_are_its_own(
    bench: LoadBench, day_type: str, zone: str, more: str
) -> None:
    make_table(bench, day_type, more)
    hours = {"UTC": 0, "Europe/Vienna": 1, "Pacific/Auckland": 13}[zone] if "tz" in day_type else 0
    midnight = datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=hours)
    instant, day = timedelta(microseconds=1), timedelta(days=1)
    inside = [midnight, midnight + day / 2, midnight + day - instant]
    outside = [midnight - instant, midnight + day]
    suffix = "+00" if "tz" in day_type else ""
    bench.execute("DELETE FROM feed.events")
    lines = [
        f"{moment:%Y-%m-%d %H:%M:%S.%f}{suffix},{number},new"
        for number, moment in enumerate([*inside * 20, *outside])
    ]

    job_id = load(bench, lines, schedule={"cron": "0 5 * * *", "time_zone": zone}, source="s")

    assert bench.execute("SELECT count(*), max(id) FROM feed.events") == [(60, 59)]
    assert [row[2].decode() for row in bench.failed_rows(job_id)] == lines[-2:]


@WAYS
def test_what_is_outside_is_found_in_every_spelling(bench: LoadBench, more: str) -> None:
    """Spellings that only Postgres reads go another way than plain ones."""
    make_table(bench, "date", more)
    spellings = [f"{DAY},1,a", "20260102,2,a", "2 Jan 2026,3,a", "Jan 3 2026,4,a", "20260103,5,a"]

    job_id = load(bench, [*spellings, "epoch,6,a", "infinity,7,a", "2026-13-01,8,a"])

    assert [number for day, number, _ in rows(bench) if day == DAY] == [1, 2, 3]
    assert [(row[0], row[3]) for row in bench.failed_rows(job_id)] == [
        (5, "check"), (6, "check"), (7, "check"), (8, "check"), (9, "type-error"),
    ]  # fmt: skip


def test_all_ways_refuse_the_same_records(bench: LoadBench) -> None:
    """Whatever else is wrong with them: the slice comes after the types and before the constraints."""
    rng = random.Random(7)
    days = [DAY] * 8 + ["2026-01-03", "", "Jan 2 2026", "Jan 3 2026", "2026-02-30"]
    ids = [*map(str, range(40)), "102", "-5", "x", "9999999999", ""]
    words = ["good", "bad", "", "longer than it may be"]
    lines = [
        ",".join([rng.choice(days), rng.choice(ids), rng.choice(words)]) for _ in range(400)
    ] + [f"{DAY},1", f'{DAY},"1"x,good']
    checks = (
        "ALTER TABLE feed.events ALTER v TYPE varchar(9), ALTER v SET NOT NULL,"
        " ADD CHECK (v <> 'bad'), ADD CHECK (id >= 0), ALTER day SET NOT NULL;"
    )
    found = []
    for more in (checks, checks + BY_RECORDS, checks + TRIGGERED):
        make_table(bench, "date", more)
        job_id = load(bench, lines)
        assert bench.chunk(job_id)["error_message"] is None
        found.append((bench.failed_rows(job_id), rows(bench)))

    by_blocks, by_records, with_triggers = found
    codes = {code for *_, code, _, _, _ in by_blocks[0]}
    assert codes >= {"check", "type-error", "not-null", "unique", "value-too-long", "missing-cell"}
    assert by_blocks == by_records == with_triggers


def test_a_key_that_another_day_has_is_refused(bench: LoadBench) -> None:
    make_table(bench)

    job_id = load(bench, [f"{DAY},1,new", f"{DAY},102,taken", f"{DAY},100,its own"])

    assert rows(bench) == [(DAY, 1, "new"), (DAY, 100, "its own"), *OTHERS]
    assert [row[3] for row in bench.failed_rows(job_id)] == ["unique"]


@WAYS
def test_a_file_of_another_day_leaves_the_slice(bench: LoadBench, more: str) -> None:
    make_table(bench, "date", more)
    before = rows(bench)

    job_id = load(bench, [f"2026-01-03,{number},new" for number in range(500)])

    assert bench.chunk(job_id)["error_code"] == "nothing-good"
    assert rows(bench) == before
    assert len(bench.failed_rows(job_id)) == 500


def test_a_file_without_rows_empties_its_slice(bench: LoadBench) -> None:
    make_table(bench)

    load(bench, [])

    assert rows(bench) == OTHERS


def test_too_many_records_outside_fail_the_job(bench: LoadBench) -> None:
    make_table(bench, "date", BY_RECORDS)
    before = rows(bench)

    job_id = load(
        bench, [f"{DAY},1,new", *(f"2026-01-03,{n},new" for n in range(2, 9))], max_rejected_rows=3
    )

    assert bench.chunk(job_id)["error_code"] == "too-many-rejects"
    assert rows(bench) == before


def test_a_header_must_name_the_column(bench: LoadBench) -> None:
    """Its default would say which day the rows are of."""
    make_table(bench, f"date DEFAULT '{DAY}'")

    job_id = bench.load(b"id,v\n1,new\n", events())

    assert bench.chunk(job_id)["error_code"] == "header-missing-column"


def test_what_is_replayed_into_a_slice_belongs_there(bench: LoadBench) -> None:
    """A replay appends, but not rows of another day: those would be doubled by that day's next file."""
    make_table(bench)

    job_id = load(bench, [f"{DAY},1,fixed", "2026-01-03,2,elsewhere"], mode="append")

    assert [number for _, number, _ in rows(bench)] == [1, 100, 101, 102, 103, 104, 105]
    assert [row[3] for row in bench.failed_rows(job_id)] == ["check"]


@pytest.mark.parametrize("has_child", [False, True])
def test_a_trigger_that_moves_rows_to_another_day_fails_the_job(
    bench: LoadBench,
    has_child: bool,  # noqa: FBT001
) -> None:
    """The next load of the slice would not find them; rows of a table that inherits are not in their place."""
    moving = "NEW.day := NEW.day + NEW.id / 50; RETURN NEW"
    make_table(bench, "date", TRIGGERED.replace("RETURN NEW", moving).replace("AFTER", "BEFORE"))
    if has_child:
        bench.execute(
            "CREATE TABLE feed.child () INHERITS (feed.events);"
            "GRANT SELECT ON feed.child TO adsp_loader;"
            f"INSERT INTO feed.child (day, id) SELECT '{DAY}', i FROM generate_series(1000, 1010) i"
        )
    before = rows(bench)

    job_id = load(bench, [f"{DAY},{number},new" for number in range(60)])

    assert bench.chunk(job_id)["error_code"] == "scope-not-possible"
    assert "has given 10 rows another 'day'" in bench.chunk(job_id)["error_message"]
    assert rows(bench) == before


def test_a_column_may_have_any_name(bench: LoadBench) -> None:
    bench.renew_schema()
    bench.execute("""CREATE TABLE feed.events ("%day{}""s" text, id int, v text)""")
    definition = events(scope={'%day{}"s': "data_date"}, columns={"day": '%day{}"s'})

    bench.load(f"day,id,v\n{DAY},1,a\n2026-01-03,2,100%\n".encode(), definition)

    assert bench.execute("SELECT id FROM feed.events") == [(1,)]


def test_a_domain_refuses_a_null_before_the_slice_does(bench: LoadBench) -> None:
    """As an INSERT reads the record first; where the domain has no say, it is of another day."""
    bench.execute(
        "CREATE DOMAIN feed.word AS text NOT NULL; CREATE DOMAIN feed.any AS text;"
        " CREATE TABLE feed.events (day date, id int UNIQUE, v feed.word, w feed.any)"
    )
    data = b"day,id,v,w\n2026-01-02,1,a,\n2026-01-03,2,,b\n2026-01-03,3,a,\n"

    job_id = bench.load(data, events())

    refused = [(line, code, column) for line, _, _, code, column, *_ in bench.failed_rows(job_id)]
    assert refused == [(3, "not-null", None), (4, "check", "day")]
