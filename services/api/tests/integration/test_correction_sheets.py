"""Failed rows are corrected in a spreadsheet by way of the draft, and nobody's correction is lost."""

import csv
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, MakeKey, problem_of
from services.api.tests.integration.test_sessions import csrf_in, sign_in

ODD = b'2,"a ""b"", \r\nc",=1+1,dear,,"",'
PLAIN = b'3," b",c,cheap,1,2026-01-01'
OPEN = b'4,"b,c,1.00,1,2026-01-01'
csv.field_size_limit(1 << 24)
HEADER = ["sku", "name", "category", "price", "quantity", "updated_at"]
Row = dict[str, str]
Edit = Callable[[dict[str, Row]], object]


@pytest.fixture
def ended(client: httpx.Client, job: str, items: Path, ledger: Ledger, upload_dir: Path) -> str:
    """Return a job that has ended with three failed rows."""
    assert not list(upload_dir.glob("*/*"))
    ledger.plan(job, items)
    ledger.add_failed_row(job, 60, ODD.removesuffix(b","), column_name="price", message='"dear"')
    ledger.add_failed_row(job, 90, PLAIN, column_name="price")
    ledger.add_failed_row(job, 120, OPEN, stage="parse", error_code="malformed-quote")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(),"
        " rows_read = 3, rows_rejected = 3"
    )
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    return job


def _path(job: str) -> str:
    return f"/v1/jobs/{job}/corrections.csv"


def _get(client: httpx.Client, job: str, **query: str) -> str:
    answer = client.get(_path(job), params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer.text


def _post(client: httpx.Client, job: str, sheet: str | bytes) -> httpx.Response:
    content = sheet.encode() if isinstance(sheet, str) else sheet
    return client.post(_path(job), content=content, headers={"Content-Type": "text/csv"})


def _edited(sheet: str, edit: Edit) -> str:
    """Return a sheet after an edit of its rows, by their places, as a program writes it that knows no NULL."""
    reader = csv.DictReader(io.StringIO(sheet, newline=""))
    rows = {row["adsp_place"]: row for row in reader}
    edit(rows)
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, reader.fieldnames or ())
    writer.writeheader()
    writer.writerows(rows.values())
    return written.getvalue()


def _set(place: int, **cells: str) -> Edit:
    return lambda rows: rows[f"p{place}"].update(cells)


def _draft(client: httpx.Client, job: str) -> dict[int, dict[str, object]]:
    items = client.get(f"/v1/jobs/{job}/corrections").json()["items"]
    return {item["place"]: item for item in items}


def _audited(client: httpx.Client, job: str) -> list[dict[str, object]]:
    entries = client.get("/v1/audit", params={"object": f"job/{job}"}).json()["items"]
    return [each["details"] for each in entries if each["action"] == "failed-rows.correct"]


def test_a_sheet_has_each_row_with_its_reason_under_the_header(
    client: httpx.Client, ended: str
) -> None:
    answer = client.get(_path(ended))
    first, *rows = csv.reader(io.StringIO(answer.text, newline=""))

    assert first[:8] == [*HEADER, "adsp_record", "adsp_discard"]
    assert [dict(zip(first, row, strict=True))["adsp_place"] for row in rows] == [
        "p60",
        "p90",
        "p120",
    ]
    odd, plain, whole = (dict(zip(first, row, strict=True)) for row in rows)
    assert (odd["name"], odd["category"], odd["adsp_message"]) == (
        'a "b", \r\nc',
        "'=1+1",
        '"dear"',
    )
    assert (plain["price"], plain["adsp_line_number"]) == ("cheap", "92")
    assert (whole["sku"], whole["adsp_record"]) == ("", OPEN.decode())
    assert f'filename="corrections-{ended}.csv"' in answer.headers["content-disposition"]


def test_a_filter_leaves_rows_out(client: httpx.Client, ended: str) -> None:
    rows = _get(client, ended, column="price", text="cheap").splitlines()

    assert len(rows) == 2
    assert rows[1].endswith("p90")


def test_a_sheet_that_was_not_changed_changes_nothing(
    client: httpx.Client, ended: str, upload_dir: Path
) -> None:
    sheet = _get(client, ended)
    answers = [_post(client, ended, sheet), _post(client, ended, _edited(sheet, lambda _: None))]

    for answer in answers:
        assert answer.json() == {"rows": 3, "changed": 0, "removed": 0, "draft_version": "0-0"}
    assert _draft(client, ended) == {}
    assert not list(upload_dir.glob("*/*"))
    assert _audited(client, ended) == []


def test_what_was_changed_is_in_the_draft_and_is_loaded(client: httpx.Client, ended: str) -> None:
    def edit(rows: dict[str, Row]) -> None:
        rows["p60"] |= {"price": "1.50", "category": "'=2"}
        rows["p90"] |= {"name": 'x "y",\nz', "quantity": ""}
        rows["p120"]["adsp_discard"] = "yes"

    sheet = _get(client, ended)
    answer = _post(client, ended, _edited(sheet, edit))
    again = _post(client, ended, _edited(sheet, edit))
    shown = _get(client, ended)
    draft = _draft(client, ended)
    replay = client.post(f"/v1/jobs/{ended}/corrections/replay").json()

    assert (answer.json()["rows"], answer.json()["changed"]) == (3, 3)
    assert (again.json()["changed"], again.json()["draft_version"]) == (
        0,
        answer.json()["draft_version"],
    )
    assert draft[60]["cells"] == {"price": "1.50", "category": "=2"}
    assert draft[90]["cells"] == {"name": 'x "y",\nz', "quantity": None}
    assert draft[120]["discarded"] is True
    assert draft[60]["corrected_by"] == "anybody"
    assert "1.50" in shown
    assert Path(replay["source"]).read_bytes().decode() == (
        ",".join(HEADER)
        + '\n2,"a ""b"", \r\nc",=2,1.50,,""\n'
        + '3,"x ""y"",\nz",c,cheap,,2026-01-01\n'
    )


def test_a_correction_is_changed_and_taken_back_by_its_version(
    client: httpx.Client, ended: str
) -> None:
    client.put(f"/v1/jobs/{ended}/corrections/90", json={"cells": {"price": "1"}})
    client.put(f"/v1/jobs/{ended}/corrections/120", json={"record": "5,b,c,1,1,2026-01-01"})
    client.put(f"/v1/jobs/{ended}/corrections/60", json={"discarded": True})
    sheet = _get(client, ended)

    def edit(rows: dict[str, Row]) -> None:
        rows["p60"]["adsp_discard"] = ""
        rows["p90"]["price"] = "2"
        rows["p120"]["adsp_record"] = "6,b,c,1,1,2026-01-01"

    answer = _post(client, ended, _edited(sheet, edit)).json()
    draft = _draft(client, ended)

    assert (answer["changed"], answer["removed"]) == (2, 1)
    assert draft.keys() == {90, 120}
    assert draft[90]["cells"] == {"price": "2"}
    assert draft[120]["record"] == "6,b,c,1,1,2026-01-01"


def test_two_people_correct_different_rows_of_the_same_sheet(
    client: httpx.Client, ended: str
) -> None:
    sheet = _get(client, ended)
    answers = [
        _post(client, ended, _edited(sheet, _set(60, price="1"))),
        _post(client, ended, _edited(sheet, _set(90, price="2"))),
    ]

    assert [answer.json()["changed"] for answer in answers] == [1, 1]
    draft = _draft(client, ended)
    assert [draft[place]["cells"] for place in (60, 90)] == [{"price": "1"}, {"price": "2"}]


def test_nobody_overwrites_a_row_that_another_one_has_corrected_since(
    client: httpx.Client, ended: str
) -> None:
    untouched = _get(client, ended)
    _post(client, ended, _edited(untouched, _set(60, price="1")))
    seen = _get(client, ended)
    _post(client, ended, _edited(seen, _set(60, price="2")))
    late = [_edited(each, _set(60, price="3")) for each in (untouched, seen)]
    late = [_edited(each, _set(90, price="4")) for each in late]
    answers = [_post(client, ended, sheet) for sheet in late]

    for answer in answers:
        status, code, detail = problem_of(answer)
        assert (status, code) == (422, "sheet-refused")
        assert "cannot be taken: line 2: somebody was faster: row 60 was corrected" in detail
        assert "anybody at 20" in detail
    assert {place: item["cells"] for place, item in _draft(client, ended).items()} == {
        60: {"price": "2"}
    }


def test_a_correction_that_was_taken_back_is_not_brought_back(
    client: httpx.Client, ended: str
) -> None:
    made = client.put(f"/v1/jobs/{ended}/corrections/90", json={"cells": {"price": "1"}}).json()
    sheet = _get(client, ended)
    client.delete(f"/v1/jobs/{ended}/corrections/90", params={"version": made["version"]})
    status, code, detail = problem_of(_post(client, ended, sheet))

    assert (status, code) == (422, "sheet-refused")
    assert "the correction of row 90 is gone" in detail
    assert _draft(client, ended) == {}


def test_of_many_who_send_at_once_one_succeeds(client: httpx.Client, ended: str) -> None:
    sheet = _get(client, ended)
    with ThreadPoolExecutor(6) as pool:
        sheets = [_edited(sheet, _set(60, price=str(n))) for n in range(6)]
        answers = list(pool.map(lambda each: _post(client, ended, each), sheets))

    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda rows: rows["p60"].update(adsp_place="p61"), "line 2: job .* has no failed row 61"),
        (lambda rows: rows["p60"].update(adsp_place="p90"), "row of line .* again"),
        (lambda rows: rows["p60"].update(adsp_record="x"), "line 2: this row is cut into cells"),
        (lambda rows: rows["p120"].update(sku="4"), "line 5: this row is not cut into cells"),
        (lambda rows: rows["p120"].update(adsp_record=""), "line 5: this row is not cut"),
        (lambda rows: rows["p120"].update(adsp_record='a,"b'), "line 5: this is not one record"),
        (lambda rows: rows["p60"].update(adsp_discard="x"), "line 2: adsp_discard is 'x'"),
        (
            lambda rows: rows["p60"].update(price="x" * (1 << 20) + "y"),
            "line 2: a correction holds",
        ),
    ],
)
def test_all_is_refused_where_one_row_cannot_be_taken(
    client: httpx.Client, ended: str, edit: Edit, said: str
) -> None:
    sheet = _edited(_edited(_get(client, ended), _set(90, price="7")), edit)
    status, code, detail = problem_of(_post(client, ended, sheet))

    assert (status, code) == (422, "sheet-refused")

    assert re.search(said, detail), detail
    assert _draft(client, ended) == {}


def test_rows_of_another_job_are_unknown(
    client: httpx.Client, ended: str, ledger: Ledger, items: Path
) -> None:
    sheet = _get(client, ended)
    ledger.execute("UPDATE adsp.failed_rows SET byte_offset = byte_offset + 1")
    _, code, detail = problem_of(_post(client, ended, sheet))

    assert code == "sheet-refused"
    assert detail.count("has no failed row") == 3


def test_a_line_of_another_width_and_another_file_are_refused(
    client: httpx.Client, ended: str
) -> None:
    lines = _get(client, ended).split("\r\n")
    wide = "\r\n".join([lines[0], lines[3].replace("3,", "3,3,", 1), ""])
    short = "\r\n".join([lines[0], lines[3].removesuffix(",p90"), ""])
    bodies: list[str | bytes] = [
        wide,
        short,
        "sku,name\r\n1,2\r\n",
        _get(client, ended).encode("utf-16"),
    ]
    found = [problem_of(_post(client, ended, body)) for body in bodies]

    assert {each[:2] for each in found} == {(422, "sheet-refused")}
    assert ["line 2: it has" in each[2] for each in found] == [True, True, False, False]
    assert all("line 1: this is no sheet" in each[2] for each in found[2:])


def test_a_cell_that_a_program_has_cut_is_refused(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    raw = PLAIN.replace(b"c", b"c" * 40_000, 1)
    ledger.execute("UPDATE adsp.failed_rows SET raw = %s WHERE byte_offset = 90", raw)
    sheet = _get(client, ended)
    cut = _edited(sheet, _set(90, category="c" * 32_767))

    assert _post(client, ended, sheet).json()["changed"] == 0
    assert "cuts cells" in problem_of(_post(client, ended, cut))[2]


def test_of_a_row_above_the_bound_only_the_start_is_shown(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    raw = PLAIN.replace(b"c", b"c" * (1 << 20), 1)
    ledger.execute("UPDATE adsp.failed_rows SET raw = %s WHERE byte_offset = 90", raw)
    ledger.execute("UPDATE adsp.failed_rows SET record_bytes = 9000000 WHERE byte_offset = 60")
    sheet = _get(client, ended)
    whole = _edited(sheet, _set(60, adsp_record="2,b,c,1,1,2026-01-01"))
    changed = _edited(sheet, _set(90, adsp_record="3,b,c,1,1,2026-01-01"))
    left_out = _edited(whole, _set(90, adsp_discard="yes"))

    assert "only the start of this record" in problem_of(_post(client, ended, changed))[2]
    assert _post(client, ended, left_out).json()["changed"] == 2
    assert _draft(client, ended)[60]["record"] == "2,b,c,1,1,2026-01-01"


def test_a_draft_that_is_closed_or_not_open_yet_takes_no_sheet(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    sheet = _edited(_get(client, ended), _set(120, adsp_discard="yes"))
    _post(client, ended, sheet)
    client.post(f"/v1/jobs/{ended}/corrections/replay")
    closed = _post(client, ended, sheet)
    ledger.execute("UPDATE adsp.jobs SET state = 'running', finished_at = NULL")
    running = _post(client, ended, sheet)
    ledger.execute("UPDATE adsp.jobs SET header = NULL")
    unplanned = client.get(_path(ended))

    assert problem_of(closed)[:2] == (409, "failed-rows-replayed")
    assert problem_of(running)[:2] == (409, "job-not-ended")
    assert problem_of(unplanned)[:2] == (409, "header-unknown")


def test_a_body_that_is_no_file_is_refused(client: httpx.Client, ended: str) -> None:
    form = client.post(_path(ended), files={"file": b"sku\n"})
    empty = _post(client, ended, b"")

    assert problem_of(form)[:2] == (415, "unsupported-media-type")
    assert problem_of(empty)[:2] == (422, "source-empty")


def test_the_audit_log_says_how_many_rows_a_sheet_has_changed(
    client: httpx.Client, ended: str
) -> None:
    _post(client, ended, _edited(_get(client, ended), _set(60, price="1.50")))

    assert _audited(client, ended) == [{"rows": 1, "removed": 0, "by": "sheet"}]


def test_who_may_only_read_gets_the_sheet_and_sends_none(
    ended: str, guarded: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    ledger.execute("UPDATE adsp.jobs SET owner = 'reader'")
    key = {"Authorization": f"Bearer {make_key('read', owner='reader')}"}
    sheet = guarded.get(_path(ended), headers=key)
    sent = guarded.post(_path(ended), headers=key, content=sheet.content)
    other = {"Authorization": f"Bearer {make_key('read', 'submit', owner='other')}"}
    answers = [
        guarded.get(_path(ended), headers=other),
        guarded.post(_path(ended), headers=other, content=sheet.content),
    ]

    assert sheet.status_code == 200
    assert problem_of(sent)[:2] == (403, "scope-missing")
    assert {problem_of(answer)[:2] for answer in answers} == {(404, "job-unknown")}


def test_a_session_sends_a_sheet_with_its_token_alone(
    ended: str, guarded: httpx.Client, make_key: MakeKey
) -> None:
    sign_in(guarded, make_key("admin"))
    page = guarded.get(f"/jobs/{ended}/failed-rows?column=price", headers={"Accept": "text/html"})
    sheet = _edited(_get(guarded, ended), _set(60, price="1"))
    without = _post(guarded, ended, sheet)
    guarded.headers["X-CSRF-Token"] = csrf_in(page)
    with_it = _post(guarded, ended, sheet)

    assert f'href="{_path(ended)}?column=price"' in page.text
    assert f'data-upload="{_path(ended)}"' in page.text
    assert problem_of(without)[:2] == (403, "request-forged")
    assert with_it.json()["changed"] == 1
