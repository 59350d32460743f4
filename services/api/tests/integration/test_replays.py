"""A replay is a job of its own, made of the failed rows of another: as they are, or corrected."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from services.api.app import create_app
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    SettingsWith,
    problem_of,
    serving,
    serving_app,
)

CORRECTED = b"sku,name,category,price,quantity,updated_at\n1,a,b,1.00,1,2026-01-01\n"
TOO_LONG = {"stage": "parse", "error_code": "line-too-long"}
UNKNOWN = "01a20bb0-ed59-716e-a450-60748f27550b"


@pytest.fixture
def ended(client: httpx.Client, job: str, items: Path, ledger: Ledger, upload_dir: Path) -> str:
    """Return a job that has ended with one failed row, and empty the upload area."""
    assert not list(upload_dir.glob("*/*"))
    ledger.plan(job, items)
    ledger.add_failed_row(job, 60, b"2,b,c,cheap,1,2026-01-01")
    _end(ledger, "completed_with_rejects")
    return job


def _end(ledger: Ledger, state: str, chunk: str = "done") -> None:
    reason = "x" if state == "failed" else None
    ledger.execute(
        "UPDATE adsp.jobs SET state = %s, finished_at = now(), error_code = %s, error_message = %s",
        state,
        reason,
        reason,
    )
    ledger.execute(
        "UPDATE adsp.chunks SET state = %s, error_code = CASE %s WHEN 'failed' THEN 'x' END",
        chunk,
        chunk,
    )


def _replay(client: httpx.Client, job: str, **request: object) -> httpx.Response:
    return client.post(f"/v1/jobs/{job}/replay", **request)  # type: ignore[arg-type]


def _source(answer: httpx.Response) -> Path:
    return Path(answer.json()["source"])


def _files(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file()]


def test_equal_replays_leave_one_file(
    client: httpx.Client, ended: str, upload_dir: Path, ledger: Ledger
) -> None:
    """Seen before: each left its own for 30 days, outside every limit; also when they come at once."""
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: _replay(client, ended), range(5)))
    [source] = {_source(answer) for answer in answers}
    shared = _files(upload_dir)
    ledger.add_failed_row(ended, 90, b"3,b,c,dear,1,2026-01-01")
    other = _source(_replay(client, ended))
    corrected = [_source(_replay(client, ended, content=CORRECTED)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202] * 5
    assert len({answer.json()["id"] for answer in answers}) == 5
    assert shared == [str(source)]
    assert other.read_bytes() != source.read_bytes()
    assert len({source, other, *corrected}) == 4


def test_an_equal_replay_is_written_anew_where_the_file_is_gone(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    """Or may go soon, since retention looks at when its folder was made."""
    first = _source(_replay(client, ended))
    ledger.execute("UPDATE adsp.jobs SET created_at = now() - interval '2 days'")
    second = _source(_replay(client, ended))
    second.unlink()
    third = _source(_replay(client, ended))

    assert len({first, second, third}) == 3
    assert first.read_bytes() == third.read_bytes()


def test_the_api_answers_while_many_large_replays_are_written(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    """Seen before: each held a connection until its file was written, and the list of jobs was answered 503."""
    ledger.execute(
        "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number, stage, error_code, message)"
        " SELECT %s, 0, 100 + n, repeat('x', 200)::bytea, 10 + n, 'convert', 'type-error', 'wrong'"
        " FROM generate_series(1, 40000) AS n",
        ended,
    )
    statuses: list[int] = []
    with ThreadPoolExecutor(12) as pool:
        replays = [pool.submit(_replay, client, ended, timeout=120) for _ in range(12)]
        while not all(replay.done() for replay in replays):
            statuses.append(client.get("/v1/jobs", timeout=30).status_code)
        answers = [replay.result() for replay in replays]

    assert {answer.status_code for answer in answers} == {202}
    assert len({_source(answer) for answer in answers}) == 1
    assert set(statuses) == {200}


def test_a_replay_without_a_body_takes_a_slot_of_an_upload(
    settings_with: SettingsWith, clean_database: object, ended: str
) -> None:
    settings = settings_with(max_uploads_at_once=1)
    app = create_app(settings)
    with serving_app(app) as client, app.state.dependencies.upload_slots.taken(None):
        answer = _replay(client, ended)

    assert problem_of(answer)[:2] == (429, "too-many-uploads")


def test_failed_rows_are_replayed_as_they_are_in_the_order_of_the_file(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    ledger.add_failed_row(ended, 30, b'1,"two\nlines",\xff', error_code="missing-cell")
    answer = _replay(client, ended)
    job = answer.json()

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["trigger"], job["replay_of"], job["state"]) == ("replay", ended, "queued")
    assert (job["dataset"], job["data_date"]) == ("items", "2026-01-02")
    assert _source(answer).read_bytes() == (
        b"sku,name,category,price,quantity,updated_at\n"
        b'1,"two\nlines",\xff\n'
        b"2,b,c,cheap,1,2026-01-01\n"
    )


def test_a_corrected_file_is_replayed(client: httpx.Client, ended: str) -> None:
    answer = _replay(client, ended, content=iter([CORRECTED]), headers={"Content-Type": "text/csv"})

    assert answer.status_code == 202
    assert answer.json()["replay_of"] == ended
    assert _source(answer).read_bytes() == CORRECTED


def test_job_and_replay_are_found_from_each_other(client: httpx.Client, ended: str) -> None:
    replay = _replay(client, ended).json()["id"]
    listed = client.get("/v1/jobs", params={"replay_of": ended}).json()["items"]

    assert [job["id"] for job in listed] == [replay]
    assert client.get(f"/v1/jobs/{replay}").json()["replay_of"] == ended
    assert client.get("/v1/jobs", params={"replay_of": replay}).json()["items"] == []


def test_the_failed_rows_in_source_form_can_be_sent_back(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    """Rows that may swallow their neighbours come last; those that were cut are left out, and counted."""
    ledger.add_failed_row(ended, 10, b'3,"open', stage="parse", error_code="malformed-quote")
    ledger.add_failed_row(ended, 20, b"4" * 9, **TOO_LONG)
    ledger.add_failed_row(ended, 40, b"5" * 9, **TOO_LONG, record_bytes=100)
    exported = client.get(f"/v1/jobs/{ended}/failed-rows", params={"format": "source"})
    answer = _replay(client, ended, content=exported.content)

    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert exported.content == (
        b'sku,name,category,price,quantity,updated_at\n2,b,c,cheap,1,2026-01-01\n3,"open\n444444444\n'
    )
    assert exported.headers["adsp-rows-left-out"] == "1"
    assert answer.status_code == 202
    assert _source(answer).read_bytes() == exported.content


def test_the_replay_of_a_replace_appends_in_the_dialect_of_the_rows(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    body = {**ITEMS, "mode": "replace", "max_rejected_rows": 0, "format": {"delimiter": ";"}}
    client.put("/v1/datasets/items", json=body).raise_for_status()
    replay = _replay(client, ended).json()["id"]
    definition = ledger.value("SELECT definition FROM adsp.jobs WHERE id = %s", replay)

    assert (definition["mode"], definition["max_rejected_rows"]) == ("append", None)
    assert (definition["format"]["delimiter"], definition["format"]["compression"]) == (",", "none")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_job_that_has_not_ended_is_not_replayed(
    client: httpx.Client, job: str, ledger: Ledger, upload_dir: Path, state: str
) -> None:
    ledger.execute("UPDATE adsp.jobs SET state = %s", state)

    assert problem_of(_replay(client, job))[:2] == (409, "job-not-ended")
    assert _files(upload_dir) == []


def test_a_job_without_failed_rows_is_not_replayed(
    client: httpx.Client, ended: str, ledger: Ledger, upload_dir: Path
) -> None:
    ledger.execute("DELETE FROM adsp.failed_rows")
    status, code, detail = problem_of(_replay(client, ended, content=CORRECTED))

    assert (status, code) == (409, "no-failed-rows")
    assert "nothing is left" in detail
    assert _files(upload_dir) == []


def test_a_job_that_has_loaded_nothing_is_loaded_again_instead(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    """Its failed rows are those of a file of which no row was published."""
    _end(ledger, "failed", chunk="failed")
    status, code, detail = problem_of(_replay(client, ended))

    assert (status, code) == (409, "no-failed-rows")
    assert "load its source again" in detail


def test_a_chunked_job_that_failed_is_replayed_as_far_as_it_was_loaded(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    _end(ledger, "failed")

    assert _replay(client, ended).status_code == 202


@pytest.mark.parametrize("code", ["line-too-long", "malformed-quote"])
def test_rows_that_cannot_stand_in_a_file_are_not_replayed_as_they_are(
    client: httpx.Client, ended: str, ledger: Ledger, upload_dir: Path, code: str
) -> None:
    ledger.add_failed_row(ended, 0, b'"x', stage="parse", error_code=code)
    status, found, detail = problem_of(_replay(client, ended))
    corrected = _replay(client, ended, content=CORRECTED)

    assert (status, found) == (409, "failed-rows-damaged")
    assert f"1 {code} of" in detail
    assert "format=source" in detail
    assert corrected.status_code == 202
    assert len(_files(upload_dir)) == 1


def test_a_long_row_that_is_kept_whole_is_replayed_behind_the_others(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    """Once the cap allows it, it loads."""
    long = b'1,"' + b"a" * 2_000_000 + b'",c,1,1,2026-01-01'
    ledger.add_failed_row(ended, 10, long, **TOO_LONG)
    answer = _replay(client, ended)
    [listed, *_] = client.get(f"/v1/jobs/{ended}/failed-rows").json()["items"]
    table = client.get(f"/v1/jobs/{ended}/failed-rows", params={"format": "csv"}).text

    assert answer.status_code == 202
    assert _source(answer).read_bytes().split(b"\n")[1:] == [b"2,b,c,cheap,1,2026-01-01", long, b""]
    assert (listed["record_bytes"], listed["kept_bytes"]) == (len(long), len(long))
    assert listed["raw"] == long[: 1 << 20].decode()
    assert len(table) < (1 << 20) + 1000


def test_a_row_of_which_only_the_start_is_kept_is_not_replayed(
    client: httpx.Client, ended: str, ledger: Ledger, upload_dir: Path
) -> None:
    """Its start might load as a row that nobody sent."""
    ledger.add_failed_row(ended, 10, b"1,a,b,1,1,2026-01-01", **TOO_LONG, record_bytes=9999)
    status, code, detail = problem_of(_replay(client, ended))
    [listed, whole] = client.get(f"/v1/jobs/{ended}/failed-rows").json()["items"]

    assert (status, code) == (409, "failed-rows-cut")
    assert "ADSP_MAX_FAILED_RECORD_BYTES" in detail
    assert _files(upload_dir) == []
    assert (listed["record_bytes"], listed["kept_bytes"]) == (9999, 20)
    assert "record_bytes" not in whole
    assert _replay(client, ended, content=CORRECTED).status_code == 202


def test_without_a_known_header_only_a_corrected_file_is_replayed(
    client: httpx.Client, ended: str, ledger: Ledger, upload_dir: Path
) -> None:
    ledger.execute("UPDATE adsp.jobs SET header = NULL")
    exported = client.get(f"/v1/jobs/{ended}/failed-rows", params={"format": "source"})

    assert problem_of(_replay(client, ended))[:2] == (409, "header-unknown")
    assert problem_of(exported)[:2] == (409, "header-unknown")
    assert _replay(client, ended, content=CORRECTED).status_code == 202
    assert len(_files(upload_dir)) == 1


@pytest.mark.parametrize("body", [None, CORRECTED], ids=["as they are", "corrected"])
def test_a_repeated_request_gets_the_same_replay_and_keeps_one_file(
    client: httpx.Client, ended: str, upload_dir: Path, body: bytes | None
) -> None:
    key = {"Idempotency-Key": "replay-1"}
    first, second = (_replay(client, ended, content=body, headers=key) for _ in range(2))
    other = _replay(client, ended, content=b"other\n", headers=key)

    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert problem_of(other)[:2] == (422, "idempotency-key-reused")
    assert _files(upload_dir) == [first.json()["source"]]


@pytest.mark.parametrize(
    ("media_type", "body", "problem"),
    [
        ("text/csv", b"", (422, "source-empty")),
        ("application/json", b"{}", (415, "unsupported-media-type")),
        ("multipart/form-data; boundary=x", b"--x--", (415, "unsupported-media-type")),
    ],
)
def test_a_body_that_is_no_file_is_refused(
    client: httpx.Client,
    ended: str,
    upload_dir: Path,
    media_type: str,
    body: bytes,
    problem: tuple[int, str],
) -> None:
    answer = _replay(client, ended, content=body, headers={"Content-Type": media_type})

    assert problem_of(answer)[:2] == problem
    assert _files(upload_dir) == []


def test_a_job_that_does_not_exist_is_not_found(client: httpx.Client) -> None:
    assert problem_of(_replay(client, UNKNOWN))[:2] == (404, "job-unknown")


def test_failed_rows_beyond_the_cap_of_uploads_leave_nothing(
    ended: str, upload_dir: Path, settings_with: SettingsWith
) -> None:
    with serving(settings_with(max_upload_bytes=50)) as small:
        answer = _replay(small, ended)

    assert problem_of(answer)[:2] == (413, "upload-too-large")
    assert _files(upload_dir) == []


def test_many_failed_rows_are_replayed_whole(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    """They are streamed from the ledger, however many there are."""
    ledger.execute(
        "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number, stage,"
        " error_code, message) SELECT %s, 0, 100 + n, convert_to(n::text, 'UTF8'), n, 'parse',"
        " 'missing-cell', 'm' FROM generate_series(1, 200000) AS n",
        ended,
    )
    lines = _source(_replay(client, ended)).read_text().splitlines()

    assert lines[2:] == [str(n) for n in range(1, 200_001)]
