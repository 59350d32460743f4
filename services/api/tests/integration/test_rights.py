"""A key for some datasets neither sees nor starts anything of others; `test_route_rights.py` asks each route."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    MakeKey,
    problem_of,
)
from services.api.tests.integration.test_event_streams import (
    Frame,
    add_event,
    following,
    new_event_id,
)
from services.api.tests.integration.test_overview import add_job

RIGHTS = ("read:mine", "submit:mi*e")
STREAM = "/v1/events"


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def jobs(guarded: httpx.Client, make_key: MakeKey, ledger: Ledger, root: Path) -> dict[str, str]:
    """Make the datasets `mine` and `theirs`; return the job of each, which the owner of all keys has."""
    admin = _bearer(make_key("admin"))
    for name in ("mine", "theirs"):
        assert guarded.put(f"/v1/datasets/{name}", json=ITEMS, headers=admin).status_code == 201
    return {
        name: add_job(ledger, "running", dataset=name, owner="prices")
        for name in ("mine", "theirs")
    }


@pytest.mark.parametrize(
    ("rights", "sees", "may_submit"),
    [
        (RIGHTS, {"mine"}, True),
        (("read", "submit:mine"), {"mine", "theirs"}, True),
        (("read:*", "submit:theirs"), {"mine", "theirs"}, False),
        (("read:m*", "read:theirs"), {"mine", "theirs"}, False),
        (("read:nothing", "submit"), set(), True),
        (("admin",), {"mine", "theirs"}, True),
    ],
)
def test_a_key_sees_and_starts_what_its_rights_are_for(
    guarded: httpx.Client,
    make_key: MakeKey,
    jobs: dict[str, str],
    root: Path,
    rights: tuple[str, ...],
    sees: set[str],
    *,
    may_submit: bool,
) -> None:
    headers = _bearer(make_key(*rights))
    (root / "items-2026-01-02.csv").write_text("sku,name,category,price,quantity,updated_at\n")

    def listed(path: str, name: Callable[[dict[str, Any]], str]) -> set[str]:
        return set(map(name, guarded.get(path, headers=headers).json()["items"]))

    assert listed("/v1/jobs", lambda job: str(job["dataset"])) == sees
    assert listed("/v1/datasets", lambda dataset: str(dataset["name"])) == sees
    overview = guarded.get("/v1/overview", headers=headers).json()
    assert {row["dataset"] for row in overview["items"]} == sees
    assert {job["dataset"] for job in overview["running"]} == sees
    body = {"dataset": "mine", "data_date": "2026-01-02"}
    made = guarded.post("/v1/jobs", json=body, headers=headers)
    assert made.status_code == (202 if may_submit else 403)
    if not may_submit:
        status, code, detail = problem_of(made)
        assert (status, code) == (403, "scope-missing")
        assert "'submit" in detail


def test_what_may_be_read_may_not_be_cancelled(
    guarded: httpx.Client, make_key: MakeKey, jobs: dict[str, str]
) -> None:
    headers, their_job = _bearer(make_key("read", "submit:mine")), jobs["theirs"]

    assert guarded.get(f"/v1/jobs/{their_job}", headers=headers).status_code == 200
    refused = guarded.post(f"/v1/jobs/{their_job}/cancel", headers=headers)
    assert problem_of(refused)[:2] == (404, "job-unknown")
    assert "/cancel" not in guarded.get(f"/jobs/{their_job}", headers=headers).text
    assert "/load" not in guarded.get("/datasets/theirs", headers=headers).text


@pytest.mark.parametrize(("rights", "sees"), [(RIGHTS, ["mine"]), (("admin",), ["mine", "theirs"])])
def test_a_stream_tells_of_the_datasets_that_may_be_read(
    guarded: httpx.Client,
    make_key: MakeKey,
    ledger: Ledger,
    jobs: dict[str, str],
    rights: tuple[str, ...],
    sees: list[str],
) -> None:
    """What comes before and after the lines that end the test is of `theirs`: who sees too much reads it."""
    owners = {job: name for name, job in jobs.items()}
    written = [
        (name, new_event_id(n)) for n, name in enumerate(("theirs", "mine", "theirs", "mine"), 1)
    ]
    missed, last = new_event_id(-50), new_event_id(-60)
    add_event(ledger, jobs["mine"], last)
    add_event(ledger, jobs["theirs"], missed)
    with following(guarded, STREAM, **_bearer(make_key(*rights)), **{"Last-Event-ID": last}) as got:
        frames = _read_until(got, lambda frame: frame[0] == "job")
        for name, new_id in written:
            ledger.execute(
                "UPDATE adsp.jobs SET rows_read = rows_read + 1 WHERE id = %s", jobs[name]
            )
            add_event(ledger, jobs[name], new_id)
        frames += _read_until(got, lambda frame: _hex(frame) == written[-1][1])

    reported = [_hex(frame) for frame in frames if frame[0] == "ledger"]
    assert reported == [new_id for name, new_id in [("theirs", missed), *written] if name in sees]
    progress = {owners[frame[1]["id"]] for frame in frames if frame[0] == "job"}
    assert sorted(progress) == sees


def _read_until(got: Iterator[Frame], is_last: Callable[[Frame], bool]) -> list[Frame]:
    """Return what a stream tells, up to the first frame that is the last one."""
    frames = []
    for frame in got:
        frames.append(frame)
        if is_last(frame):
            break
    return frames


def _hex(frame: Frame) -> str:
    return (frame[2] or "").replace("-", "")


@pytest.mark.parametrize("right", ["admin:mine", "read:", "read:A", "read:a b", "write:mine", "x"])
def test_a_right_that_cannot_be_is_refused(
    guarded: httpx.Client, make_key: MakeKey, right: str
) -> None:
    new = {"name": "feed", "owner": "prices", "scopes": [right]}
    answer = guarded.post("/v1/keys", json=new, headers=_bearer(make_key("admin")))

    assert problem_of(answer)[:2] == (422, "invalid-request")
