"""Cases from the field that ask for more than a file and its rows: grants, roles, limits, several files and chunks."""

import json
from contextlib import closing
from decimal import Decimal

import psycopg2
import pytest

from libs.client.errors import RefusedRequest
from libs.client.models import HeaderChanges, Job
from tests.endtoend.feed import Feed, codes, end
from tests.endtoend.system import QUICK, System

_LIMITED = ("api", "worker", "loader")
_SLOW = (
    "CREATE FUNCTION field_slow() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$;"
    "CREATE TRIGGER slow BEFORE INSERT ON public.field_slow FOR EACH ROW EXECUTE FUNCTION field_slow()"
)
_TIMEOUTS = ("transaction_timeout", "statement_timeout", "lock_timeout", "idle_session_timeout")


def test_a_serial_without_its_grant_is_refused_with_the_cure(system: System) -> None:
    """The case `serial-without-the-sequences-grant`: the first job would have been the one to tell."""
    with pytest.raises(RefusedRequest) as refused:
        Feed(system, "field_cities", "id serial PRIMARY KEY, name text NOT NULL")
    system.execute("GRANT USAGE ON SEQUENCE field_cities_id_seq TO adsp_loader")
    system.execute("DROP TABLE field_cities")

    assert (refused.value.status, refused.value.code) == (422, "table-not-permitted")
    assert "GRANT USAGE ON SEQUENCE public.field_cities_id_seq" in str(refused.value)


def test_an_identity_column_needs_no_grant(system: System) -> None:
    identity = "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL"
    feed = Feed(system, "field_identities", identity)

    job = feed.load("name\nGraz\nLinz\n")

    assert end(job) == ("succeeded", None)
    assert feed.rows() == [(1, "Graz"), (2, "Linz")]


def test_timeouts_of_the_role_end_no_load(system: System) -> None:
    """The case `transaction-timeout-of-the-role`: five attempts of the same, and no row."""
    feed = Feed(system, "field_slow", "id int, v text")
    system.execute(_SLOW)
    role = f"ALTER ROLE adsp_loader IN DATABASE {system.database.name}"
    with closing(psycopg2.connect(system.database.superuser_dsn)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        try:
            for name in _TIMEOUTS:
                cursor.execute(f"{role} SET {name} = '2s'")
            with system.restarted("loader"):
                job = feed.load("id,v\n" + "".join(f"{number},x\n" for number in range(12)))
        finally:
            cursor.execute(f"{role} RESET ALL")

    assert (end(job), job.rows_loaded, job.attempt) == (("succeeded", None), 12, 1)
    assert len(feed.rows()) == 12


def test_a_record_longer_than_the_cap_is_kept_whole_and_loads_once_the_cap_allows_it(
    system: System,
) -> None:
    """The case `cell-longer-than-the-cap`: its text was cut, so that nothing could be done with it."""
    polygon = "POLYGON((" + "1.25 2.5," * 160_000 + "1.25 2.5))"
    text = f'id,wkt\n1,"POINT(1 2)"\n2,"{polygon}"\n3,"POINT(3 4)"\n'
    feed = Feed(system, "field_shapes", "id int PRIMARY KEY, wkt text")

    capped = feed.load(text)
    with system.client as client:
        [failed] = client.failed_rows(capped.id)
        exported = client.get(f"/v1/jobs/{capped.id}/failed-rows", format="source").text
        again = system.wait_over(client.replay(capped.id))
        with system.restarted(*_LIMITED, ADSP_MAX_RECORD_BYTES=str(1 << 22)):
            replayed = system.wait_over(client.replay(again.id))

    assert (capped.state, capped.rows_loaded) == ("completed_with_rejects", 2)
    assert (failed.line_number, failed.error_code) == (3, "line-too-long")
    assert "ADSP_MAX_RECORD_BYTES of api, worker and loader" in failed.message
    assert exported == f'id,wkt\n2,"{polygon}"\n'
    assert (again.rows_loaded, again.rows_rejected) == (0, 1)
    assert (end(replayed), replayed.rows_loaded) == (("succeeded", None), 1)
    assert feed.rows() == [(1, "POINT(1 2)"), (2, polygon), (3, "POINT(3 4)")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_lone_returns_spoil_one_record_each_in_every_chunk(system: System, line_end: str) -> None:
    """The case `lone-return-inside-a-cell` in several chunks, also with the return near where they are cut."""
    name = f"field_returns_{len(line_end)}"
    feed = Feed(system, name, "id int NOT NULL, note text", atomic=False)
    notes = [f"note {number} of many" for number in range(12_000)]
    spoiled = range(5, 12_000, 17)
    for number in spoiled:
        notes[number] = "Line one\rLine two"
    lines = ["id,note", *(f"{number},{note}" for number, note in enumerate(notes)), ""]

    job = feed.load(line_end.join(lines))
    with system.client as client:
        failed = list(client.failed_rows(job.id))

    chunks = f"adsp.chunks WHERE job_id = '{job.id}' AND rows_rejected > 0"
    assert system.count(chunks) > int(QUICK["ADSP_CHUNK_BYTES"]) // (1 << 15)
    assert {row.error_code for row in failed} == {"bare-carriage-return"}
    assert [row.line_number for row in failed] == [number + 2 for number in spoiled]
    assert {row.raw.partition(",")[2] for row in failed} == {"Line one\rLine two"}
    left = [pair for pair in enumerate(notes) if pair[0] not in spoiled]
    assert feed.rows() == left


def test_a_file_of_the_day_that_comes_later_is_loaded_alone(system: System) -> None:
    """Three files of one day: whose turn was before is listed as what it is, and not loaded again."""
    options = {"source": "field_parts/{data_date}-*.csv", "match": "all"}
    feed = Feed(system, "field_parts", "id int, v text", **options)
    folder = system.incoming / "field_parts"
    folder.mkdir()

    def send(*parts: str) -> None:
        for part in parts:
            (folder / "part.tmp").write_text(f"id,v\n{ord(part)},{part}\n")
            (folder / "part.tmp").rename(folder / f"2026-11-24-{part}.csv")

    with system.client as client:

        def load() -> tuple[Job, list[tuple[str, int, str | None]]]:
            job = system.wait_over(client.submit(dataset="field_parts", data_date="2026-11-24"))
            files = client.files(job.id)
            return job, [(file.path[-5], file.rows_loaded, file.duplicate_of) for file in files]

        send("b", "c")
        first, files_of_first = load()
        send("a")  # before the others by its name
        second, files_of_second = load()
        third, files_of_third = load()

    assert [end(job) for job in (first, second, third)] == [
        ("succeeded", None),
        ("succeeded", None),
        ("duplicate", None),
    ]
    assert files_of_first == [("b", 1, None), ("c", 1, None)]
    assert files_of_second == [("a", 1, None), ("b", 0, first.id), ("c", 0, first.id)]
    assert [of for _, _, of in files_of_third] == [second.id, first.id, first.id]
    assert [codes(job) for job in (first, second, third)] == [[], ["date-loaded-before"], []]
    assert feed.rows() == [(97, "a"), (98, "b"), (99, "c")]


@pytest.mark.parametrize("name", ["daily-sales", "2024_sales", "Größen"])
def test_a_table_has_any_name_that_postgres_takes(system: System, name: str) -> None:
    """The case `table-names-beyond-ascii`."""
    system.execute(
        f'CREATE TABLE "field {name}" (id int, v text);'
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON "field {name}" TO adsp_loader'
    )
    dataset = "field-names"
    path = system.incoming / f"field-names-{name}.csv"
    path.with_suffix(".part").write_text("id,v\n1,a\nx,b\n")
    path.with_suffix(".part").rename(path)
    with system.client as client:
        client.put_dataset(dataset, {"table": f"public.field {name}", "mode": "replace"})
        job = system.wait_over(client.submit(dataset=dataset, source=path.name, force=True))

    assert (end(job), job.rows_loaded) == (("completed_with_rejects", None), 1)
    assert system.query(f'SELECT * FROM "field {name}"') == [(1, "a")]


def test_all_misfits_of_a_header_are_reported_with_a_map_that_loads_the_file(
    system: System,
) -> None:
    """The case `upper-case-header`: one round trip for one mapping."""
    columns = "customer_id int PRIMARY KEY, last_name text, first_name text"
    feed = Feed(system, "field_shouting", columns)
    refused = feed.load("CUSTOMER_ID, LAST_NAME,FIRST_NAME \n1,Doe,Ann\n")
    said = refused.error_message
    document, _ = json.JSONDecoder().raw_decode(said.partition('"columns": ')[2])
    feed.put(columns=document)
    loaded = feed.load("CUSTOMER_ID, LAST_NAME,FIRST_NAME \n1,Doe,Ann\n")

    assert end(refused) == ("failed", "header-unknown-column")
    assert "case_insensitive" in said
    assert end(loaded) == ("succeeded", None)
    assert feed.rows() == [(1, "Doe", "Ann")]


def test_the_difference_to_the_last_header_is_shown(system: System) -> None:
    """The case `a-column-more-from-today`."""
    feed = Feed(system, "field_drift", "id int, v text", unknown_columns="ignore", mode="replace")
    first = feed.load("id,v\n1,a\n")
    second = feed.load("id,loyalty_tier,v\n2,gold,b\n")

    assert first.header_changes is None
    assert second.header_changes == HeaderChanges(since=first.id, added=["loyalty_tier"], lost=[])
    assert codes(second) == ["header-drift"]


def test_a_row_that_could_not_be_converted_is_replayed_once_it_is_corrected(system: System) -> None:
    """Replays read the raw record by the same conversions, as exports give it."""
    feed = Feed(
        system,
        "field_replayed",
        "id int, price numeric",
        format={"delimiter": ";"},
        convert={"price": {"decimal": ","}},
    )
    job = feed.load("id;price\n1;1,5\n2;1.5\n")
    with system.client as client:
        [failed] = client.failed_rows(job.id)
        source = client.get(f"/v1/jobs/{job.id}/failed-rows", format="source").text
        path = system.incoming / "corrected.csv"
        path.write_text(source.replace("1.5", "2,5"))
        replay = system.wait_over(client.replay(job.id, path))

    assert (failed.stage, failed.error_code, failed.column, failed.sqlstate) == (
        "convert", "conversion-error", "price", None,
    )  # fmt: skip
    assert "'1.5' is no number with 'decimal' ','" in failed.message
    assert source == "id;price\n2;1.5\n"
    assert end(replay) == ("succeeded", None)
    assert feed.rows() == [(1, Decimal("1.5")), (2, Decimal("2.5"))]


def test_a_row_larger_than_a_page_is_so_again_when_it_is_replayed(system: System) -> None:
    """The case `row-larger-than-a-page`: what a replay says of it is what the load said."""
    feed = Feed(system, "field_wide", ", ".join(f"c{n} bigint" for n in range(1200)))
    names = ",".join(f"c{n}" for n in range(1200))
    full = ",".join(["1234567890123456789"] * 1200)
    job = feed.load(f"{names}\n{full}\n1{',' * 1199}\n")
    with system.client as client:
        replay = system.wait_over(client.replay(job.id))
        first, again = ([*client.failed_rows(each.id)] for each in (job, replay))

    assert (end(job), job.rows_loaded) == (("completed_with_rejects", None), 1)
    assert (replay.rows_loaded, replay.rows_rejected) == (0, 1)
    assert [row.sqlstate for row in [*first, *again]] == ["54000"] * 2
    assert [row.message for row in first] == [row.message for row in again]


def test_nuls_of_failed_rows_survive_export_and_replay(system: System) -> None:
    """The case `mysql-zero-dates-and-bits`: what is exported are the bytes of the file."""
    feed = Feed(system, "field_bits", "id int PRIMARY KEY, born date, active text")
    content = "id,born,active\n1,0000-00-00,\x01\n2,1990-00-00,\0\n4,1990-01-02,\0\n5,,\x01\n"
    job = feed.load(content)
    with system.client as client:
        source = client.get(f"/v1/jobs/{job.id}/failed-rows", format="source").content
        path = system.incoming / "field_bits_corrected.csv"
        corrected = (
            source.replace(b"\0", b"0").replace(b"0000-00-00", b"").replace(b"1990-00", b"1990-01")
        )
        path.write_bytes(corrected.replace(b"-00,", b"-01,"))
        replay = system.wait_over(client.replay(job.id, path))

    assert (end(job), job.rows_rejected) == (("completed_with_rejects", None), 3)
    assert source == content.removesuffix("5,,\x01\n").encode()
    assert end(replay) == ("succeeded", None)
    assert [(row[0], row[2]) for row in feed.rows()] == [
        (1, "\x01"),
        (2, "0"),
        (4, "0"),
        (5, "\x01"),
    ]
