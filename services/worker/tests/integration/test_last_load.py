"""A delivery is held against the last load of its dataset: its header, and the number of its rows."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from libs.common.enums import ChunkState, JobState, LoadMode, Trigger
from libs.common.ledger.job_end import JobError, record_end
from libs.common.ledger.models import Chunk, Event, Job
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.planning.last_loads import find_last_change, find_last_load, find_load_of_day
from services.worker.tests.conftest import Bench

FULL = "sku,name,category,price,quantity,updated_at\n"
_ERROR = JobError("load-fault", "the disk is full")
CONTACTS = "CREATE TABLE public.contacts (id int PRIMARY KEY, email text, phone text, made int)"


@pytest.fixture
def contacts(bench: Bench) -> Bench:
    """Return a bench with a table whose columns may be left out."""
    with bench.owner.begin() as connection:
        connection.exec_driver_sql(
            f"DROP TABLE IF EXISTS public.contacts; {CONTACTS};"
            " GRANT SELECT, INSERT, UPDATE, DELETE ON public.contacts TO adsp_loader"
        )
    return bench


def _put(bench: Bench, **changes: object) -> None:
    bench.put_dataset("contacts", table="public.contacts", **changes)  # type: ignore[arg-type]


def _load(bench: Bench, header: str, rows: int = 1, **request: object) -> Job:
    """Plan a file of this header, pretend that it was loaded with so many rows, and return its job."""
    job = _plan(bench, header, **request)
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=rows, rows_loaded=rows)
        )
    finish(bench.worker, job.id)
    return bench.job(job)


def _plan(bench: Bench, header: str, **request: object) -> Job:
    name = f"{len(list(bench.folder.iterdir()))}.csv"
    bench.write(f"{header}\n{name}\n", name)
    job = bench.make_job("contacts", source=name, **request)
    plan(bench.worker, job.id)
    return bench.job(job)


MODES = [LoadMode.APPEND, LoadMode.REPLACE, LoadMode.UPSERT]


@pytest.mark.parametrize("mode", MODES)
def test_a_header_that_has_lost_a_column_fails(contacts: Bench, mode: LoadMode) -> None:
    """Seen before: the column became NULL in every row, and nobody was warned."""
    _put(contacts, mode=mode, key=["id"] if mode is LoadMode.UPSERT else [])
    first = _load(contacts, "id,email,phone")

    job = _plan(contacts, "id,email")

    assert (job.state, job.error_code) == (JobState.FAILED, "header-changed")
    for part in ("'phone'", str(first.id), "'missing_columns'", "force"):
        assert part in (job.error_message or "")
    assert contacts.chunks(job) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("allowed", ["default", "force"])
def test_where_it_is_allowed_the_job_tells_which_columns_took_their_default(
    contacts: Bench, mode: LoadMode, allowed: str
) -> None:
    options = {"missing_columns": "default"} if allowed == "default" else {}
    _put(contacts, mode=mode, key=["id"] if mode is LoadMode.UPSERT else [], **options)
    _load(contacts, "id,email,phone,made")

    job = _load(contacts, "email,id", force=allowed == "force")

    assert job.state is JobState.SUCCEEDED
    [warning] = [each for each in job.warnings if each["code"] == "header-changed"]
    assert warning["counts"] == {"columns": 2}
    assert "'phone', 'made'" in warning["message"]
    assert ("keep theirs" in warning["message"]) == (mode is LoadMode.UPSERT)


def test_the_next_load_is_held_against_the_one_with_fewer_columns(contacts: Bench) -> None:
    _put(contacts, mode=LoadMode.REPLACE)
    _load(contacts, "id,email,phone")
    _load(contacts, "id,email", force=True)

    assert _load(contacts, "id,email").warnings == []
    assert _plan(contacts, "id").error_code == "header-changed"


def test_columns_are_compared_and_not_their_names_in_the_file(contacts: Bench) -> None:
    """A renamed cell that is mapped is no loss, and neither is another order; one more column is drift."""
    columns = {"Telefon": "phone", "Phone": "phone"}
    _put(contacts, mode=LoadMode.REPLACE, columns=columns)
    _load(contacts, "id,email,Telefon")

    job = _load(contacts, "made,Phone,email,id")

    assert job.state is JobState.SUCCEEDED
    assert [(each["code"], each["counts"]) for each in job.warnings] == [
        ("header-drift", {"added": 1, "lost": 0})
    ]


_DRIFTS = [
    pytest.param({}, "id,email", "id,email,phone", ["phone"], [], id="column more"),
    pytest.param({}, "id,email", "email,id", [], [], id="other order"),
    pytest.param(
        {"unknown_columns": "ignore"}, "id,a", "id,b,email", ["b", "email"], ["a"], id="ignored"
    ),
    pytest.param(
        {"header_match": "case_insensitive"}, "id,EMAIL", "ID,email ", [], [], id="other case"
    ),
    pytest.param({"columns": {"x": None}}, "id,x", "id", [], ["x"], id="left out before"),
    pytest.param(
        {"unknown_columns": {"rescue": "rest"}}, "id", "id,new", ["new"], [], id="rescued"
    ),
]


@pytest.mark.parametrize(("options", "before", "now", "added", "lost"), _DRIFTS)
def test_drift_of_the_header_is_reported_by_the_job_and_by_an_event(
    contacts: Bench,
    options: dict[str, object],
    before: str,
    now: str,
    added: list[str],
    lost: list[str],
) -> None:
    with contacts.owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE public.contacts ADD rest jsonb")
    _put(contacts, mode=LoadMode.REPLACE, **options)
    first = _load(contacts, before)

    job = _plan(contacts, now)

    with contacts.worker.sessions() as session:
        published = session.scalars(select(Event).where(Event.type == "job.header-changed")).all()
    if not added and not lost:
        assert (job.header_changes, job.warnings, published) == (None, [], [])
        return
    changes = {"since": str(first.id), "added": added, "lost": lost}
    assert job.header_changes == changes
    [warning] = job.warnings
    assert warning["code"] == "header-drift"
    for part in (*map(repr, [*added, *lost]), str(first.id)):
        assert part in warning["message"]
    [event] = published
    assert (event.job_id, event.payload["header_changes"]) == (job.id, changes)


def test_a_column_of_the_last_load_is_missed_however_its_cell_was_written(contacts: Bench) -> None:
    _put(contacts, header_match="case_insensitive")
    _load(contacts, "ID,EMAIL,Phone")

    job = _plan(contacts, "id,email")

    assert (job.state, job.error_code) == (JobState.FAILED, "header-changed")
    assert "'phone'" in (job.error_message or "")


def test_a_column_that_the_table_has_lost_too_is_no_loss(contacts: Bench) -> None:
    _put(contacts)
    _load(contacts, "id,email,phone")
    with contacts.owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE public.contacts DROP COLUMN phone")

    assert _plan(contacts, "id,email").state is JobState.RUNNING


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_what_has_loaded_nothing_is_no_last_load(contacts: Bench, state: JobState) -> None:
    _put(contacts, mode=LoadMode.REPLACE)
    _load(contacts, "id,email", rows=7)
    ended = _plan(contacts, "id,email,phone")
    with contacts.worker.sessions.begin() as session:
        error = None if state is JobState.CANCELLED else _ERROR
        record_end(session, session.get_one(Job, ended.id), state, error=error)

    job = _plan(contacts, "id,email")

    assert (job.state, job.rows_before) == (JobState.RUNNING, 7)


def test_the_rows_before_are_those_of_the_last_load_that_changed_the_table(contacts: Bench) -> None:
    """Of the same table in the same mode; what a replay loads is no delivery."""
    _put(contacts, mode=LoadMode.REPLACE)
    assert _load(contacts, "id,email", rows=5).rows_before is None
    second = _load(contacts, "id,email", rows=3)
    replay = _load(
        contacts,
        "id",
        rows=1,
        trigger=Trigger.REPLAY,
        replay_of=second.id,
        definition=second.parsed_definition().model_copy(update={"mode": LoadMode.APPEND}),
    )

    assert second.rows_before == 5
    assert (replay.state, replay.rows_before) == (JobState.SUCCEEDED, None)
    assert _plan(contacts, "id,email", data_date=date(2030, 1, 1)).rows_before == 3


def test_a_header_without_a_required_column_fails_by_force_too(bench: Bench) -> None:
    bench.put_dataset(required_columns=["sku", "colour"])
    bench.write(FULL)
    job = bench.make_job(force=True)

    plan(bench.worker, job.id)

    ended = bench.job(job)
    assert (ended.state, ended.error_code) == (JobState.FAILED, "header-missing-column")
    assert "'colour', which 'required_columns'" in (ended.error_message or "")


def test_a_header_with_the_required_columns_is_planned(bench: Bench) -> None:
    """They are named as the header writes them."""
    bench.put_dataset(required_columns=["Artikel", "price"], columns={"Artikel": "sku"})
    bench.write(FULL.replace("sku", "Artikel"))
    job = bench.make_job()

    assert plan(bench.worker, job.id) == JobState.RUNNING


@pytest.mark.parametrize("mode", MODES)
def test_a_day_that_is_appended_to_again_is_reported(contacts: Bench, mode: LoadMode) -> None:
    """A corrected file of a day is there beside the first one; the other modes take its place."""
    _put(contacts, mode=mode, key=["id"] if mode is LoadMode.UPSERT else [])
    first = _load(contacts, "id,email", rows=5, data_date=date(2026, 11, 24))
    other_day = _load(contacts, "id,email", data_date=date(2026, 11, 25))
    again = _load(contacts, "id,email", data_date=date(2026, 11, 24), force=True)

    assert (first.warnings, other_day.warnings) == ([], [])
    if mode is not LoadMode.APPEND:
        assert again.warnings == []
        return
    [warning] = again.warnings
    assert (warning["code"], warning["counts"]) == ("date-loaded-before", {"rows_before": 5})
    assert f"job {first.id} has loaded 5 rows of 2026-11-24" in warning["message"]


_ENDED = """
    INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, trigger, state, finished_at,
        rows_read, rows_loaded, fingerprint)
    SELECT gen_random_uuid(), d.name, d.definition, d.version, date '2000-01-01' + n %% 5000, 's', 'api', 'succeeded',
        now() - n * interval '1 minute', 1, 1, n::text
    FROM adsp.datasets AS d, generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize(
    "definition",
    [
        {"mode": "append"},
        {"mode": "upsert", "key": ["sku"]},
        {"mode": "replace"},
        {"mode": "replace", "scope": {"updated_at": "data_date"}},
    ],
    ids=["append", "upsert", "replace", "slice"],
)
def test_a_long_history_is_not_read_for_each_plan(
    bench: Bench, definition: dict[str, object]
) -> None:
    """The questions touch some pages of thousands, with the statistics that Postgres has of such a table."""
    bench.put_dataset(**definition)  # type: ignore[arg-type]
    with bench.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        owner.exec_driver_sql(_ENDED)
        owner.exec_driver_sql("ANALYZE adsp.jobs")
    for day in (date(2040, 1, 1), date(2000, 4, 10)):
        job = bench.make_job(data_date=day)
        with bench.worker.sessions() as session:
            asked = _record_statements(session)
            last = find_last_load(session, job)
            find_load_of_day(session, job)
            if definition["mode"] != "append":
                find_last_change(session, job, "public.items")
            pages = [_pages_read(session, statement, values) for statement, values in asked[:]]

        assert last is not None
        assert len(pages) >= 2
        assert max(pages) < 100, day


def _record_statements(session: Session) -> list[tuple[str, Any]]:
    """Return a list that grows by what the session executes."""
    asked: list[tuple[str, Any]] = []
    connection = session.connection()

    @event.listens_for(connection, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        asked.append((statement, values))

    return asked


def _pages_read(session: Session, statement: str, values: Any) -> int:
    """Run a statement once more and return how many pages it needed."""
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", values)
        [[plan]] = cursor.fetchone()
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
