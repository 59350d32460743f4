"""The text of masked columns is kept nowhere: not in the ledger, nor in what a loader logs."""

from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.datasets.definition import DatasetDefinition
from services.loader.chunk_loader import Outcome
from services.loader.rows.single_insert import SingleRowWriter
from services.loader.tests.integration.conftest import LoadBench
from services.loader.tests.integration.masked_files import (
    BAD,
    BLOCK,
    CAP,
    COMMON,
    DIALECTS,
    DIGITS,
    LOGINS,
    LOOK,
    MASKED,
    NAMES,
    TABLE,
    TOKEN,
    TRIGGER,
    file_of,
)


@pytest.fixture(scope="module")
def people(shared_bench: LoadBench) -> LoadBench:
    shared_bench.renew_schema()
    shared_bench.execute(f"{LOGINS};{TABLE};{LOOK}")
    return shared_bench


def _load(
    bench: LoadBench, data: bytes, definition: DatasetDefinition, **changes: Any
) -> tuple[UUID, str]:
    """Load a file; return the job, and all that was logged."""
    job_id = bench.add_job(data, definition)
    with (
        structlog.testing.capture_logs() as logged,
        closing(bench.loader(max_record_bytes=CAP, **changes)) as loader,
    ):
        assert loader.load_chunk(job_id, 0) in {Outcome.LOADED, Outcome.FAILED}
    return job_id, str(logged)


def _ledger(bench: LoadBench) -> str:
    """Return all rows of the ledger as text, their bytes as they are and in UTF-16 as text too."""
    names = bench.execute(
        "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'adsp'::regnamespace"
        " AND relkind IN ('r', 'p')"
    )
    texts = []
    for (name,) in names:
        texts += [text for (text,) in bench.execute(f"SELECT t::text FROM adsp.{name} AS t")]
    raws = [bytes(raw) for (raw,) in bench.execute("SELECT raw FROM adsp.failed_rows")]
    return "\n".join([*texts, *(raw.decode("latin-1").replace("\0", "") for raw in raws)])


def _check(bench: LoadBench, logged: str) -> None:
    kept = _ledger(bench) + logged
    for secret in (TOKEN, TOKEN.upper(), DIGITS):
        assert secret not in kept
        assert secret.encode().hex() not in kept


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("path", ["blocks", "records", "singly"])
@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kinds=st.lists(st.sampled_from(sorted(BAD)), max_size=25),
    quoted=st.booleans(),
    is_mapped=st.booleans(),
)
def test_what_is_masked_is_kept_nowhere(
    people: LoadBench, name: str, path: str, kinds: list[str], *, quoted: bool, is_mapped: bool
) -> None:
    """Every badness at least once, then more of them at random."""
    form = DIALECTS[name]
    is_mapped = is_mapped and form.get("type") != "jsonl"
    renamed = {"Mail": "email", "IB": "iban"} if is_mapped else {}
    header = (
        ",".join(NAMES).replace("email", "Mail").replace("iban", "IB")
        if is_mapped
        else ",".join(NAMES)
    )
    convert = {"born": {"date_format": "%Y-%m-%d"}} if path == "records" else {}
    people.execute(
        "TRUNCATE feed.people, adsp.failed_rows; DROP TRIGGER IF EXISTS look ON feed.people"
    )
    people.execute(
        "INSERT INTO feed.people (id, email, born, span)"
        f" VALUES (-1, 'again{TOKEN}', now(), '[{DIGITS},{DIGITS}8)')"
    )
    if path == "singly":
        people.execute(TRIGGER)
    definition = DatasetDefinition(
        table="feed.people", format=form, masked_columns=MASKED, columns=renamed, convert=convert
    )
    data = file_of([*sorted(BAD), *kinds], form, quoted=quoted, header=header)

    job_id, logged = _load(people, data, definition, block_bytes=BLOCK)

    _check(people, logged)
    chunk = people.chunk(job_id)
    assert (chunk["state"], chunk["error_message"]) == ("done", None)
    codes = {code for (code,) in people.execute("SELECT error_code FROM adsp.failed_rows")}
    assert codes >= COMMON
    whole = people.execute("SELECT count(*) FROM adsp.failed_rows WHERE record_bytes IS NULL")
    assert whole == [(0,)]


def test_without_masks_it_is_there(people: LoadBench) -> None:
    people.execute(
        "TRUNCATE feed.people, adsp.failed_rows; DROP TRIGGER IF EXISTS look ON feed.people"
    )
    definition = DatasetDefinition(table="feed.people")
    _load(people, file_of(sorted(BAD), {}, quoted=False, header=",".join(NAMES)), definition)

    assert TOKEN in _ledger(people)
    people.execute("DELETE FROM adsp.failed_rows")


@pytest.mark.parametrize(
    ("end", "outcome"), [("busy", Outcome.POSTPONED), ("wrong", Outcome.FAILED)]
)
def test_an_error_of_the_job_holds_none(people: LoadBench, end: str, outcome: Outcome) -> None:
    """Postgres names the row that it was at."""
    people.execute(
        "TRUNCATE feed.people, adsp.failed_rows; DROP TRIGGER IF EXISTS look ON feed.people"
    )
    people.execute(TRIGGER)
    data = f"id,login,born\n1,{TOKEN}{end},2026-01-01\n".encode()
    job_id = people.add_job(data, DatasetDefinition(table="feed.people", masked_columns=MASKED))
    with structlog.testing.capture_logs() as logged, closing(people.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is outcome

    _check(people, str(logged))
    assert "SQLSTATE" in str(people.chunk(job_id)) or "SQLSTATE" in str(logged)


def test_a_fault_of_the_loader_is_logged_without_its_words(
    people: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise ValueError(TOKEN)

    monkeypatch.setattr(SingleRowWriter, "insert_each", fail)
    people.execute("DROP TRIGGER IF EXISTS look ON feed.people")
    data = f"id,login,born\n1,{TOKEN},never\n".encode()
    job_id = people.add_job(data, DatasetDefinition(table="feed.people", masked_columns=MASKED))
    with structlog.testing.capture_logs() as logged, closing(people.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.POSTPONED

    _check(people, str(logged))
    assert "ValueError" in str(logged)


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_blocks_that_are_refused_as_a_whole_show_none(people: LoadBench, mode: str) -> None:
    people.execute(
        "DELETE FROM adsp.failed_rows; DROP TABLE IF EXISTS feed.plain; CREATE TABLE feed.plain"
        " (id int PRIMARY KEY, email text CHECK (email LIKE '%@%'), iban varchar(20), born date NOT NULL)"
    )
    bad = {3: ",x,2026-01-01", 5: "@,x,", 7: f"@,{'i' * 20},2026-01-01", 9: "@,x,soon"}
    lines = [
        f"{DIGITS if number % 50 == 1 else number},{TOKEN}{bad.get(number % 20, '@,x,2026-01-01')}"
        for number in range(1000)
    ]
    definition = DatasetDefinition(
        table="feed.plain",
        mode=mode,
        key=["id"] if mode == "upsert" else [],
        masked_columns=["id", "email", "iban"],
    )
    data = "\n".join(["id,email,iban,born", *lines, ""]).encode()
    job_id, logged = _load(people, data, definition)

    _check(people, logged)
    assert people.chunk(job_id)["load_path"] == "blocks"
    messages = {row[-1] for row in people.failed_rows(job_id)}
    assert 'invalid input syntax for type date: "soon"' in messages
    assert (
        'new row for relation "plain" violates check constraint "plain_email_check" (values are masked)'
    ) in messages


@pytest.mark.parametrize(
    ("first", "form"),
    [
        (f"{TOKEN},{DIGITS}", {}),
        (f'{{"{TOKEN}": 1', {"type": "jsonl"}),
        ("id,email,born", {"footer": {"pattern": "^T"}}),
    ],
)
def test_a_file_without_its_header_or_footer_shows_none(
    people: LoadBench, first: str, form: dict[str, Any]
) -> None:
    people.execute("DELETE FROM adsp.failed_rows")
    data = f"{first}\n1,{TOKEN},2026-01-01\n".encode()
    definition = DatasetDefinition(table="feed.people", format=form, masked_columns=MASKED)
    job_id = people.add_job(data, definition)
    people.execute(
        "UPDATE adsp.jobs SET header = NULL, header_end = NULL WHERE id = %s", str(job_id)
    )
    with structlog.testing.capture_logs() as logged, closing(people.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    _check(people, str(logged))
    assert "not shown" in people.chunk(job_id)["error_message"]


def test_dates_that_fit_two_orders_are_counted_without_examples(people: LoadBench) -> None:
    people.execute("DROP TRIGGER IF EXISTS look ON feed.people")
    data = b"id,born\n1,03/02/2026\n2,13/02/2026\n"
    job_id, _ = _load(people, data, DatasetDefinition(table="feed.people", masked_columns=MASKED))

    [warning] = people.chunk(job_id)["warnings"]
    assert warning["code"] == "ambiguous-dates"
    assert "'born': *** was refused, *** fits both" in warning["message"]
    assert "/2026" not in _ledger(people)


def test_what_no_column_takes_is_masked_too(people: LoadBench) -> None:
    """A sender may rename a masked column."""
    people.execute("DROP TRIGGER IF EXISTS look ON feed.people")
    definition = DatasetDefinition(
        table="feed.people", masked_columns=MASKED, unknown_columns="ignore"
    )
    job_id, logged = _load(people, f"id,e-mail,age,born\n1,{TOKEN},old,\n".encode(), definition)

    _check(people, logged)
    [(_, _, raw, code, column, _, message)] = people.failed_rows(job_id)
    assert (raw, code, column) == (b"1,***,old,", "type-error", "age")
    assert message == 'invalid input syntax for type integer: "old"'


def test_a_row_without_a_masked_text_is_whole(people: LoadBench) -> None:
    people.execute("DROP TRIGGER IF EXISTS look ON feed.people; DELETE FROM adsp.failed_rows")
    data = b'id,email,age,born\n1,"",old,\n2,,30,\n'
    _load(people, data, DatasetDefinition(table="feed.people", masked_columns=MASKED))

    rows = people.execute("SELECT raw, record_bytes FROM adsp.failed_rows ORDER BY byte_offset")
    assert [(bytes(raw), size) for raw, size in rows] == [(b'1,"",old,', None), (b"2,,30,", None)]
