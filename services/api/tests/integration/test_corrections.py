"""Failed rows are corrected in a draft that people share, checked, and loaded once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import (
    Ledger,
    MakeKey,
    problem_of,
)

DEAR = b"2,b,c,dear,1,01.02.2026"
CHEAP = b'3," b",c,cheap,1,2026-01-01'
OPEN = b'4,"b,c,1.00,1,2026-01-01'
HEADER = "sku,name,category,price,quantity,updated_at\n"


@pytest.fixture
def ended(client: httpx.Client, job: str, items: Path, ledger: Ledger, upload_dir: Path) -> str:
    """Return a job that has ended with three failed rows."""
    assert not list(upload_dir.glob("*/*"))
    ledger.plan(job, items)
    about = {"column_name": "price", "message": 'invalid input syntax for type numeric: "dear"'}
    ledger.add_failed_row(job, 60, DEAR, **about)
    ledger.add_failed_row(job, 90, CHEAP, column_name="price")
    ledger.add_failed_row(job, 120, OPEN, stage="parse", error_code="malformed-quote")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(),"
        " rows_read = 3, rows_rejected = 3"
    )
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    return job


def _path(job: str, *more: object) -> str:
    return "/".join([f"/v1/jobs/{job}/corrections", *map(str, more)])


def _put(client: httpx.Client, job: str, place: int, **body: object) -> httpx.Response:
    return client.put(_path(job, place), json=body)


def _rule(client: httpx.Client, job: str, **body: object) -> httpx.Response:
    return client.patch(_path(job), json=body)


def _correct_all(client: httpx.Client, job: str) -> None:
    bodies: dict[int, dict[str, object]] = {
        60: {"cells": {"price": "1.50"}},
        90: {"cells": {"price": None, "name": 'a "b", c'}},
        120: {"record": "4,b,c,1.00,1,2026-01-01"},
    }
    for place, body in bodies.items():
        assert _put(client, job, place, **body).status_code == 200


def _content(answer: httpx.Response) -> str:
    return Path(answer.json()["source"]).read_text()


def test_a_replay_has_each_row_as_its_draft_has_it(client: httpx.Client, ended: str) -> None:
    _correct_all(client, ended)
    replay = client.post(_path(ended, "replay"))

    assert replay.status_code == 202, replay.text
    assert replay.json()["replay_of"] == ended
    assert _content(replay) == (
        HEADER
        + "2,b,c,1.50,1,01.02.2026\n"
        + '3,"a ""b"", c",c,,1,2026-01-01\n'
        + "4,b,c,1.00,1,2026-01-01\n"
    )


def test_rows_without_a_correction_go_as_they_are_and_discarded_ones_stay_behind(
    client: httpx.Client, ended: str
) -> None:
    _put(client, ended, 120, discarded=True)
    _put(client, ended, 60, cells={"price": "1.50"})
    replay = client.post(_path(ended, "replay"))

    assert _content(replay) == HEADER + "2,b,c,1.50,1,01.02.2026\n" + CHEAP.decode() + "\n"


def test_a_row_that_would_swallow_others_must_be_corrected(
    client: httpx.Client, ended: str
) -> None:
    status, code, detail = problem_of(client.post(_path(ended, "replay")))

    assert (status, code) == (409, "failed-rows-damaged")
    assert "place 120" in detail


def test_the_draft_tells_who_corrected_what(client: httpx.Client, ended: str) -> None:
    made = _put(client, ended, 60, cells={"price": "1.50"}).json()
    page = client.get(_path(ended)).json()

    assert page["items"] == [made]
    assert made["corrected_by"] == "anybody"
    assert made["cells"] == {"price": "1.50"}
    assert page["draft_version"] == f"1-{made['version']}"


def test_nobody_overwrites_a_correction_that_they_have_not_seen(
    client: httpx.Client, ended: str
) -> None:
    first = _put(client, ended, 60, cells={"price": "1"}).json()
    refused = _put(client, ended, 60, cells={"price": "2"})
    second = _put(client, ended, 60, cells={"price": "2"}, version=first["version"]).json()
    late = _put(client, ended, 60, cells={"price": "3"}, version=first["version"])
    gone = client.delete(_path(ended, 60), params={"version": first["version"]})
    taken_back = client.delete(_path(ended, 60), params={"version": second["version"]})
    again = _put(client, ended, 60, cells={"price": "4"}, version=second["version"])

    for answer in (refused, late, gone, again):
        status, code, detail = problem_of(answer)
        assert (status, code) == (409, "correction-changed")
        assert "anybody at 20" in detail or "is gone" in detail
    assert taken_back.json() == {"removed": 1}
    assert client.get(_path(ended)).json()["items"] == []


def test_of_many_who_write_at_once_one_succeeds(client: httpx.Client, ended: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: _put(client, ended, 60, cells={"price": str(n)}), range(8))
        )
    statuses = sorted(answer.status_code for answer in answers)
    [kept] = client.get(_path(ended)).json()["items"]
    written = next(answer for answer in answers if answer.status_code == 200)

    assert statuses == [200] + [409] * 7
    assert kept == written.json()


def test_the_same_draft_is_loaded_once(client: httpx.Client, ended: str) -> None:
    _correct_all(client, ended)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.post(_path(ended, "replay")), range(6)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(client.get("/v1/jobs", params={"replay_of": ended}).json()["items"]) == 1


def test_a_draft_is_closed_by_its_replay_and_open_again_when_that_fails(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    _correct_all(client, ended)
    replay = client.post(_path(ended, "replay")).json()["id"]
    refused = [
        _put(client, ended, 60, discarded=True, version=1),
        _rule(
            client,
            ended,
            rule={"kind": "trim"},
            cell="name",
            preview=False,
            draft_version="3-3",
        ),
        client.delete(_path(ended, 60), params={"version": 1}),
        client.delete(_path(ended), params={"draft_version": "3-3"}),
    ]
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'failed', finished_at = now(), error_code = 'x', error_message = 'x'"
        " WHERE id = %s",
        replay,
    )
    version = client.get(_path(ended)).json()["items"][0]["version"]
    written = _put(client, ended, 60, cells={"price": "9"}, version=version)

    for answer in refused:
        status, code, detail = problem_of(answer)
        assert (status, code) == (409, "failed-rows-replayed")
        assert replay in detail
    assert written.status_code == 200
    assert "2,b,c,9,1" in _content(client.post(_path(ended, "replay")))


def test_a_check_is_a_dry_run_that_leaves_the_draft_open(client: httpx.Client, ended: str) -> None:
    _correct_all(client, ended)
    check = client.post(_path(ended, "check"))
    replay = client.post(_path(ended, "replay"))

    assert check.status_code == 202
    assert (check.json()["dry_run"], check.json()["replay_of"]) == (True, ended)
    assert replay.status_code == 202
    assert replay.json()["dry_run"] is False
    assert _content(check) == _content(replay)


def test_a_rule_is_previewed_then_written(client: httpx.Client, ended: str) -> None:
    asked = {
        "rule": {"kind": "map", "values": {"dear": "9.99", "cheap": None}},
        "cell": "price",
        "where": {"column": "price"},
    }
    preview = _rule(client, ended, **asked).json()
    empty = client.get(_path(ended)).json()
    written = _rule(
        client, ended, **asked, preview=False, draft_version=preview["draft_version"]
    ).json()
    cells = [item["cells"] for item in client.get(_path(ended)).json()["items"]]

    assert empty["items"] == []
    assert (preview["rows"], preview["changed"], preview["unreadable"]) == (2, 2, 0)
    assert [(e["place"], e["before"], e["after"]) for e in preview["examples"]] == [
        (60, "dear", "9.99"),
        (90, "cheap", None),
    ]
    assert written["examples"] == preview["examples"]
    assert cells == [{"price": "9.99"}, {"price": None}]


@pytest.mark.parametrize(
    ("rule", "cell", "where", "after"),
    [
        ({"kind": "trim"}, "name", {}, ["b"]),
        ({"kind": "replace", "find": "ear", "by": "i,\nt"}, "price", {}, ["di,\nt"]),
        ({"kind": "date_format", "read": "%d.%m.%Y"}, "updated_at", {}, ["2026-02-01"]),
        ({"kind": "set_null"}, "price", {"text": "DEAR"}, [None]),
        ({"kind": "set_null"}, "price", {"text": "cheap"}, [None]),
        ({"kind": "set_null"}, "price", {"error_code": "malformed-quote"}, []),
        ({"kind": "set_null"}, "price", {"column": "nothing"}, []),
    ],
)
def test_each_rule_changes_what_it_says(
    client: httpx.Client,
    ended: str,
    rule: dict[str, object],
    cell: str,
    where: dict[str, str],
    after: list[str | None],
) -> None:
    preview = _rule(client, ended, rule=rule, cell=cell, where=where)

    assert preview.status_code == 200, preview.text
    assert [example["after"] for example in preview.json()["examples"]] == after


def test_rules_build_on_the_draft_and_leave_whole_records_alone(
    client: httpx.Client, ended: str
) -> None:
    _put(client, ended, 60, cells={"price": " 3 "})
    _put(client, ended, 90, discarded=True)
    version = client.get(_path(ended)).json()["draft_version"]
    rule = {"rule": {"kind": "trim"}, "cell": "price"}
    written = _rule(client, ended, **rule, preview=False, draft_version=version).json()
    items = client.get(_path(ended)).json()["items"]

    assert (written["changed"], written["whole"], written["unreadable"]) == (1, 1, 1)
    assert items[0]["cells"] == {"price": "3"}
    assert items[1]["discarded"] is True


def test_a_rule_is_not_written_over_a_draft_that_has_changed(
    client: httpx.Client, ended: str
) -> None:
    rule = {"rule": {"kind": "set_null"}, "cell": "price"}
    seen = _rule(client, ended, **rule).json()["draft_version"]
    _put(client, ended, 60, cells={"price": "1.50"})
    late = _rule(client, ended, **rule, preview=False, draft_version=seen)
    emptied = client.delete(_path(ended), params={"draft_version": seen})

    for answer in (late, emptied):
        assert problem_of(answer)[:2] == (409, "draft-changed")
    assert client.get(_path(ended)).json()["items"][0]["cells"] == {"price": "1.50"}


@pytest.mark.parametrize(
    ("place", "body", "code"),
    [
        (60, {"cells": {"colour": "red"}}, "cell-unknown"),
        (61, {"cells": {"price": "1"}}, "failed-row-unknown"),
        (120, {"cells": {"price": "1"}}, "cells-unknown"),
        (60, {"record": 'a,"b'}, "not-one-record"),
        (60, {"record": "a\nb"}, "not-one-record"),
        (60, {"cells": {}}, "invalid-request"),
        (60, {}, "invalid-request"),
        (60, {"cells": {"price": "1"}, "discarded": True}, "invalid-request"),
        (60, {"cells": {"price": "a\0b"}}, "invalid-request"),
        (60, {"cells": {"price": "\ud800"}}, "invalid-request"),
    ],
)
def test_what_cannot_stand_in_the_file_is_refused(
    client: httpx.Client, ended: str, place: int, body: dict[str, object], code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.put(_path(ended, place), content=json.dumps(body), headers=headers)

    assert problem_of(answer)[1] == code
    assert client.get(_path(ended)).json()["items"] == []


def test_a_form_of_a_date_that_is_none_is_refused(client: httpx.Client, ended: str) -> None:
    for form in ("%d%d", "%", "nothing%"):
        rule = {"kind": "date_format", "read": form}
        assert problem_of(_rule(client, ended, rule=rule, cell="name"))[0] == 422


def test_a_row_of_which_only_the_start_is_kept_is_corrected_as_a_whole(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    ledger.execute("UPDATE adsp.failed_rows SET record_bytes = 9000000 WHERE byte_offset = 60")
    refused = _put(client, ended, 60, cells={"price": "1"})
    whole = _put(client, ended, 60, record="2,b,c,1,1,2026-01-01")

    assert problem_of(refused)[:2] == (409, "failed-rows-cut")
    assert whole.status_code == 200


def test_a_job_that_runs_or_was_a_dry_run_has_no_draft(
    client: httpx.Client, ended: str, ledger: Ledger
) -> None:
    ledger.execute("UPDATE adsp.jobs SET state = 'running', finished_at = NULL")
    running = _put(client, ended, 60, discarded=True)
    ledger.execute("UPDATE adsp.jobs SET dry_run = TRUE, state = 'checked', finished_at = now()")
    dry = _put(client, ended, 60, discarded=True)

    assert problem_of(running)[:2] == (409, "job-not-ended")
    assert problem_of(dry)[:2] == (409, "job-was-dry-run")


def test_all_that_is_done_is_in_the_audit_log(client: httpx.Client, ended: str) -> None:
    _correct_all(client, ended)
    client.post(_path(ended, "replay"))
    entries = client.get("/v1/audit", params={"object": f"job/{ended}"}).json()["items"]

    assert [entry["action"] for entry in entries[:3]] == ["failed-rows.correct"] * 3
    assert [entry["details"]["place"] for entry in entries[:3]] == [120, 90, 60]
    assert "1.50" not in json.dumps(entries)


@pytest.fixture
def other(guarded: httpx.Client, make_key: MakeKey) -> Iterator[httpx.Client]:
    key = make_key("read", "submit", owner="somebody else")
    with httpx.Client(
        base_url=guarded.base_url, headers={"X-API-Key": key}, trust_env=False
    ) as made:
        yield made


def test_corrections_of_other_owners_jobs_are_not_there(ended: str, other: httpx.Client) -> None:
    answers = [
        other.get(_path(ended)),
        _put(other, ended, 60, discarded=True),
        _rule(other, ended, rule={"kind": "trim"}, cell="name"),
        other.delete(_path(ended, 60), params={"version": 1}),
        other.post(_path(ended, "check")),
        other.post(_path(ended, "replay")),
    ]

    assert {problem_of(answer)[1] for answer in answers} == {"job-unknown"}


def test_a_draft_goes_with_its_job(client: httpx.Client, ended: str, ledger: Ledger) -> None:
    _correct_all(client, ended)
    ledger.execute("DELETE FROM adsp.jobs WHERE id = %s", ended)

    assert ledger.value("SELECT count(*) FROM adsp.corrections") == 0
